"""Somebody at a server's enrolment port, TCP 7011, with a key of their own. Decides nothing."""

from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roamtools.hostile.peer import WAIT_S, Peer, client_context
from roamtools.hostile.stage import ENROL_PORT, EVIL, Stage
from roamwire import enrolment
from roamwire.enrolment import Enrolled, Line
from sessionhost.adapters.certificates import key_pem


def request(name: str = "anything", key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """A certificate request as it stands in a line."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return enrolment.to_text([signed.public_bytes(serialization.Encoding.DER)])


def leaf(answer: Enrolled) -> x509.Certificate:
    """The certificate that was given."""
    return x509.load_der_x509_certificate(enrolment.from_text(answer.certificate)[0])


def subjects(answer: Enrolled) -> list[str]:
    """The names in the certificate that was given, of whatever kind."""
    names = leaf(answer).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in names.value]


class EnrolPeer:
    """One connection from a desk of the lab (the attacker's), with a certificate or without."""

    def __init__(
        self, stage: Stage, server: str, folder: Path | None = None, *, desk: str = EVIL
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        context = client_context(folder)
        address = stage.address(server)
        self._peer = stage.inside(desk, lambda: Peer(address, ENROL_PORT, context))
        self.socket = self._peer.socket
        self.socket.settimeout(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._peer.close()

    def csr(self, name: str = "anything") -> str:
        """A request for our own key."""
        return request(name, self.key)

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.socket.sendall(data)

    def ask(self, line: Line | bytes) -> Line:
        """One line and its answer; OSError or EOFError if the server hangs up."""
        self.send(line if isinstance(line, bytes) else enrolment.encode_line(line))
        return enrolment.parse_line(self._peer.read())

    def keep(self, answer: Enrolled, folder: Path) -> Path:
        """The certificate that was given and our key, in a folder as terminals have it."""
        folder.mkdir(parents=True, exist_ok=True)
        chain = map(x509.load_der_x509_certificate, enrolment.from_text(answer.certificate))
        pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
        (folder / "dtu.crt").write_bytes(pem)
        (folder / "dtu.key").write_bytes(key_pem(self.key))
        return folder
