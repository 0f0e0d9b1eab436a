"""A terminal at the enrolment port, as a test drives it: its key, its lines, its certificate."""

import socket
import ssl
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roamwire import enrolment
from roamwire.enrolment import Enrol, Enrolled, Refused, Renew
from sessionhost.adapters.certificates import key_digest, key_pem

ANSWER_S = 10


class EnrolDesk:
    """One key; `ask` sends lines in one connection and gives the answers."""

    def __init__(self, folder: Path, ca: Path, port: int, name: str = "desk1") -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.digest = key_digest(self.key.public_key())
        self.certificate: Path | None = None
        self._folder = folder
        self._ca = ca
        self._port = port

    @property
    def csr(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        signed = request.sign(self.key, hashes.SHA256())
        return enrolment.to_text([signed.public_bytes(serialization.Encoding.DER)])

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self._ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate)
        return context

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), ANSWER_S)
        return self.context().wrap_socket(plain)

    def ask(self, *lines: enrolment.Line) -> list[enrolment.Line]:
        with self.connect() as link, link.makefile("rb") as file:
            answers = []
            for line in lines:
                link.sendall(enrolment.encode_line(line))
                answers.append(enrolment.parse_line(file.readline()))
            return answers

    def enrol(self, code: str = "") -> enrolment.Line:
        """Asks for a certificate, and keeps it if there is one."""
        (answer,) = self.ask(Enrol(self.name, self.csr, code))
        if isinstance(answer, Enrolled):
            self.keep(answer)
        return answer

    def keep(self, answer: Enrolled) -> None:
        chain = enrolment.from_text(answer.certificate)
        self.certificate = self._folder / f"{self.name}-{self.digest[:8]}.pem"
        text = "".join(map(ssl.DER_cert_to_PEM_cert, chain))
        self.certificate.write_bytes(key_pem(self.key) + text.encode("ascii"))


def main() -> None:
    """Asks the server of this namespace for a certificate, and prints how it was answered.

    With the key and certificate of a terminal's folder it renews; else it has a key of its own.
    """
    folder, ca, port, name = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    desk = EnrolDesk(folder, ca, port, name)
    if (folder / "dtu.crt").exists():
        key = (folder / "dtu.key").read_bytes()
        desk.key = serialization.load_pem_private_key(key, None)
        desk.certificate = folder / "renewing.pem"
        desk.certificate.write_bytes(key + (folder / "dtu.crt").read_bytes())
        (answer,) = desk.ask(Renew(desk.csr))
    else:
        answer = desk.enrol()
    print(answer.code.value if isinstance(answer, Refused) else type(answer).__name__.lower())


def asked_from(process: int, *words: object) -> str:
    """What `main` prints in the network namespace of that process."""
    inside = ["nsenter", "-t", str(process), "-n", sys.executable, __file__, *map(str, words)]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


if __name__ == "__main__":
    main()
