"""A terminal at the enrolment port, as a test drives it: its key, its lines, its certificate."""

import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roamwire import enrolment
from roamwire.enrolment import Enrol, Enrolled
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
