"""A card's certificate and signature, looked at with `cryptography`. Whose card it is is not here.

Keys are those of NIST SP 800-78: RSA of 2048 bits and more, P-256, P-384. Nothing that a card sends
can raise: what cannot be read proves nothing.
"""

import base64
import binascii
import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from roamwire.proof import key_hash
from sessionhost.adapters.card_authorities import CardAuthorities
from sessionhost.core.actions import Verify
from sessionhost.core.cards import CardFacts
from sessionhost.core.reasons import Reason

RSA_BITS = (2048, 3072, 4096)
RSA_EXPONENT = 65537

UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""Microsoft's user principal name, an otherName that holds one UTF8String."""

_UTF8_STRING = 0x0C
_CARD_URI = "urn:uuid:"

CardKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def verify(asked: Verify, authorities: CardAuthorities, now: datetime.datetime) -> CardFacts:
    """What the certificate says, and whether its key made the signature; `now` is wall time."""
    try:
        signature = base64.b64decode(asked.signature, validate=True)
        certificate = read_certificate(base64.b64decode(asked.certificate, validate=True))
    except (binascii.Error, ValueError):
        return CardFacts(Reason.NO_CERTIFICATE)
    key = card_key(certificate)
    if key is None:
        return CardFacts(Reason.KEY_KIND)
    if not _signed(key, signature, asked.message):
        return CardFacts(Reason.WRONG_SIGNATURE)
    return facts_of(certificate, authorities, now)


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate whose parts can all be read; ValueError if not."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        # cryptography reads these when they are asked for, and raises then.
        _ = certificate.extensions, certificate.subject, certificate.issuer
    except Exception as error:  # its parser raises more kinds than it documents
        raise ValueError(f"not a certificate: {error}") from error
    return certificate


def card_key(certificate: x509.Certificate) -> CardKey | None:
    """The certificate's key if a PIV card can have it."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        good = key.key_size in RSA_BITS and key.public_numbers().e == RSA_EXPONENT
        return key if good else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1) else None
    return None


def public_bytes(key: CardKey) -> bytes:
    """The DER SubjectPublicKeyInfo that names the key."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _signed(key: CardKey, signature: bytes, message: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            wide = isinstance(key.curve, ec.SECP384R1)
            key.verify(signature, message, ec.ECDSA(hashes.SHA384() if wide else hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def facts_of(
    certificate: x509.Certificate, authorities: CardAuthorities, now: datetime.datetime
) -> CardFacts:
    """What a certificate says of its card and person; its signature has been seen to hold."""
    key = card_key(certificate)
    upn, email, card = _names(certificate)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CardFacts(
        None if key is not None else Reason.KEY_KIND,
        key=key_hash(public_bytes(key)) if key is not None else "",
        dates_hold=certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc,
        chain=authorities.problem(certificate, now),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        card=card,
        upn=upn,
        email=email,
        common_name=str(common[0].value) if len(common) == 1 else "",
    )


def _names(certificate: x509.Certificate) -> tuple[str, str, str]:
    """UPN, e-mail address and card number of the alternative names; "" where not exactly one."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return "", "", ""
    names = extension.value
    others = names.get_values_for_type(x509.OtherName)
    upns = [_utf8(each.value) for each in others if each.type_id == UPN]
    emails = names.get_values_for_type(x509.RFC822Name)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    cards = [uri for uri in uris if uri.lower().startswith(_CARD_URI)]
    return _only(upns), _only(emails), _only(cards).lower()


def _only(values: list[str]) -> str:
    return values[0] if len(values) == 1 else ""


def _utf8(der: bytes) -> str:
    """A DER UTF8String of at most 127 bytes, "" if it is anything else."""
    if len(der) < 2 or der[0] != _UTF8_STRING or der[1] != len(der) - 2:
        return ""
    return der[2:].decode("utf-8", "replace")
