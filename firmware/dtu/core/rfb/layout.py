"""Screens inside a framebuffer: as a server tells them, and as a client wants them. Sends nothing.

Source: the RFB community specification, "ExtendedDesktopSize" and "SetDesktopSize".
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from dtu.core.rfb.events import Rect
from dtu.core.rfb.framebuffer import fits
from dtu.core.rfb.limits import MAX_SCREENS
from roamwire.errors import LocalProtocolError

SCREEN_BYTES = 16


@dataclass(frozen=True)
class Screen:
    """One screen of the session: the server's number for it, its place, its flags."""

    number: int
    place: Rect
    flags: int = 0

    def packed(self) -> bytes:
        """As it stands in a message."""
        place = self.place
        return struct.pack(
            ">IHHHHI", self.number, place.x, place.y, place.width, place.height, self.flags
        )


def parse_screens(data: bytes) -> tuple[Screen, ...]:
    """What stands in an ExtendedDesktopSize rectangle, 16 bytes a screen."""
    return tuple(
        Screen(number, Rect(x, y, width, height), flags)
        for number, x, y, width, height, flags in struct.iter_unpack(">IHHHHI", data)
    )


def check_layout(places: Sequence[Rect]) -> tuple[int, int]:
    """Width and height that hold all of a wanted layout; LocalProtocolError if it is none."""
    if not 0 < len(places) <= MAX_SCREENS:
        raise LocalProtocolError(f"{len(places)} screens are no layout")
    if any(min(place.x, place.y) < 0 or min(place.width, place.height) < 1 for place in places):
        raise LocalProtocolError(f"{places} has a screen without pixels or outside")
    width = max(place.x + place.width for place in places)
    height = max(place.y + place.height for place in places)
    if not fits(width, height):
        raise LocalProtocolError(f"a framebuffer of {width}x{height} is too much")
    return width, height


def wish(places: Sequence[Rect], present: Sequence[Screen]) -> tuple[Screen, ...]:
    """The wanted layout, with the numbers and flags of screens that the session has already."""
    free = (number for number in range(2 * MAX_SCREENS) if all(number != s.number for s in present))
    wanted = []
    for index, place in enumerate(places):
        old = present[index] if index < len(present) else Screen(next(free), place)
        wanted.append(Screen(old.number, place, old.flags))
    return tuple(wanted)
