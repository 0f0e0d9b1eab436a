"""The Tight encoding: fill, JPEG, and zlib with the copy, palette and gradient filters.

Source: the RFB community specification, "Tight Encoding", for 32-bit true colour (a TPIXEL is
3 bytes: R, G, B). What a rectangle belongs to and who asked for it is not here.
"""

import zlib
from collections.abc import Generator

import numpy as np
import numpy.typing as npt
import simplejpeg

from dtu.core.rfb.events import Bytes, Rect
from dtu.core.rfb.framebuffer import Framebuffer
from roamwire.errors import RemoteProtocolError

Need = Generator[int, bytes, None]
"""A parser in steps: yields how many bytes it needs next and is sent exactly these."""

_FILL, _JPEG = 8, 9
_FILTER_COPY, _FILTER_PALETTE, _FILTER_GRADIENT = 0, 1, 2
_EXPLICIT_FILTER = 4
_UNCOMPRESSED_BELOW = 12
_STREAMS = 4

_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
"""The 8 one-bit pixels of each byte, first pixel in the highest bit."""


class TightDecoder:
    """Decodes Tight rectangles into a framebuffer; holds the four zlib streams of a connection."""

    def __init__(self) -> None:
        self._streams = [zlib.decompressobj() for _ in range(_STREAMS)]

    def decode(self, framebuffer: Framebuffer, rect: Rect) -> Need:
        """Parse one rectangle; raises RemoteProtocolError on bytes that are no Tight."""
        control = (yield 1)[0]
        for stream in range(_STREAMS):
            if control & 1 << stream:
                self._streams[stream] = zlib.decompressobj()
        kind = control >> 4
        if kind == _FILL:
            framebuffer.area(rect)[...] = int.from_bytes((yield 3), "big")
        elif kind == _JPEG:
            size = yield from _compact_length()
            framebuffer.put_bgrx(rect, _decode_jpeg((yield size), rect))
        elif kind < _FILL:
            yield from self._basic(framebuffer, rect, kind)
        else:
            raise RemoteProtocolError("tight-control", f"{control:#04x}")

    def _basic(self, framebuffer: Framebuffer, rect: Rect, kind: int) -> Need:
        stream = kind & 3
        chosen = (yield 1)[0] if kind & _EXPLICIT_FILTER else _FILTER_COPY
        if chosen == _FILTER_PALETTE:
            colours = (yield 1)[0] + 1
            palette = _palette((yield colours * 3))
            row_bytes = (rect.width + 7) // 8 if colours == 2 else rect.width
            data = yield from self._data(stream, row_bytes * rect.height)
            if colours == 2:
                _put_two_colours(framebuffer, rect, palette, data)
            else:
                _put_palette(framebuffer, rect, palette, data)
        elif chosen in (_FILTER_COPY, _FILTER_GRADIENT):
            data = yield from self._data(stream, rect.width * rect.height * 3)
            if chosen == _FILTER_GRADIENT:
                data = _undo_gradient(data, rect.width, rect.height)
            framebuffer.put_rgb(rect, data)
        else:
            raise RemoteProtocolError("tight-filter", str(chosen))

    def _data(self, stream: int, size: int) -> Generator[int, bytes, bytes]:
        """The filtered bytes, `size` of them; few enough are sent as they are."""
        if size < _UNCOMPRESSED_BELOW:
            return (yield size)
        packed = yield (yield from _compact_length())
        try:
            # One byte more than allowed: a bomb is seen, yet a good stream is read to its flush.
            data = self._streams[stream].decompress(packed, size + 1)
        except zlib.error as error:
            raise RemoteProtocolError("tight-zlib", str(error)) from None
        if len(data) != size:
            raise RemoteProtocolError("tight-size", f"{len(data)} instead of {size} bytes")
        return data


def _compact_length() -> Generator[int, bytes, int]:
    """1 to 3 bytes, 7 bits each, lowest first; the third has 8: at most 4 MiB."""
    length = 0
    for shift in (0, 7):
        byte = (yield 1)[0]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length
    return length | (yield 1)[0] << 14


def _decode_jpeg(data: bytes, rect: Rect) -> Bytes:
    try:
        # The header first: a JPEG that claims 65535x65535 must not get its 16 GiB.
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != (rect.width, rect.height):
            raise RemoteProtocolError("jpeg-size", f"{width}x{height} for {rect}")
        picture: Bytes = simplejpeg.decode_jpeg(data, "BGRX")
    except (ValueError, RuntimeError) as error:
        raise RemoteProtocolError("jpeg", str(error)) from None
    return picture


def _palette(data: bytes) -> npt.NDArray[np.uint32]:
    colours = np.frombuffer(data, np.uint8).astype(np.uint32).reshape(-1, 3)
    return np.asarray(colours @ np.array([1 << 16, 1 << 8, 1], np.uint32), np.uint32)


def _put_palette(
    framebuffer: Framebuffer, rect: Rect, palette: npt.NDArray[np.uint32], data: bytes
) -> None:
    indices = np.frombuffer(data, np.uint8).reshape(rect.height, rect.width)
    largest = int(np.max(indices, initial=0))
    if indices.size and largest >= len(palette):
        raise RemoteProtocolError("tight-palette", f"{largest} of {len(palette)} colours")
    # mode="clip" spares numpy its own slower check of each index.
    framebuffer.area(rect)[...] = palette.take(indices, mode="clip")


def _put_two_colours(
    framebuffer: Framebuffer, rect: Rect, palette: npt.NDArray[np.uint32], data: bytes
) -> None:
    rows = np.frombuffer(data, np.uint8).reshape(rect.height, (rect.width + 7) // 8)
    eights = palette[_BITS].take(rows, axis=0, mode="clip")
    framebuffer.area(rect)[...] = eights.reshape(rect.height, rows.shape[1] * 8)[:, : rect.width]


def _undo_gradient(data: bytes, width: int, height: int) -> bytes:
    """Each pixel is a difference to clamp(left + above - above-left), per colour.

    Pixels of one anti-diagonal depend only on earlier ones, so each is computed as a whole. In
    a flat array an anti-diagonal is a slice whose step is one less than the row length.
    """
    if not data:
        return data
    row = width + 1
    flat = np.zeros(((height + 1) * row, 3), np.int16)
    differences = flat.reshape(height + 1, row, 3)
    # Differences wait in the place of their results; row 0 and column 0 stay the black outside.
    differences[1:, 1:] = np.frombuffer(data, np.uint8).reshape(height, width, 3)
    for diagonal in range(width + height - 1):
        first = max(0, diagonal - width + 1)
        count = min(height - 1, diagonal) - first + 1
        start = (first + 1) * row + diagonal - first + 1
        step = row - 1
        stop = start + (count - 1) * step + 1
        left = flat[start - 1 : stop - 1 : step]
        above = flat[start - row : stop - row : step]
        corner = flat[start - row - 1 : stop - row - 1 : step]
        here = flat[start:stop:step]
        here[...] = (here + np.clip(left + above - corner, 0, 255)) & 0xFF
    return differences[1:, 1:].astype(np.uint8).tobytes()
