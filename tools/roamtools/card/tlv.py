"""BER-TLV of the emulated card. Its own, so that it and the terminal's client check each other."""

from roamtools.card.cards import Status

WRONG_DATA = 0x6A80


def wrap(tag: str, *parts: bytes) -> bytes:
    """An element with this tag (hexadecimal) around the parts."""
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        length = bytes([size])
    elif size < 0x100:
        length = bytes([0x81, size])
    else:
        length = bytes([0x82, *size.to_bytes(2, "big")])
    return bytes.fromhex(tag) + length + value


def split(data: bytes) -> dict[str, bytes]:
    """The elements of one level by their tags; raises Status if they are none."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        end = at + 1
        if data[at] & 0x1F == 0x1F:
            while end < len(data) and data[end] & 0x80:
                end += 1
            end += 1
        tag, at = data[at:end].hex(), end
        size = _byte(data, at)
        at += 1
        if size > 0x82 or size == 0x80:
            raise Status(WRONG_DATA)
        if size > 0x80:
            count = size - 0x80
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + size > len(data):
            raise Status(WRONG_DATA)
        found[tag], at = data[at : at + size], at + size
    return found


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise Status(WRONG_DATA)
    return data[at]
