"""Data objects of an emulated PIV card (SP 800-73-4 part 1, appendix A): their bytes, no more."""

import gzip
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from roamtools.card.tlv import wrap

CERTIFICATES = {0x9A: "5fc105", 0x9C: "5fc10a", 0x9D: "5fc10b", 0x9E: "5fc101"}
CHUID, CCC, SECURITY, HISTORY, PRINTED = "5fc102", "5fc107", "5fc106", "5fc10c", "5fc109"
DISCOVERY = "7e"

# Agency 9999, "not a federal card": the GUID is what tells such cards apart.
FASC_N = bytes.fromhex("d4e739da739ced39ce739d836858210842108421c84210c3eb")
EXPIRES = b"20501231"
CHECKSUM = wrap("FE")  # kept for old readers, always empty

# Containers of the security object and the numbers that they have there.
CONTAINERS = {CCC: 0xDB00, CHUID: 0x3000, "5fc105": 0x0101, "5fc101": 0x0500}

Authority = tuple[x509.Certificate, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]


def chuid(guid: bytes) -> bytes:
    """Card holder unique identifier, not signed."""
    return wrap("30", FASC_N) + wrap("34", guid) + wrap("35", EXPIRES) + wrap("3E", b"") + CHECKSUM


def capabilities(serial: bytes) -> bytes:
    """Card capability container with the data model of PIV."""
    identifier = bytes.fromhex("A000000116FF02") + serial[:14]
    fields = wrap("F0", identifier) + wrap("F1", b"\x21") + wrap("F2", b"\x21") + wrap("F3", b"")
    fields += wrap("F4", b"\x00") + wrap("F5", b"\x10")
    return fields + b"".join(wrap(tag) for tag in ("F6", "F7", "FA", "FB", "FC", "FD")) + CHECKSUM


def discovery(aid: bytes) -> bytes:
    """The application, and that its own PIN is the only one."""
    return wrap("7E", wrap("4F", aid), wrap("5F2F", b"\x40\x00"))


def history() -> bytes:
    """No retired keys."""
    return wrap("C1", b"\x00") + wrap("C2", b"\x00") + CHECKSUM


def printed(name: str) -> bytes:
    """What stands on the card; readable with the PIN only."""
    return wrap("01", name.encode()[:125]) + wrap("05", b"Roamdesk lab") + CHECKSUM


def certificate(der: bytes, compressed: bool = False) -> bytes:
    """A certificate, as it is or in gzip's format."""
    content = gzip.compress(der, mtime=0) if compressed else der
    return wrap("70", content) + wrap("71", b"\x01" if compressed else b"\x00") + CHECKSUM


def security(objects: dict[str, bytes], signer: Authority) -> bytes:
    """Hashes of the card's containers, signed."""
    groups = {number: tag for number, tag in enumerate(CONTAINERS, 1) if tag in objects}
    mapping = b"".join(
        bytes([number, *CONTAINERS[tag].to_bytes(2, "big")]) for number, tag in groups.items()
    )
    hashed = b"".join(
        wrap("30", wrap("02", bytes([number])), wrap("04", hashlib.sha256(objects[tag]).digest()))
        for number, tag in groups.items()
    )
    sha256 = wrap("30", bytes.fromhex("0609608648016503040201"), bytes.fromhex("0500"))
    signed = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(wrap("30", wrap("02", b"\x00"), sha256, wrap("30", hashed)))
        .add_signer(signer[0], signer[1], hashes.SHA256())
        .sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    return wrap("BA", mapping) + wrap("BB", signed) + CHECKSUM
