"""Makes emulated PIV cards, and the authorities that issue their certificates."""

import datetime
import os
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from roamtools.card import piv_objects
from roamtools.card.piv import AID
from roamtools.card.piv_keys import KEY_TYPES, ManagementKey, PrivateKey, from_pem, to_pem, type_of
from roamtools.card.piv_objects import Authority
from roamtools.card.piv_state import (
    DEFAULT_MANAGEMENT,
    DEFAULT_PIN,
    DEFAULT_PUK,
    PivState,
    Secret,
)

DEFAULT_KEYS = {0x9A: "p256", 0x9E: "p256"}
CARD_AUTHENTICATION = ObjectIdentifier("2.16.840.1.101.3.6.8")  # id-PIV-cardAuth, FIPS 201
YEAR = datetime.timedelta(days=365)
HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    """What card is wanted. `signed_by` None: each certificate is signed by its own key."""

    subject: str = "Card Holder"
    keys: Mapping[int, str] = field(default_factory=lambda: dict(DEFAULT_KEYS))
    guid: bytes = b""  # drawn if it is empty
    signed_by: Authority | None = None
    expired: bool = False
    compressed: bool = False
    pin: str = DEFAULT_PIN
    puk: str = DEFAULT_PUK
    management: ManagementKey = DEFAULT_MANAGEMENT
    tries: int = 3


def make_authority(name: str) -> Authority:
    """A certificate authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), _now() - HOUR, 20 * YEAR)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    return builder.sign(key, hashes.SHA256()), key


def make_card(order: Order, path: Path | None = None) -> PivState:
    """A new card with keys of its own; written to `path` if there is one."""
    guid = order.guid or uuid.uuid4().bytes
    state = PivState(
        Secret(order.pin, order.tries, order.tries),
        Secret(order.puk, order.tries, order.tries),
        order.management,
        {slot: KEY_TYPES[kind]() for slot, kind in order.keys.items()},
        path=path,
    )
    objects = state.objects
    objects[piv_objects.CHUID] = piv_objects.chuid(guid)
    objects[piv_objects.CCC] = piv_objects.capabilities(guid)
    objects[piv_objects.DISCOVERY] = piv_objects.discovery(AID)
    objects[piv_objects.HISTORY] = piv_objects.history()
    objects[piv_objects.PRINTED] = piv_objects.printed(order.subject)
    signer = order.signed_by
    for slot, key in state.keys.items():
        issued = _issue(order, slot, key, guid)
        der = issued.public_bytes(serialization.Encoding.DER)
        tag = piv_objects.CERTIFICATES[slot]
        objects[tag] = piv_objects.certificate(der, order.compressed)
        signer = signer or (issued, key)
    if signer is not None:
        objects[piv_objects.SECURITY] = piv_objects.security(objects, signer)
    state.save()
    return state


def clone(original: PivState, path: Path | None = None) -> PivState:
    """A card with all that can be read from another one, and keys of its own."""
    keys = {slot: KEY_TYPES[type_of(key)]() for slot, key in original.keys.items()}
    copy = replace(
        original,
        pin=Secret(**vars(original.pin)),
        puk=Secret(**vars(original.puk)),
        keys=keys,
        objects=dict(original.objects),
        path=path,
    )
    copy.save()
    return copy


def write_authority(authority: Authority, folder: Path) -> None:
    """As ca.crt and ca.key."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(authority[0].public_bytes(serialization.Encoding.PEM))
    descriptor = os.open(folder / "ca.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(to_pem(authority[1]))


def read_authority(folder: Path) -> Authority:
    """Raises OSError or ValueError."""
    certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    return certificate, from_pem((folder / "ca.key").read_text(encoding="ascii"))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Roamdesk lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    begins: datetime.datetime,
    lasts: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(secrets.randbits(120) | 1)
        .not_valid_before(begins)
        .not_valid_after(begins + lasts)
    )


def _issue(order: Order, slot: int, key: PrivateKey, guid: bytes) -> x509.Certificate:
    """The certificate of one key: 9E is the card's, the others are the person's."""
    subject = _name(f"{order.subject} {guid.hex()}" if slot == 0x9E else order.subject)
    begins = _now() - (2 * YEAR if order.expired else HOUR)
    issuer, signer = order.signed_by or (None, key)
    builder = _builder(
        subject, issuer.subject if issuer else subject, key.public_key(), begins, YEAR
    )
    builder = builder.add_extension(_usage(slot, key), True)
    identity = x509.UniformResourceIdentifier(f"urn:uuid:{uuid.UUID(bytes=guid)}")
    builder = builder.add_extension(x509.SubjectAlternativeName([identity]), False)
    if slot == 0x9E:
        builder = builder.add_extension(x509.ExtendedKeyUsage([CARD_AUTHENTICATION]), True)
    return builder.sign(signer, hashes.SHA256())


def _usage(slot: int, key: PrivateKey) -> x509.KeyUsage:
    manages = slot == 0x9D
    curve = isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.KeyUsage(
        digital_signature=not manages,
        content_commitment=slot == 0x9C,
        key_encipherment=manages and not curve,
        key_agreement=manages and curve,
        data_encipherment=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
