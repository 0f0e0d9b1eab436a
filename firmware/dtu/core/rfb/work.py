"""How much a server may make a terminal do before others have their turn. Pausing is not here.

The unit is the time that writing one pixel of one colour takes: 0.6 to 0.9 ns where this was
measured, some 3 ns on a Raspberry Pi 4. Costs are rounded up; a wrong one moves a pause a little.
"""

from collections.abc import Iterator

from dtu.core.rfb.events import Rect

TURN_WORK = 8_000_000
"""5 to 10 ms, 30 ms on a Pi: half a frame of 1080p video. A key or a keepalive waits this long."""

STEP_PIXELS = 2_000_000
"""What is written in one call; a larger area is written in bands, with pauses between."""

RECT_WORK = 4_000
SUBRECT_WORK = 1_500
RUN_WORK = 800
MESSAGE_WORK = 4_000
EVENT_WORK = 20_000
RESIZE_WORK = 4_000_000
PACKED_PIXEL_WORK = 8
"""JPEG, or zlib and a filter."""
DIAGONAL_WORK = 30_000
"""Of the gradient filter: a dozen calls of numpy."""
FRESH_PIXEL_WORK = 4
"""Of a new framebuffer, whose memory the kernel hands out when it is written."""


class Work:
    """What is left of this turn; may go below zero by what could not be divided."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 0


def bands(rect: Rect, most_pixels: int, upwards: bool = False) -> Iterator[Rect]:
    """Rows of a rectangle, together no more pixels than this, if a row is no more."""
    rows = max(most_pixels // max(rect.width, 1), 1)
    tops = range(0, rect.height, rows)
    for top in reversed(tops) if upwards else tops:
        yield Rect(rect.x, rect.y + top, rect.width, min(rows, rect.height - top))
