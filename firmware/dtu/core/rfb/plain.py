"""Encodings without compression: Raw, RRE, Hextile (RFC 6143 section 7.7). Zlib is not here."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dtu.core.rfb.events import Rect
from dtu.core.rfb.framebuffer import Framebuffer
from dtu.core.rfb.limits import MAX_PIECE_BYTES
from dtu.core.rfb.reader import Need, Reader, ShortError
from dtu.core.rfb.work import RECT_WORK, SUBRECT_WORK
from roamwire.errors import RemoteProtocolError

_TILE = 16
_RAW, _BACKGROUND, _FOREGROUND, _SUBRECTS, _COLOURED = 1, 2, 4, 8, 16

_RRE_SUBRECT = struct.Struct(">4sHHHH")


def decode_raw(framebuffer: Framebuffer, rect: Rect) -> Need:
    """Rows as they are, taken in pieces so that a large rectangle is never held twice."""
    row_bytes = max(rect.width * 4, 1)
    rows_a_piece = max(MAX_PIECE_BYTES // row_bytes, 1)
    for top in range(0, rect.height, rows_a_piece):
        rows = min(rows_a_piece, rect.height - top)
        data = yield rows * rect.width * 4
        picture = np.frombuffer(data, np.uint8).reshape(rows, rect.width, 4)
        framebuffer.put_bgrx(Rect(rect.x, rect.y + top, rect.width, rows), picture)


def decode_rre(framebuffer: Framebuffer, rect: Rect) -> Need:
    """A background and rectangles of one colour on it."""
    count, background = struct.unpack(">I4s", (yield 8))
    if count > rect.width * rect.height:
        raise RemoteProtocolError("rre-count", f"{count} in {rect}")
    yield from framebuffer.fill(rect, _colour(background))
    area = framebuffer.area(rect)
    work = framebuffer.work
    most = MAX_PIECE_BYTES // _RRE_SUBRECT.size
    while count:
        piece = min(count, most)
        count -= piece
        data = yield piece * _RRE_SUBRECT.size
        for colour, x, y, width, height in _RRE_SUBRECT.iter_unpack(data):
            if x + width > rect.width or y + height > rect.height:
                raise RemoteProtocolError("rre-outside", f"{(x, y, width, height)} in {rect}")
            area[y : y + height, x : x + width] = _colour(colour)
            work.left -= SUBRECT_WORK + width * height
            if work.left <= 0:
                yield 0


def decode_hextile(framebuffer: Framebuffer, rect: Rect, reader: Reader) -> Need:
    """Tiles of 16x16 with few rectangles each; colours last from tile to tile."""
    colours = _Colours()
    for tile in _tiles(rect):
        if framebuffer.work.left <= 0:
            yield 0
        while True:
            start = reader.at
            try:
                colours = _take_tile(framebuffer, tile, reader, colours)
                break
            except ShortError as short:
                reader.at = start
                yield start - short.end


@dataclass(frozen=True)
class _Colours:
    """What a tile may leave out."""

    background: int = 0
    foreground: int = 0


def _tiles(rect: Rect) -> Iterator[Rect]:
    right, bottom = rect.x + rect.width, rect.y + rect.height
    for y in range(rect.y, bottom, _TILE):
        for x in range(rect.x, right, _TILE):
            yield Rect(x, y, min(_TILE, right - x), min(_TILE, bottom - y))


def _take_tile(framebuffer: Framebuffer, tile: Rect, reader: Reader, colours: _Colours) -> _Colours:
    """Take one tile, or raise `ShortError`; what it has painted by then is painted again."""
    kind = reader.byte()
    area = framebuffer.area(tile)
    framebuffer.work.left -= RECT_WORK
    if kind & _RAW:
        data = reader.take(tile.width * tile.height * 4)
        area[...] = np.frombuffer(data, "<u4").reshape(tile.height, tile.width)
        return colours
    background = _pixel(reader) if kind & _BACKGROUND else colours.background
    foreground = _pixel(reader) if kind & _FOREGROUND else colours.foreground
    count = reader.byte() if kind & _SUBRECTS else 0
    coloured = bool(kind & _COLOURED)
    each = 6 if coloured else 2
    data = reader.take(count * each)
    area[...] = background
    framebuffer.work.left -= count * SUBRECT_WORK
    for at in range(0, len(data), each):
        place, size = data[at + each - 2], data[at + each - 1]
        x, y, width, height = place >> 4, place & 15, (size >> 4) + 1, (size & 15) + 1
        if x + width > tile.width or y + height > tile.height:
            raise RemoteProtocolError("hextile-outside", f"{(x, y, width, height)} in {tile}")
        colour = _colour(data[at : at + 4]) if coloured else foreground
        area[y : y + height, x : x + width] = colour
    return _Colours(background, foreground)


def _pixel(reader: Reader) -> int:
    return _colour(reader.take(4))


def _colour(data: bytes) -> int:
    """One pixel in our format: B, G, R, unused."""
    return int.from_bytes(data[:3], "little")
