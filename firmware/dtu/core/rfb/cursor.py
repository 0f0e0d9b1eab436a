"""Pointer shapes: Cursor (RFC 6143 section 7.8.1) and CursorWithAlpha. Drawing is not here."""

from collections.abc import Generator

import numpy as np

from dtu.core.rfb.events import Cursor, Rect
from dtu.core.rfb.limits import MAX_CURSOR_SIDE
from roamwire.errors import RemoteProtocolError

_RAW = 0


def read_cursor(rect: Rect) -> Generator[int, bytes, Cursor]:
    """x and y are the hotspot; BGRX pixels, then one mask bit a pixel."""
    _check(rect)
    pixels = yield rect.width * rect.height * 4
    mask_row = (rect.width + 7) // 8
    mask = np.frombuffer((yield mask_row * rect.height), np.uint8)
    image = np.frombuffer(pixels, np.uint8).reshape(rect.height, rect.width, 4).copy()
    shown = np.unpackbits(mask.reshape(rect.height, mask_row), axis=1)[:, : rect.width]
    image[:, :, 3] = 255
    image *= shown[:, :, None]
    return Cursor(rect.x, rect.y, image)


def read_cursor_with_alpha(rect: Rect) -> Generator[int, bytes, Cursor]:
    """An encoding, then RGBA whose colours are multiplied by alpha; servers use raw pixels."""
    _check(rect)
    encoding = int.from_bytes((yield 4), "big", signed=True)
    if encoding != _RAW:
        raise RemoteProtocolError("cursor-encoding", str(encoding))
    rgba = np.frombuffer((yield rect.width * rect.height * 4), np.uint8)
    image = np.ascontiguousarray(rgba.reshape(rect.height, rect.width, 4)[:, :, [2, 1, 0, 3]])
    # More colour than alpha would overflow where it is drawn.
    np.minimum(image, image[:, :, 3:], out=image)
    return Cursor(rect.x, rect.y, image)


def _check(rect: Rect) -> None:
    if rect.width > MAX_CURSOR_SIDE or rect.height > MAX_CURSOR_SIDE:
        raise RemoteProtocolError("cursor-size", f"{rect.width}x{rect.height}")
