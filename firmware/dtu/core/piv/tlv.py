"""BER-TLV and DER elements with definite lengths, as cards and certificates have them; bounded."""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_LENGTH_BYTES = 3  # 16 MiB, far more than any card holds


class TlvError(ValueError):
    """These bytes are not the elements that they should be."""


@dataclass(frozen=True)
class Element:
    """One element; `end` is where it ends in the bytes that it was read from."""

    tag: int
    value: bytes
    end: int


def read(data: bytes, at: int = 0) -> Element:
    """The element that begins at `at`; raises TlvError if there is no whole one."""
    tag, at = _tag(data, at)
    length, at = _length(data, at)
    if at + length > len(data):
        raise TlvError(f"element {tag:X} is cut off")
    return Element(tag, data[at : at + length], at + length)


def elements(data: bytes) -> Iterator[Element]:
    """All elements of one level, in their order."""
    at = 0
    while at < len(data):
        element = read(data, at)
        yield element
        at = element.end


def find(data: bytes, tag: int) -> bytes | None:
    """Value of the first element with this tag on the first level."""
    return next((element.value for element in elements(data) if element.tag == tag), None)


def encode(tag: int, value: bytes) -> bytes:
    """One element, with the shortest length."""
    size = len(value)
    if size < 0x80:
        length = bytes([size])
    else:
        count = (size.bit_length() + 7) // 8
        length = bytes([0x80 | count]) + size.to_bytes(count, "big")
    return tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big") + length + value


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise TlvError("an element is cut off")
    return data[at]


def _tag(data: bytes, at: int) -> tuple[int, int]:
    """Tags of one to three bytes: ISO 7816-4 has no longer ones."""
    tag = _byte(data, at)
    if tag & 0x1F != 0x1F:
        return tag, at + 1
    for place in (at + 1, at + 2):
        more = _byte(data, place)
        tag = tag << 8 | more
        if not more & 0x80:
            return tag, place + 1
    raise TlvError("a tag of more than three bytes")


def _length(data: bytes, at: int) -> tuple[int, int]:
    first = _byte(data, at)
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if not 1 <= count <= MAX_LENGTH_BYTES:
        raise TlvError("a length of no or too many bytes")
    _byte(data, at + count)
    return int.from_bytes(data[at + 1 : at + 1 + count], "big"), at + 1 + count
