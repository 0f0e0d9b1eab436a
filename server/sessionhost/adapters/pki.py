"""The group's CA and the certificates it signs for servers and terminals. Use in TLS is not here.

A certificate's role stands in it twice: as a URI name (`roamdesk://server/s1`) that both ends
check, and as the extended key usage that OpenSSL itself checks.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roamwire.identity import Identity, name_problem
from sessionhost.adapters.card_authorities import FOLDER as CARD_CAS
from sessionhost.adapters.keyfiles import (
    AUDIT_KEY_NAME,
    PREVIOUS_NAME,
    SECRET_BYTES,
    SECRET_NAME,
    KeyFileError,
    load_secret,
    load_secrets,
    read_private,
    secret_text,
    write_private,
    write_public,
)
from sessionhost.adapters.policy_file import POLICY_NAME, default_text, load_policy

CA_CERT_NAME = "ca.crt"
CA_KEY_NAME = "ca.key"
NEXT_NAME = "secret.next"

CA_YEARS = 30
LEAF_YEARS = 10

# A Pi has no clock of its own and starts in 1970; its TLS must not fail for that.
NOT_BEFORE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

RandomBytes = Callable[[int], bytes]


class PkiError(Exception):
    """A certificate cannot be made; says what to do."""


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, both as PEM."""

    identity: Identity
    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class GroupCa:
    """The group's CA with its key: who has it decides who belongs to the group."""

    name: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, identity: Identity, now: datetime.datetime) -> Issued:
        """A new key and certificate for `identity`, valid for LEAF_YEARS from `now`."""
        problem = name_problem(identity.name)
        if problem:
            raise PkiError(f"{identity.role} {problem}")
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
        if identity.role == "server":
            names.insert(0, x509.DNSName(identity.name))
        usage = _EXTENDED_USAGE[identity.role]
        builder = (
            _builder(self.name, identity.name, key, now, LEAF_YEARS)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        return Issued(identity, _certificate_pem(certificate), _key_pem(key))


_EXTENDED_USAGE = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "dtu": ExtendedKeyUsageOID.CLIENT_AUTH,
}


def create_group(
    folder: Path, name: str, now: datetime.datetime, random_bytes: RandomBytes
) -> GroupCa:
    """Makes a group's folder: CA, its key, the first secret. Never overwrites a group."""
    problem = name_problem(name)
    if problem:
        raise PkiError(f"the group {problem}")
    for existing in (CA_KEY_NAME, CA_CERT_NAME, SECRET_NAME):
        if (folder / existing).exists():
            raise PkiError(
                f"{folder} holds a group already ({existing}); choose another folder, or remove "
                "it if no server and no terminal uses that group"
            )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca = _create_ca(name, now)
    write_private(folder / SECRET_NAME, secret_text(random_bytes(SECRET_BYTES)))
    create_audit_key(folder, random_bytes)
    write_public(folder / CA_CERT_NAME, _certificate_pem(ca.certificate))
    write_public(folder / POLICY_NAME, default_text().encode("utf-8"))
    write_private(folder / CA_KEY_NAME, _key_pem(ca.key))
    return ca


def create_audit_key(folder: Path, random_bytes: RandomBytes) -> None:
    """The key under which cards stand in the audit log; it is for ever, a secret is not."""
    if (folder / AUDIT_KEY_NAME).exists():
        raise PkiError(f"{folder} has an {AUDIT_KEY_NAME} already; another one would rename cards")
    write_private(folder / AUDIT_KEY_NAME, secret_text(random_bytes(SECRET_BYTES)))


