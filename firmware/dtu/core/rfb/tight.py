"""The Tight encoding: fill, JPEG, and zlib with the copy, palette and gradient filters.

Source: the RFB community specification, "Tight Encoding", for 32-bit true colour (a TPIXEL is
3 bytes: R, G, B). What a rectangle belongs to and who asked for it is not here.
"""

import zlib

import numpy as np

from dtu.core.rfb.events import Rect
from dtu.core.rfb.framebuffer import Framebuffer, Pixels, check_work
from dtu.core.rfb.jpegs import Crew, Jpegs
from dtu.core.rfb.reader import Reader, Steps
from dtu.core.rfb.work import DIAGONAL_WORK, PACKED_PIXEL_WORK, RECT_WORK, STEP_PIXELS, Work
from roamwire.errors import RemoteProtocolError

_FILL, _JPEG = 8, 9
_FILTER_COPY, _FILTER_PALETTE, _FILTER_GRADIENT = 0, 1, 2
_EXPLICIT_FILTER = 4
_UNCOMPRESSED_BELOW = 12
_STREAMS = 4


class TightDecoder:
    """Decodes Tight rectangles into a framebuffer; holds the four zlib streams of a connection."""

    def __init__(self, crew: Crew | None = None) -> None:
        self._streams = [zlib.decompressobj() for _ in range(_STREAMS)]
        self.jpegs = Jpegs(crew)
        self.rest: Steps | None = None
        self.same = False

    def decode(self, framebuffer: Framebuffer, rect: Rect, reader: Reader) -> None:
        """Take one rectangle, or raise `ShortError` and change nothing but the reader's place.

        Plain calls, not steps: a page has hundreds of rectangles, and a step costs as much as a
        small fill. If what is left to paint takes long it is in `rest`, which the caller takes and
        runs to its end; `same` is true if nothing has changed. Raises RemoteProtocolError on bytes
        that are no Tight.
        """
        self.jpegs.settle_under(rect)
        self.same = False
        control = reader.byte()
        kind = control >> 4
        if kind == _JPEG:
            data = reader.take(_compact_length(reader))
            if control & 0x0F:
                self._reset(control)
            self._jpeg(framebuffer, rect, data)
        elif kind == _FILL:
            red, green, blue = reader.take(3)
            if control & 0x0F:
                self._reset(control)
            colour = red << 16 | green << 8 | blue
            if rect.width * rect.height > STEP_PIXELS:
                self.rest = framebuffer.fill(rect, colour)
            else:
                self.same = not framebuffer.put_colour(rect, colour)
        elif kind < _FILL:
            self._basic(framebuffer, rect, reader, control)
        else:
            raise RemoteProtocolError("tight-control", f"{control:#04x}")
        framebuffer.work.left -= RECT_WORK

    def _reset(self, control: int) -> None:
        for stream in range(_STREAMS):
            if control & 1 << stream:
                self._streams[stream] = zlib.decompressobj()

    def _basic(self, framebuffer: Framebuffer, rect: Rect, reader: Reader, control: int) -> None:
        check_work(rect)
        chosen = reader.byte() if control >> 4 & _EXPLICIT_FILTER else _FILTER_COPY
        if chosen == _FILTER_PALETTE:
            colours = reader.byte() + 1
            palette = _palette(reader.take(colours * 3))
            row_bytes = (rect.width + 7) // 8 if colours == 2 else rect.width
            data = self._data(framebuffer.work, reader, control, row_bytes * rect.height)
            if colours == 2:
                _put_two_colours(framebuffer, rect, palette, data)
            else:
                _put_palette(framebuffer, rect, palette, data)
        elif chosen in (_FILTER_COPY, _FILTER_GRADIENT):
            data = self._data(framebuffer.work, reader, control, rect.width * rect.height * 3)
            if chosen == _FILTER_GRADIENT:
                self.rest = _put_gradient(framebuffer, rect, data)
            else:
                framebuffer.put_rgb(rect, data)
        else:
            raise RemoteProtocolError("tight-filter", str(chosen))

    def _jpeg(self, framebuffer: Framebuffer, rect: Rect, data: bytes) -> None:
        check_work(rect)
        framebuffer.work.left -= rect.width * rect.height * PACKED_PIXEL_WORK
        framebuffer.touch(rect)
        self.jpegs.add(framebuffer, rect, data)
        framebuffer.lossy.mark(rect)

    def _data(self, work: Work, reader: Reader, control: int, size: int) -> bytes:
        """The filtered bytes, `size` of them; few enough are sent as they are."""
        small = size < _UNCOMPRESSED_BELOW
        packed = reader.take(size if small else _compact_length(reader))
        self._reset(control)
        if small:
            return packed
        try:
            # One byte more than allowed: a bomb is seen, yet a good stream is read to its flush.
            data = self._streams[control >> 4 & 3].decompress(packed, size + 1)
        except zlib.error as error:
            raise RemoteProtocolError("tight-zlib", str(error)) from None
        work.left -= size * PACKED_PIXEL_WORK // 3
        if len(data) != size:
            raise RemoteProtocolError("tight-size", f"{len(data)} instead of {size} bytes")
        return data


def _compact_length(reader: Reader) -> int:
    """1 to 3 bytes, 7 bits each, lowest first; the third has 8: at most 4 MiB."""
    length = reader.byte()
    if length >= 0x80:
        length += (reader.byte() << 7) - 0x80
        if length >= 0x4000:
            length += (reader.byte() << 14) - 0x4000
    return length


def _palette(data: bytes) -> Pixels:
    numbers: Pixels = np.ndarray((len(data) // 3,), ">u4", b"\0" + data, 0, (3,))
    return np.bitwise_and(numbers, 0xFFFFFF, dtype=np.uint32)


def _put_palette(framebuffer: Framebuffer, rect: Rect, palette: Pixels, data: bytes) -> None:
    indices = np.frombuffer(data, np.uint8).reshape(rect.height, rect.width)
    # Only where an index is possible that is none need all of them be looked at.
    if len(palette) < 256 and data and (largest := int(indices.max())) >= len(palette):
        raise RemoteProtocolError("tight-palette", f"{largest} of {len(palette)} colours")
    # mode="clip" spares numpy its own slower check of each index.
    framebuffer.area(rect)[...] = palette.take(indices, mode="clip")


def _put_two_colours(framebuffer: Framebuffer, rect: Rect, palette: Pixels, data: bytes) -> None:
    rows = np.frombuffer(data, np.uint8).reshape(rect.height, (rect.width + 7) // 8)
    bits = np.unpackbits(rows, axis=1, count=rect.width)
    framebuffer.area(rect)[...] = palette.take(bits, mode="clip")


def _put_gradient(framebuffer: Framebuffer, rect: Rect, data: bytes) -> Steps:
    """Each pixel is a difference to clamp(left + above - above-left), per colour.

    Pixels of one anti-diagonal depend only on earlier ones, so each is computed as a whole. In
    a flat array an anti-diagonal is a slice whose step is one less than the row length.
    """
    if not data:
        return
    work, width, height = framebuffer.work, rect.width, rect.height
    row = width + 1
    flat = np.zeros(((height + 1) * row, 3), np.int16)
    colours = flat.reshape(height + 1, row, 3)
    # Differences wait in the place of their results; row 0 and column 0 stay the black outside.
    colours[1:, 1:] = np.frombuffer(data, np.uint8).reshape(height, width, 3)
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
        work.left -= DIAGONAL_WORK
        if work.left <= 0:
            yield 0
    framebuffer.put_rgb(rect, colours[1:, 1:].astype(np.uint8).tobytes())
