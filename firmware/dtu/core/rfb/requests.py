"""Bytes that a client sends (RFC 6143 section 7.5), numbers of encodings. State is not here."""

import struct
from dataclasses import dataclass

from roamwire.errors import LocalProtocolError

VERSION = b"RFB 003.008\n"
SECURITY_NONE = b"\x01"
EXCLUSIVE = b"\x00"
"""ClientInit without the shared flag: an older viewer of the session is disconnected."""

RAW, COPY_RECT, TIGHT = 0, 1, 7
CURSOR, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, LAST_RECT = -239, -223, -308, -224
_QUALITY_0, _COMPRESSION_0 = -32, -256

MAX_COORDINATE = 0xFFFF


@dataclass(frozen=True)
class Monitor:
    """One screen of an ExtendedDesktopSize: the server's number for it and its flags."""

    number: int = 0
    flags: int = 0


def set_pixel_format() -> bytes:
    """32 bits, depth 24, little-endian, red in bits 16-23: BGRX in memory."""
    pixel_format = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    return struct.pack(">B3x", 0) + pixel_format


def set_encodings(quality: int, compression: int) -> bytes:
    """All that this client decodes, best first; JPEG quality and zlib effort are 0 to 9."""
    if not (0 <= quality <= 9 and 0 <= compression <= 9):
        raise LocalProtocolError(f"quality {quality} and compression {compression} are not 0 to 9")
    encodings = (
        TIGHT,
        COPY_RECT,
        RAW,
        CURSOR,
        EXTENDED_DESKTOP_SIZE,
        DESKTOP_SIZE,
        LAST_RECT,
        _QUALITY_0 + quality,
        _COMPRESSION_0 + compression,
    )
    return struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings)


def update_request(width: int, height: int, incremental: bool) -> bytes:
    """Ask for what changed, or for everything."""
    return struct.pack(">BBHHHH", 3, incremental, 0, 0, width, height)


def key_event(keysym: int, down: bool) -> bytes:
    """A key by its X keysym."""
    if not 0 <= keysym <= 0xFFFFFFFF:
        raise LocalProtocolError(f"{keysym} is not a keysym")
    return struct.pack(">BB2xI", 4, down, keysym)


def pointer_event(x: int, y: int, buttons: int) -> bytes:
    """The pointer's place, clamped to what a field can hold, and its buttons (bit 0 is left)."""
    x = min(max(x, 0), MAX_COORDINATE)
    y = min(max(y, 0), MAX_COORDINATE)
    return struct.pack(">BBHH", 5, buttons & 0xFF, x, y)


def set_desktop_size(width: int, height: int, monitor: Monitor) -> bytes:
    """Ask for a framebuffer of this size with one monitor that fills it."""
    head = struct.pack(">BxHHBx", 251, width, height, 1)
    return head + struct.pack(">IHHHHI", monitor.number, 0, 0, width, height, monitor.flags)