def load_ca(folder: Path) -> GroupCa:
    """The CA of a group's folder; needs the CA's key, which no server has."""
    key_path, cert_path = folder / CA_KEY_NAME, folder / CA_CERT_NAME
    try:
        key = serialization.load_pem_private_key(read_private(key_path), password=None)
        certificate = x509.load_pem_x509_certificate(cert_path.read_bytes())
    except OSError as error:
        raise PkiError(f"cannot read {cert_path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise PkiError(f"{folder} does not hold a CA's key and certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(f"{key_path} is not an elliptic curve key")
    try:
        certificate.verify_directly_issued_by(certificate)
        matches = certificate.public_key() == key.public_key()
    except (ValueError, TypeError, InvalidSignature):
        matches = False
    if not matches:
        raise PkiError(f"{key_path} and {cert_path} do not belong together")
    organisation = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return GroupCa(str(organisation[0].value), certificate, key)


def export_group(folder: Path, out: Path) -> list[Path]:
    """Writes what every server of the group needs, and nothing of the CA's key, into `out`.

    A secret that is prepared is handed out as the second live one, so that every server accepts
    it before the first one signs with it.
    """
    pair = load_secrets(folder)
    second = pair.previous
    if (folder / NEXT_NAME).exists():
        second = load_secret(folder / NEXT_NAME)
    try:
        ca_pem = (folder / CA_CERT_NAME).read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot read {folder / CA_CERT_NAME}: {error.strerror}") from error
    write_public(out / CA_CERT_NAME, ca_pem)
    write_private(out / SECRET_NAME, secret_text(pair.current))
    written = [out / CA_CERT_NAME, out / SECRET_NAME]
    if (folder / AUDIT_KEY_NAME).exists():
        write_private(out / AUDIT_KEY_NAME, secret_text(load_secret(folder / AUDIT_KEY_NAME)))
        written.append(out / AUDIT_KEY_NAME)
    if second is None:
        (out / PREVIOUS_NAME).unlink(missing_ok=True)
    else:
        write_private(out / PREVIOUS_NAME, secret_text(second))
        written.append(out / PREVIOUS_NAME)
    return [*written, *_export_policy(folder, out)]


def _export_policy(folder: Path, out: Path) -> list[Path]:
    """The policy, if it can be in force, and the CAs of cards as they are in the group's folder."""
    load_policy(folder)
    written = []
    if (folder / POLICY_NAME).exists():
        written.append(out / POLICY_NAME)
        write_public(written[-1], (folder / POLICY_NAME).read_bytes())
    source, target = folder / CARD_CAS, out / CARD_CAS
    for path in sorted(source.iterdir()) if source.is_dir() else []:
        written.append(target / path.name)
        write_public(written[-1], path.read_bytes())
    for path in sorted(target.iterdir()) if target.is_dir() else []:
        # A CA that was taken out must not live on; its lists may be renewed on each server.
        if path.suffix == ".pem" and path not in written:
            path.unlink()
    return written


def prepare_secret(folder: Path, random_bytes: RandomBytes) -> None:
    """Makes the next secret, which servers accept but do not sign with yet."""
    load_secrets(folder)
    if (folder / NEXT_NAME).exists():
        raise PkiError(f"a next secret is prepared already in {folder / NEXT_NAME}")
    write_private(folder / NEXT_NAME, secret_text(random_bytes(SECRET_BYTES)))


def rotate_secret(folder: Path, random_bytes: RandomBytes) -> bool:
    """The prepared (or else a new) secret becomes current; True if it had been prepared."""
    pair = load_secrets(folder)
    prepared = (folder / NEXT_NAME).exists()
    secret = load_secret(folder / NEXT_NAME) if prepared else random_bytes(SECRET_BYTES)
    # In this order a crash in between leaves a folder whose secrets are all live ones.
    write_private(folder / PREVIOUS_NAME, secret_text(pair.current))
    write_private(folder / SECRET_NAME, secret_text(secret))
    (folder / NEXT_NAME).unlink(missing_ok=True)
    return prepared


def _create_ca(name: str, now: datetime.datetime) -> GroupCa:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, f"{name} group CA", key, now, CA_YEARS)
    certificate = (
        builder.issuer_name(_subject(name, f"{name} group CA"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return GroupCa(name, certificate, key)


def _builder(
    group: str,
    common_name: str,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    years: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(group, common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(now + datetime.timedelta(days=366 * years))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
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


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
