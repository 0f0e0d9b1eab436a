"""What an RFB client tells its owner: frozen values. How bytes become these is not here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from roamwire.errors import RemoteProtocolError

Bytes = npt.NDArray[np.uint8]
"""An array of bytes; a picture has the shape (height, width, 4) with BGRX pixels."""


class Rect(NamedTuple):
    """A rectangle of the framebuffer, in pixels; made so often that a dataclass would be felt."""

    x: int
    y: int
    width: int
    height: int


def bounding_box(rects: Sequence[Rect]) -> Rect:
    """The smallest rectangle that holds them all; at least one is given."""
    x, y = min(rect.x for rect in rects), min(rect.y for rect in rects)
    right = max(rect.x + rect.width for rect in rects)
    bottom = max(rect.y + rect.height for rect in rects)
    return Rect(x, y, right - x, bottom - y)


@dataclass(frozen=True, slots=True, eq=False)
class Cursor:
    """The session's pointer shape; `image` is (height, width, 4) in BGRA, hotspot in pixels.

    Colours are multiplied by their alpha already: drawn is colour + (255 - alpha) / 255 * below.
    A cursor of no pixels means: draw none, the session has drawn its own.
    """

    hotspot_x: int
    hotspot_y: int
    image: Bytes

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True)
class Connected:
    """The handshake is done, the framebuffer exists (black), the first update is asked for."""

    width: int
    height: int
    name: str


@dataclass(frozen=True)
class Resized:
    """The framebuffer was replaced by a black one of this size; a full update is asked for."""

    width: int
    height: int


@dataclass(frozen=True)
class Updated:
    """A FramebufferUpdate ended; these parts of the framebuffer have changed (maybe none).

    `same` were sent too, and are as they were: a page's margins, when it is scrolled.
    """

    rects: tuple[Rect, ...]
    same: tuple[Rect, ...] = ()


@dataclass(frozen=True)
class CursorChanged:
    """The session's pointer has a new shape."""

    cursor: Cursor


@dataclass(frozen=True)
class NameChanged:
    """The session has another name."""

    name: str


@dataclass(frozen=True)
class LedState:
    """What the session's keyboard lamps show: on or off."""

    scroll: bool
    num: bool
    caps: bool


@dataclass(frozen=True)
class Bell:
    """The session rings."""


@dataclass(frozen=True)
class Failed:
    """The server broke the protocol or refused us; nothing follows."""

    error: RemoteProtocolError


RfbEvent = Connected | Resized | Updated | CursorChanged | NameChanged | LedState | Bell | Failed
