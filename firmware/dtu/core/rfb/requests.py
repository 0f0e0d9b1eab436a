"""Bytes that a client sends (RFC 6143 section 7.5), numbers of encodings. State is not here.

What is not in the RFC is in the RFB community specification: extended keys, fences, continuous
updates, screens.
"""

import struct
from collections.abc import Sequence

from dtu.core.rfb.layout import Screen
from roamwire.errors import LocalProtocolError

SECURITY_NONE = b"\x01"
EXCLUSIVE = b"\x00"
"""ClientInit without the shared flag: an older viewer of the session is disconnected."""

RAW, COPY_RECT, RRE, HEXTILE, TIGHT, ZRLE = 0, 1, 2, 5, 7, 16
CURSOR, CURSOR_WITH_ALPHA = -239, -314
DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, DESKTOP_NAME, LAST_RECT = -223, -308, -307, -224
EXTENDED_KEYS, QEMU_LEDS, VMWARE_LEDS = -258, -261, 0x574D5668
FENCE, CONTINUOUS_UPDATES = -312, -313
MORE_BUTTONS = -316
""""Extended Mouse Buttons": the server takes a ninth button, and bit 7 has another meaning."""
_QUALITY_0, _COMPRESSION_0 = -32, -256

PICTURES = (TIGHT, COPY_RECT, ZRLE, HEXTILE, RRE, RAW)
"""The encodings of pixels that this client decodes, best first."""

_EXTENSIONS = (
    CURSOR_WITH_ALPHA,
    CURSOR,
    EXTENDED_DESKTOP_SIZE,
    DESKTOP_SIZE,
    DESKTOP_NAME,
    LAST_RECT,
    EXTENDED_KEYS,
    MORE_BUTTONS,
    QEMU_LEDS,
    VMWARE_LEDS,
    FENCE,
    CONTINUOUS_UPDATES,
)

FENCE_REQUEST = 1 << 31
FENCE_ORDER = 0b11
"""Block before and block after: bytes are taken in their order, so both hold by themselves."""

MAX_COORDINATE = 0xFFFF


def set_pixel_format() -> bytes:
    """32 bits, depth 24, little-endian, red in bits 16-23: BGRX in memory."""
    pixel_format = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    return struct.pack(">B3x", 0) + pixel_format


def set_encodings(pictures: Sequence[int], quality: int | None, compression: int) -> bytes:
    """Encodings of pixels, best first, and all extensions.

    zlib effort and JPEG quality are 0 to 9; without a quality the server sends no JPEG.
    """
    if not (quality is None or 0 <= quality <= 9) or not 0 <= compression <= 9:
        raise LocalProtocolError(f"quality {quality} and compression {compression} are not 0 to 9")
    encodings = [*pictures, *_EXTENSIONS, _COMPRESSION_0 + compression]
    if quality is not None:
        encodings.append(_QUALITY_0 + quality)
    return struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings)


def update_request(x: int, y: int, width: int, height: int, incremental: bool) -> bytes:
    """Ask for what changed in a rectangle, or for all of it."""
    return struct.pack(">BBHHHH", 3, incremental, x, y, width, height)


def continuous_updates(width: int, height: int) -> bytes:
    """Let the server send what changed without being asked, in all of the framebuffer."""
    return struct.pack(">BBHHHH", 150, 1, 0, 0, width, height)


def fence(flags: int, payload: bytes) -> bytes:
    """The answer to a fence: its payload comes back once what was before it is done."""
    return struct.pack(">B3xIB", 248, flags, len(payload)) + payload


def key_event(keysym: int, down: bool) -> bytes:
    """A key by its X keysym."""
    _check_keysym(keysym)
    return struct.pack(">BB2xI", 4, down, keysym)


def extended_key_event(keysym: int, code: int, down: bool) -> bytes:
    """A key by its scan code (QEMU's message): XT set 1, a prefix e0 becomes the high bit."""
    _check_keysym(keysym)
    if code >> 8 == 0xE0:
        code = code & 0x7F | 0x80
    if not 0 < code <= 0xFF:
        raise LocalProtocolError(f"{code:#x} is not a scan code")
    return struct.pack(">BBHII", 255, 0, down, keysym, code)


def _check_keysym(keysym: int) -> None:
    if not 0 <= keysym <= 0xFFFFFFFF:
        raise LocalProtocolError(f"{keysym} is not a keysym")


def pointer_event(x: int, y: int, buttons: int, more_buttons: bool = False) -> bytes:
    """The pointer's place, clamped to what a field can hold, and its buttons (bit 0 is left).

    With `more_buttons` bit 7 of the first byte says that a second one with bits 7 and 8 (back and
    forward) follows; without, there are eight buttons and no forward.
    """
    x = min(max(x, 0), MAX_COORDINATE)
    y = min(max(y, 0), MAX_COORDINATE)
    if more_buttons and (high := buttons >> 7 & 0b11):
        return struct.pack(">BBHHB", 5, buttons & 0x7F | 0x80, x, y, high)
    return struct.pack(">BBHH", 5, buttons & 0xFF, x, y)


def set_desktop_size(width: int, height: int, screens: tuple[Screen, ...]) -> bytes:
    """Ask for a framebuffer of this size with these screens in it."""
    head = struct.pack(">BxHHBx", 251, width, height, len(screens))
    return head + b"".join(screen.packed() for screen in screens)
