"""The two CAs of a group and the certificates they sign. Files and their permissions are not here.

A certificate's role stands in it twice: as a URI name (`roamdesk://server/s1`) that both ends
check, and as the extended key usage that OpenSSL itself checks. The group CA signs servers and the
desk CA; the desk CA, whose key is on servers, can make nothing but terminals: its own certificate
allows client authentication and `roamdesk://dtu/...` alone.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roamwire.enrolment import key_hash
from roamwire.identity import Identity, Role, name_problem

CA_YEARS = 30
LEAF_YEARS = 10

# A Pi has no clock of its own and starts in 1970; its TLS must not fail for that.
NOT_BEFORE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

PublicKey = ec.EllipticCurvePublicKey


class PkiError(Exception):
    """A certificate cannot be made; says what to do."""


@dataclass(frozen=True)
class Issued:
    """A certificate with its chain, and its key, as PEM."""

    identity: Identity
    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Authority:
    """A CA with its key. `chain` is sent along with what it signs: empty for the group CA."""

    name: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    def issue(self, identity: Identity, now: datetime.datetime) -> Issued:
        """A new key and certificate for `identity`, valid for LEAF_YEARS from `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self.sign(identity, key.public_key(), now, years(LEAF_YEARS))
        return Issued(identity, b"".join(map(to_pem, signed)), key_pem(key))

    def sign(
        self,
        identity: Identity,
        public_key: PublicKey,
        now: datetime.datetime,
        life: datetime.timedelta,
    ) -> tuple[x509.Certificate, ...]:
        """A certificate for a key that somebody else has, and its chain, the certificate first."""
        problem = name_problem(identity.name)
        if problem:
            raise PkiError(f"{identity.role} {problem}")
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
        if identity.role == "server":
            names.insert(0, x509.DNSName(identity.name))
        builder = (
            _builder(self.name, identity.name, public_key, now + life)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_EXTENDED_USAGE[identity.role]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return (_signed(builder, self), *self.chain)

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key()


# Servers ask each other too, so their certificates are good at both ends of a connection.
_EXTENDED_USAGE: dict[Role, list[x509.ObjectIdentifier]] = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    "dtu": [ExtendedKeyUsageOID.CLIENT_AUTH],
}


def new_group_ca(name: str, now: datetime.datetime) -> Authority:
    """A group's root, which may have one CA below it."""
    key = ec.generate_private_key(ec.SECP256R1())
    # OpenSSL looks for an issuer by its name: two roots of one group must not have the same.
    common_name = f"{name} group CA {x509.random_serial_number() % 16**6:06x}"
    builder = (
        _builder(name, common_name, key.public_key(), now + years(CA_YEARS))
        .issuer_name(_subject(name, common_name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
    )
    return Authority(name, builder.sign(key, hashes.SHA256()), key)


def new_desk_ca(group: Authority, now: datetime.datetime) -> Authority:
    """The CA below the group's that signs terminals and can sign nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    common_name = f"{group.name} desk CA {x509.random_serial_number() % 16**6:06x}"
    only = x509.NameConstraints([x509.UniformResourceIdentifier("dtu")], None)
    builder = (
        _builder(group.name, common_name, key.public_key(), now + years(CA_YEARS))
        .issuer_name(group.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(only, critical=True)
    )
    certificate = _signed(builder, group)
    return Authority(group.name, certificate, key, (certificate,))


def load_authority(key_text: bytes, certificates: bytes, where: str) -> Authority:
    """A CA from PEM: of several certificates the one that the key belongs to; PkiError if none."""
    try:
        key = serialization.load_pem_private_key(key_text, password=None)
        found = x509.load_pem_x509_certificates(certificates)
    except (ValueError, TypeError) as error:
        raise PkiError(f"{where} does not hold a CA's key and certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(f"{where}: the CA's key is not an elliptic curve key")
    ours = [each for each in found if each.public_key() == key.public_key()]
    if not ours:
        raise PkiError(f"the CA's key and certificate in {where} do not belong together")
    organisation = ours[0].subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    chain = () if is_root(ours[0]) else (ours[0],)
    return Authority(str(organisation[0].value) if organisation else "", ours[0], key, chain)


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it signed itself."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def parse_request(der: bytes) -> PublicKey:
    """The key of a PKCS #10 request that it signed itself; PkiError if it is not fit.

    What else a request asks for is not looked at: names and usages are ours to choose.
    """
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        proven = request.is_signature_valid
    except Exception as error:  # its parser raises more kinds than it documents
        raise PkiError(f"not a certificate request: {error}") from error
    if not proven:
        raise PkiError("the request is not signed by the key that is in it")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in (
        "secp256r1",
        "secp384r1",
    ):
        raise PkiError("the key must be P-256 or P-384")
    return key


def key_digest(key: PublicKey) -> str:
    """A key's name, as `roamwire.enrolment.key_hash` has it."""
    return key_hash(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def digest_of_certificate(der: bytes) -> str:
    """The name of the key in a certificate that TLS has verified."""
    key = x509.load_der_x509_certificate(der).public_key()
    return key_hash(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def wants_renewal(
    der: bytes, authority: Authority, now: datetime.datetime, life: datetime.timedelta
) -> bool:
    """Whether a terminal's certificate is in the second half of its life, or of another CA."""
    certificate = x509.load_der_x509_certificate(der)
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return True
    return certificate.not_valid_after_utc - now < life / 2


def roots_of(bundle: bytes) -> tuple[bytes, ...]:
    """DER of each certificate in a PEM bundle; PkiError if there is none."""
    try:
        found = x509.load_pem_x509_certificates(bundle)
    except ValueError as error:
        raise PkiError(f"not a bundle of certificates: {error}") from error
    return tuple(map(to_der, found))


def to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def to_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def years(number: int) -> datetime.timedelta:
    """Leap years counted generously."""
    return datetime.timedelta(days=366 * number)


def joined(certificates: Sequence[x509.Certificate]) -> bytes:
    """Several certificates as one PEM file."""
    return b"".join(map(to_pem, certificates))


def _signed(builder: x509.CertificateBuilder, by: Authority) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key)
    return builder.add_extension(issuer, critical=False).sign(by.key, hashes.SHA256())


def _builder(
    group: str, common_name: str, public_key: PublicKey, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(group, common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _subject(group: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
