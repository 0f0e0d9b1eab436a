"""One form of a public key for all encodings of it, so that card and server name a key alike.

A token is the hash of a SubjectPublicKeyInfo. The server hashes what OpenSSL writes; a certificate
may have the same key in another form that OpenSSL reads as well: long lengths, zeros before a
number, no parameters, a compressed point. Here such a key is written anew as OpenSSL does.
"""

from dtu.core.piv import tlv
from dtu.core.piv.keys import (
    BIT_STRING,
    CURVE_P256,
    CURVE_P384,
    EC_PUBLIC_KEY,
    INTEGER,
    OBJECT,
    RSA_ENCRYPTION,
    SEQUENCE,
    public_key_info,
)

NULL = b"\x05\x00"
UNCOMPRESSED = 4
COMPRESSED = (2, 3)
HYBRID = (6, 7)
"""First byte of a point, SEC 1, 2.3.3; the low bit of the last two says whether y is odd."""

# SEC 2: p and b; a is p - 3 for both.
_CURVES = {
    CURVE_P256: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    CURVE_P384: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        int(
            "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875A"
            "C656398D8A2ED19D2A85C8EDD3EC2AEF",
            16,
        ),
    ),
}


def canonical_key_info(certificate: bytes) -> bytes:
    """The key of a DER certificate as DER SubjectPublicKeyInfo in its one form; raises TlvError.

    A key that is none of a PIV card stays as it is.
    """
    whole = public_key_info(certificate)
    algorithm, key, *_ = (*tlv.elements(tlv.read(whole).value), None, None)
    if algorithm is None or key is None or (algorithm.tag, key.tag) != (SEQUENCE, BIT_STRING):
        raise tlv.TlvError("no public key")
    name = tlv.read(algorithm.value)
    if key.value[:1] != b"\x00":  # bits that are unused: no key of a card has such
        return whole
    if name.value == RSA_ENCRYPTION:
        return _info(tlv.encode(OBJECT, RSA_ENCRYPTION) + NULL, _rsa(key.value[1:]))
    if name.value == EC_PUBLIC_KEY:
        curve = tlv.read(algorithm.value, name.end).value
        point = _point(curve, key.value[1:])
        if point is not None:
            kind = tlv.encode(OBJECT, EC_PUBLIC_KEY) + tlv.encode(OBJECT, curve)
            return _info(kind, point)
    return whole


def _info(algorithm: bytes, key: bytes) -> bytes:
    bits = tlv.encode(BIT_STRING, b"\x00" + key)
    return tlv.encode(SEQUENCE, tlv.encode(SEQUENCE, algorithm) + bits)


def _rsa(key: bytes) -> bytes:
    numbers = [each.value for each in tlv.elements(tlv.read(key).value)]
    return tlv.encode(SEQUENCE, b"".join(_integer(int.from_bytes(each)) for each in numbers[:2]))


def _integer(number: int) -> bytes:
    return tlv.encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def _point(curve: bytes, point: bytes) -> bytes | None:
    """The point with both coordinates; None if it is none of a curve that is known here."""
    if curve not in _CURVES or not point:
        return None
    p, b = _CURVES[curve]
    size = p.bit_length() // 8
    if point[0] in (UNCOMPRESSED, *HYBRID) and len(point) == 1 + 2 * size:
        return bytes([UNCOMPRESSED]) + point[1:]
    if point[0] not in COMPRESSED or len(point) != 1 + size:
        return None
    x = int.from_bytes(point[1:])
    square = (x**3 - 3 * x + b) % p
    y = pow(square, (p + 1) // 4, p)  # p is 3 modulo 4 for both
    if x >= p or y * y % p != square:
        return None
    if y & 1 != point[0] & 1:
        y = p - y
    return bytes([UNCOMPRESSED]) + point[1:] + y.to_bytes(size)
