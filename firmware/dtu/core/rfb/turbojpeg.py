"""One JPEG into the rows of a picture by libturbojpeg: checked first, then bounded. No Tight here.

Bound by ctypes because no kept binding can write into rows that are part of wider ones: what the
others decode must be copied once more, 5 to 10 % of a page's time. It releases Python's lock.
"""

import ctypes
import functools
import struct
from typing import NamedTuple

from dtu.core.rfb.events import Rect
from roamwire.errors import RemoteProtocolError

_LIBRARY = "libturbojpeg.so.0"
"""TurboJPEG's interface 2: libjpeg-turbo 2.1 of Debian 12 and 13; later ones keep it."""

_BGRX = 3  # TJPF_BGRX
_FASTEST_DCT, _STOP_ON_WARNING, _LIMIT_SCANS = 2048, 8192, 32768
_FLAGS = _FASTEST_DCT | _STOP_ON_WARNING | _LIMIT_SCANS

_START_OF_IMAGE = b"\xff\xd8"
_SEQUENTIAL = (0xC0, 0xC1)
_OTHER_FRAMES = frozenset(range(0xC2, 0xD0)) - {0xC4}
_START_OF_SCAN = 0xDA
_SIZE = struct.Struct(">HH")
_WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xDA), 0xFF))


class LibraryMissingError(Exception):
    """libturbojpeg cannot be loaded; the text says what to install."""


@functools.cache
def library() -> ctypes.CDLL:
    """libturbojpeg, loaded once. Raises LibraryMissingError.

    Not at import: whoever asks what a terminal lacks imports this module too.
    """
    try:
        turbo = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise LibraryMissingError(
            f"no {_LIBRARY} ({error}): apt-get install libturbojpeg0"
        ) from None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    turbo.tjInitDecompress.restype = pointer
    turbo.tjInitDecompress.argtypes = []
    turbo.tjDestroy.argtypes = [pointer]
    turbo.tjGetErrorStr2.restype = ctypes.c_char_p
    turbo.tjGetErrorStr2.argtypes = [pointer]
    turbo.tjDecompress2.argtypes = [
        *(pointer, ctypes.c_char_p, ctypes.c_ulong, pointer),
        *(number, number, number, number, number),
    ]
    return turbo


class Job(NamedTuple):
    """A JPEG that was looked at, and the memory that it goes to: what libturbojpeg is told."""

    data: bytes
    length: int
    address: int
    width: int
    pitch: int
    height: int


class JpegReader:
    """Looks at JPEGs before they are decoded; knows the header of the last one."""

    def __init__(self) -> None:
        self._known = Header(0, b"", b"")

    def job(self, data: bytes, address: int, pitch: int, rect: Rect) -> Job:
        """How to decode this into a rectangle of rows of `pitch` bytes that begin at `address`.

        The caller knows that the rectangle is inside, and keeps the memory until the job is done.
        Raises RemoteProtocolError unless the JPEG has just this size.
        """
        if not self._known.begins(data, rect):
            self._known = read_header(data, rect)
        x, y, width, height = rect
        return tuple.__new__(
            Job, (data, len(data), address + y * pitch + x * 4, width, pitch, height)
        )


class JpegDecoder:
    """One decompressor of libturbojpeg; for one thread at a time. Raises LibraryMissingError."""

    def __init__(self) -> None:
        self._turbo = library()
        self._decompress = self._turbo.tjDecompress2
        self._handle = self._turbo.tjInitDecompress()
        if not self._handle:
            raise MemoryError("libturbojpeg makes no decompressor")

    def __del__(self) -> None:
        if handle := getattr(self, "_handle", None):
            self._turbo.tjDestroy(handle)

    def decode(self, job: Job) -> None:
        """Decode; RemoteProtocolError if the bytes are no JPEG, what was decoded by then stays."""
        if self._decompress(self._handle, *job, _BGRX, _FLAGS):
            text = self._turbo.tjGetErrorStr2(self._handle) or b"?"
            raise RemoteProtocolError("jpeg", text.decode("utf-8", "replace"))


class Header(NamedTuple):
    """What stands before the pixels of a JPEG that was accepted, but its size.

    A server's JPEGs have the same one but for that; comparing costs a fifth of reading it.
    """

    size_at: int
    before: bytes
    after: bytes

    def begins(self, data: bytes, rect: Rect) -> bool:
        """True if a JPEG of this size with this header is known to be good."""
        at = self.size_at
        end = at + 4
        return (
            at > 0
            and data.startswith(self.before)
            and data.startswith(self.after, end)
            and data[at:end] == _SIZE.pack(rect.height, rect.width)
            and rect.width > 0
            and rect.height > 0
        )


def read_header(data: bytes, rect: Rect) -> Header:
    """Raise RemoteProtocolError unless this is a sequential JPEG of one scan and this size.

    Others cost a multiple: progressive ones hold all coefficients and go over them for each scan,
    of which some bytes are enough. No RFB server sends them. The walk is stricter than libjpeg's,
    which skips garbage between segments, so both find the same frame.
    """
    if not data.startswith(_START_OF_IMAGE):
        raise RemoteProtocolError("jpeg", "no start of an image")
    at = 2
    size_at = components = 0
    while len(data) >= at + 10 and data[at] == 0xFF:
        marker = data[at + 1]
        end = at + 2 + (data[at + 2] << 8 | data[at + 3])
        if marker in _WITHOUT_LENGTH:
            break
        if marker in _SEQUENTIAL:
            size_at, components = at + 5, data[at + 9]
            height, width = _SIZE.unpack_from(data, size_at)
            if (width, height) != (rect.width, rect.height) or 0 in (width, height):
                raise RemoteProtocolError("jpeg-size", f"{width}x{height} for {rect}")
        elif marker in _OTHER_FRAMES:
            raise RemoteProtocolError("jpeg-kind", f"frame {marker:#x} is not sequential")
        elif marker == _START_OF_SCAN:
            if components == 0 or data[at + 4] != components:
                raise RemoteProtocolError("jpeg-scans", f"{data[at + 4]} of {components} colours")
            return Header(size_at, data[:size_at], data[size_at + 4 : end])
        at = end
    raise RemoteProtocolError("jpeg", "no picture before its end")
