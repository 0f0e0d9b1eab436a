"""Key types of PIV cards: which one a certificate has, and what a card is given to sign.

A certificate is walked only as far as its public key; whether it is worth anything is not asked.
"""

import hashlib
from enum import Enum

from dtu.core.piv import tlv

# DER of the object identifiers, without tag and length (RFC 3279, RFC 5480).
RSA_ENCRYPTION = bytes.fromhex("2A864886F70D010101")
EC_PUBLIC_KEY = bytes.fromhex("2A8648CE3D0201")
CURVE_P256 = bytes.fromhex("2A8648CE3D030107")
CURVE_P384 = bytes.fromhex("2B81040022")
COMMON_NAME = bytes.fromhex("550403")

SEQUENCE, INTEGER, OBJECT, BIT_STRING, VERSION = 0x30, 0x02, 0x06, 0x03, 0xA0

# RFC 8017, 9.2, note 1: DigestInfo up to the hash itself.
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")


class KeyType(Enum):
    """The four of SP 800-78 that are in use; the value is the name in logs and on the wire."""

    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    P256 = "p256"
    P384 = "p384"

    @property
    def algorithm(self) -> int:
        """The identifier of SP 800-78 for GENERAL AUTHENTICATE."""
        return _ALGORITHMS[self]

    @property
    def modulus_bytes(self) -> int:
        """Bytes of an RSA signature; 0 for ECDSA."""
        return _MODULI.get(self, 0)

    def to_be_signed(self, message: bytes) -> bytes:
        """What the card is given: for RSA the message padded by PKCS#1 v1.5 with SHA-256, for
        ECDSA its hash: SHA-256 for P-256, SHA-384 for P-384.

        v1.5 and not PSS: it needs no randomness, and every PIV card does the raw operation only.
        """
        if self is KeyType.P384:
            return hashlib.sha384(message).digest()
        digest = hashlib.sha256(message).digest()
        if self is KeyType.P256:
            return digest
        info = SHA256_INFO + digest
        return b"\x00\x01" + b"\xff" * (self.modulus_bytes - 3 - len(info)) + b"\x00" + info

    def fits(self, signature: bytes) -> bool:
        """Whether this can be a signature of such a key, by its size and shape alone."""
        if self.modulus_bytes:
            return len(signature) == self.modulus_bytes
        try:
            pair = tlv.read(signature)
            numbers = list(tlv.elements(pair.value))
        except tlv.TlvError:
            return False
        return (
            (pair.tag, pair.end) == (SEQUENCE, len(signature))
            and [number.tag for number in numbers] == [INTEGER, INTEGER]
            and all(1 <= len(number.value) <= _NUMBERS[self] for number in numbers)
        )


_ALGORITHMS = {KeyType.RSA2048: 7, KeyType.RSA3072: 5, KeyType.P256: 0x11, KeyType.P384: 0x14}
_MODULI = {KeyType.RSA2048: 256, KeyType.RSA3072: 384}
_NUMBERS = {KeyType.P256: 33, KeyType.P384: 49}  # bytes of r and s, with one for the sign


def public_key_info(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a DER certificate, in DER; raises TlvError."""
    to_be_signed, _, end = _subject(certificate)
    info = _expect(tlv.read(to_be_signed, end), SEQUENCE)
    return to_be_signed[end : info.end]


def common_name(certificate: bytes) -> str:
    """The CN of a DER certificate's subject, "" if it has none; raises TlvError."""
    _, subject, _ = _subject(certificate)
    for relative_name in tlv.elements(subject):
        for pair in tlv.elements(relative_name.value):
            kind, value = tuple(tlv.elements(pair.value))[:2]
            if kind.value == COMMON_NAME:
                return value.value.decode("utf-8", "replace")
    return ""


def _subject(certificate: bytes) -> tuple[bytes, bytes, int]:
    """What is signed, the subject's value in it, and where the subject ends."""
    whole = _expect(tlv.read(certificate), SEQUENCE)
    if whole.end != len(certificate):
        raise tlv.TlvError("bytes after the certificate")
    to_be_signed = _expect(tlv.read(whole.value), SEQUENCE).value
    first = tlv.read(to_be_signed)
    end = first.end if first.tag == VERSION else 0
    subject = first
    for _ in range(5):  # serial number, signature, issuer, validity, subject
        subject = tlv.read(to_be_signed, end)
        end = subject.end
    return to_be_signed, subject.value, end


def key_type(certificate: bytes) -> KeyType | None:
    """The type of a certificate's key, None for one that is not here; raises TlvError."""
    info = tlv.read(public_key_info(certificate)).value
    algorithm = _expect(tlv.read(info), SEQUENCE)
    key = _expect(tlv.read(info, algorithm.end), BIT_STRING)
    name = _expect(tlv.read(algorithm.value), OBJECT)
    if name.value == EC_PUBLIC_KEY:
        curve = _expect(tlv.read(algorithm.value, name.end), OBJECT)
        return {CURVE_P256: KeyType.P256, CURVE_P384: KeyType.P384}.get(curve.value)
    if name.value == RSA_ENCRYPTION:
        numbers = _expect(tlv.read(key.value, 1), SEQUENCE)  # after the count of unused bits
        modulus = _expect(tlv.read(numbers.value), INTEGER)
        bits = int.from_bytes(modulus.value, "big").bit_length()
        return {2048: KeyType.RSA2048, 3072: KeyType.RSA3072}.get(bits)
    return None


def _expect(element: tlv.Element, tag: int) -> tlv.Element:
    if element.tag != tag:
        raise tlv.TlvError(f"element {element.tag:X} where {tag:X} belongs")
    return element
