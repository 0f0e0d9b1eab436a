"""Real keys and certificates of cards, CAs and revocation lists, made by a test. No files."""

import base64
import datetime
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from roamwire.control import Response
from roamwire.proof import card_token, key_hash, signed_bytes
from sessionhost.adapters.card_verify import UPN, public_bytes

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
KINDS = ("rsa2048", "rsa3072", "p256", "p384")


@functools.cache
def key_of(kind, number=0):
    """A key; each (kind, number) is made once a run, RSA ones take a while."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
    curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
    return ec.generate_private_key(curves[kind]())


def name_of(common):
    """A subject with that common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def utf8(text):
    """A DER UTF8String."""
    data = text.encode()
    return bytes([0x0C, len(data)]) + data


class Authority:
    """A CA, below another one or by itself."""

    def __init__(
        self, common, above=None, *, until=NOW + 365 * DAY, length=None, extra=(), key=None
    ):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(common)
        signer = above or self
        basic = x509.BasicConstraints(ca=True, path_length=length)
        builder = _builder(self.name, signer.name, self.key, NOW - 365 * DAY, until)
        builder = builder.add_extension(basic, critical=True)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    def revoke(self, *certificates, until=NOW + DAY, key=None):
        """A revocation list, DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(NOW - 2 * DAY)
            .next_update(until)
        )
        for each in certificates:
            entry = x509.RevokedCertificateBuilder(each.serial_number, NOW - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _builder(subject, issuer, key, start, until):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(until)
    )


class RealCard:
    """A card with a real key 9E (or 9A) and its certificate."""

    def __init__(
        self, kind="p256", issuer=None, *, number=0, common="alice", upn="", email="", card="",
        start=NOW - DAY, until=NOW + DAY, extra=(), digest=hashes.SHA256,
    ):  # fmt: skip
        self.key = key_of(kind, number)
        subject = name_of(common)
        builder = _builder(subject, issuer.name if issuer else subject, self.key, start, until)
        names = [x509.OtherName(UPN, utf8(each)) for each in [upn] if each]
        names += [x509.RFC822Name(each) for each in [email] if each]
        names += [x509.UniformResourceIdentifier(each) for each in [card] if each]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        self.certificate = builder.sign(issuer.key if issuer else self.key, digest())

    @property
    def name(self):
        return self.certificate.subject

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def spki(self):
        return public_bytes(self.key.public_key())

    @property
    def token(self):
        return card_token(self.spki)

    @property
    def key_hash(self):
        return key_hash(self.spki)

    def sign(self, message):
        """As the card's GENERAL AUTHENTICATE does after the DTU's padding."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        wide = self.key.curve.name == "secp384r1"
        return self.key.sign(message, ec.ECDSA(hashes.SHA384() if wide else hashes.SHA256()))

    def answer(self, challenge, server, dtu, token=None):
        """The response to a challenge; `token` is the one that was inserted, if not its own."""
        message = signed_bytes(
            server=server,
            dtu=dtu,
            token=token or self.token,
            slot=challenge.slot,
            seq=challenge.seq,
            data=challenge.data,
        )
        return Response(challenge.seq, text(self.sign(message)), text(self.der))


def text(data):
    """Base64 as it stands in a line."""
    return base64.b64encode(data).decode()
