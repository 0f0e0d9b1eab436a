"""The ZRLE encoding (RFC 6143 section 7.7.6): one zlib stream of 64x64 tiles. Asks for nothing."""

import zlib
from collections.abc import Iterator

import numpy as np

from dtu.core.rfb.events import Rect
from dtu.core.rfb.framebuffer import Framebuffer, Pixels
from dtu.core.rfb.limits import MAX_PIECE_BYTES
from dtu.core.rfb.reader import Need, Reader, ShortError
from dtu.core.rfb.work import PACKED_PIXEL_WORK, RECT_WORK, RUN_WORK
from roamwire.errors import RemoteProtocolError

_SIDE = 64
_RAW, _SOLID, _PLAIN_RLE, _FIRST_PALETTE_RLE = 0, 1, 128, 130
_MOST_PACKED = 16

_MOST_PIXEL_BYTES = 5
"""A run of one pixel has four; zlib adds a few to what it cannot pack."""

_MOST_MORE_BYTES = 4 * MAX_PIECE_BYTES
"""Flushes, and the tiles' own headers."""


class ZrleDecoder:
    """Decodes ZRLE rectangles into a framebuffer; holds the zlib stream of a connection."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def decode(self, framebuffer: Framebuffer, rect: Rect) -> Need:
        """Parse one rectangle, of which never more than a piece is held unpacked."""
        left = int.from_bytes((yield 4), "big")
        if left > rect.width * rect.height * _MOST_PIXEL_BYTES + _MOST_MORE_BYTES:
            raise RemoteProtocolError("zrle-size", f"{left} bytes for {rect}")
        tiles = Reader()
        for tile in _tiles(rect):
            if framebuffer.work.left <= 0:
                yield 0
            while not _take_tile(framebuffer, tile, tiles):
                packed = self._stream.unconsumed_tail
                if not packed:
                    if left == 0:
                        raise RemoteProtocolError("zrle-size", "too few bytes")
                    packed = yield min(left, MAX_PIECE_BYTES)
                    left -= len(packed)
                tiles.feed(self._unpack(packed))
                tiles.gather()
        rest = self._unpack(self._stream.unconsumed_tail)
        while left:
            packed = yield min(left, MAX_PIECE_BYTES)
            left -= len(packed)
            rest += self._unpack(packed)
            if rest:
                break
        if rest or len(tiles):
            raise RemoteProtocolError("zrle-size", "too many bytes")

    def _unpack(self, packed: bytes) -> bytes:
        try:
            data = self._stream.decompress(packed, MAX_PIECE_BYTES)
        except zlib.error as error:
            raise RemoteProtocolError("zrle-zlib", str(error)) from None
        if self._stream.unused_data:
            # It would be kept, and grow with each further piece.
            raise RemoteProtocolError("zrle-zlib", "bytes after the end of the stream")
        return data


def _tiles(rect: Rect) -> Iterator[Rect]:
    right, bottom = rect.x + rect.width, rect.y + rect.height
    for y in range(rect.y, bottom, _SIDE):
        for x in range(rect.x, right, _SIDE):
            yield Rect(x, y, min(_SIDE, right - x), min(_SIDE, bottom - y))


def _take_tile(framebuffer: Framebuffer, tile: Rect, reader: Reader) -> bool:
    """False, and nothing has changed, if the tile is not here whole."""
    start = reader.at
    framebuffer.work.left -= RECT_WORK
    try:
        pixels = _tile(reader, tile.width, tile.height)
    except ShortError:
        reader.at = start
        return False
    framebuffer.area(tile)[...] = pixels
    each = RUN_WORK if reader.data[start] >= _PLAIN_RLE else PACKED_PIXEL_WORK
    framebuffer.work.left -= (reader.at - start) * each
    return True


def _tile(reader: Reader, width: int, height: int) -> Pixels:
    """The pixels of one tile, in a shape that fits (height, width)."""
    kind = reader.byte()
    if kind == _RAW:
        return _colours(reader, width * height).reshape(height, width)
    if kind == _SOLID:
        return _colours(reader, 1)
    if kind <= _MOST_PACKED:
        return _packed_palette(reader, kind, width, height)
    if kind == _PLAIN_RLE:
        return _plain_rle(reader, width * height).reshape(height, width)
    if kind >= _FIRST_PALETTE_RLE:
        return _palette_rle(reader, kind - 128, width * height).reshape(height, width)
    raise RemoteProtocolError("zrle-tile", str(kind))


def _colours(reader: Reader, count: int) -> Pixels:
    """CPIXELs: the low three bytes of a little-endian pixel, B, G, R."""
    data = reader.take(count * 3) + b"\0"
    numbers: Pixels = np.ndarray((count,), "<u4", data, 0, (3,))
    return np.bitwise_and(numbers, 0xFFFFFF, dtype=np.uint32)


def _packed_palette(reader: Reader, size: int, width: int, height: int) -> Pixels:
    """Indices of 1, 2 or 4 bits, the first in the highest bits; rows begin at a byte."""
    palette = _colours(reader, size)
    bits = 1 if size == 2 else 2 if size <= 4 else 4
    row_bytes = (width * bits + 7) // 8
    rows = np.frombuffer(reader.take(row_bytes * height), np.uint8).reshape(height, row_bytes)
    each = np.unpackbits(rows, axis=1).reshape(height, row_bytes * 8 // bits, bits)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint8)
    indices = (each * weights).sum(axis=2, dtype=np.uint8)[:, :width]
    return _look_up(palette, indices)


def _look_up(palette: Pixels, indices: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Pixels:
    if (largest := int(np.max(indices))) >= len(palette):
        raise RemoteProtocolError("zrle-palette", f"{largest} of {len(palette)} colours")
    found: Pixels = palette.take(indices, mode="clip")
    return found


def _plain_rle(reader: Reader, count: int) -> Pixels:
    colours: list[int] = []
    lengths: list[int] = []
    while count:
        colours.append(int.from_bytes(reader.take(3), "little"))
        length = _run(reader, count)
        lengths.append(length)
        count -= length
    return np.repeat(np.array(colours, np.uint32), lengths)


def _palette_rle(reader: Reader, size: int, count: int) -> Pixels:
    palette = _colours(reader, size)
    indices: list[int] = []
    lengths: list[int] = []
    while count:
        index = reader.byte()
        length = _run(reader, count) if index & 0x80 else 1
        indices.append(index & 0x7F)
        lengths.append(length)
        count -= length
    return np.repeat(_look_up(palette, np.array(indices, np.uint8)), lengths)


def _run(reader: Reader, most: int) -> int:
    """One more than the sum of bytes, of which the first that is not 255 is the last."""
    length = 1
    while True:
        byte = reader.byte()
        length += byte
        if length > most:
            raise RemoteProtocolError("zrle-run", f"{length} of {most} pixels")
        if byte != 255:
            return length
