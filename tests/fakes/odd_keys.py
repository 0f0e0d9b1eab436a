"""Certificates whose key is the same and stands there in another encoding. Nobody signs them."""

from dtu.core.piv import tlv
from dtu.core.piv.keys import public_key_info


def long(tag, value):
    """An element with a longer length than it needs: BER, not DER."""
    return bytes([tag, 0x83]) + len(value).to_bytes(3, "big") + value


def replaced(der, info):
    """The certificate with another SubjectPublicKeyInfo; nobody's signature holds any more."""
    parts = list(tlv.elements(tlv.read(der).value))
    signed = tlv.read(der).value[: parts[0].end]
    inside = tlv.read(signed).value.replace(public_key_info(der), info)
    rest = tlv.read(der).value[parts[0].end :]
    return tlv.encode(0x30, tlv.encode(0x30, inside) + rest)


def parts_of(info):
    algorithm, key = tlv.elements(tlv.read(info).value)
    return algorithm.value, key.value


def whole(algorithm, key, encode=tlv.encode):
    return tlv.encode(0x30, encode(0x30, algorithm) + encode(0x03, key))


def without_null(info):
    algorithm, key = parts_of(info)
    return whole(algorithm.removesuffix(b"\x05\x00"), key)


def long_lengths(info):
    return whole(*parts_of(info), encode=long)


def zeros_before(info):
    algorithm, key = parts_of(info)
    modulus, exponent = (each.value for each in tlv.elements(tlv.read(key[1:]).value))
    numbers = tlv.encode(0x02, b"\0\0" + modulus) + tlv.encode(0x02, b"\0" + exponent)
    return whole(algorithm, b"\0" + tlv.encode(0x30, numbers))


def compressed(info):
    algorithm, key = parts_of(info)
    size = (len(key) - 2) // 2
    x, y = key[2 : 2 + size], key[2 + size :]
    return whole(algorithm, b"\0" + bytes([2 + (y[-1] & 1)]) + x)


def hybrid(info):
    algorithm, key = parts_of(info)
    return whole(algorithm, b"\0" + bytes([6 + (key[-1] & 1)]) + key[2:])


ODD = {
    "rsa": (without_null, long_lengths, zeros_before),
    "p": (compressed, hybrid, long_lengths),
}
