"""Where the pointer is and which buttons are down, from all mice together. Keys are not here."""

import math

from dtu.core.input.decoder import NOTCH
from dtu.core.input.events import Button, Motion, Place, Pointer, Wheel

WHEEL_UP, WHEEL_DOWN, WHEEL_LEFT, WHEEL_RIGHT = 1 << 3, 1 << 4, 1 << 5, 1 << 6

MAX_WHEEL_STEPS = 10
"""A flick of a free-spinning wheel in one packet, turned into presses."""

SLOW_COUNTS_PER_S, FAST_COUNTS_PER_S, MAX_GAIN = 400.0, 3000.0, 2.5
"""A hand that aims moves the pointer a pixel a count; one that crosses the screen up to 2.5."""


class PointerState:
    """Follows every pointing device; each method gives the RFB pointer events that follow."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._x, self._y = size[0] / 2, size[1] / 2
        self._buttons: dict[str, int] = {}
        self._muted = 0
        self._turned: dict[str, tuple[int, int]] = {}

    @property
    def place(self) -> tuple[int, int]:
        """Pixels of the screen."""
        return int(self._x), int(self._y)

    @property
    def buttons(self) -> int:
        """What is down and was pressed for whoever gets the events now."""
        held = 0
        for buttons in self._buttons.values():
            held |= buttons
        return held & ~self._muted

    def resize(self, size: tuple[int, int]) -> None:
        """The screen has another size in pixels."""
        self._size = size
        self._put(self._x, self._y)

    def moved(self, event: Pointer | Motion | Place) -> list[Pointer]:
        """The pointer was moved; a `Pointer` tells its buttons too."""
        if isinstance(event, Motion):
            factor = gain(event.dx, event.dy, event.seconds)
            self._put(self._x + event.dx * factor, self._y + event.dy * factor)
        elif isinstance(event, Place):
            self._put(event.x * (self._size[0] - 1), event.y * (self._size[1] - 1))
        else:
            self._put(event.x, event.y)
            self._set(event.source, event.buttons)
        return [self._now()]

    def pressed(self, event: Button) -> list[Pointer]:
        """A button went down or up; nothing follows if another device holds it too."""
        before = self.buttons
        held, bit = self._buttons.get(event.source, 0), 1 << event.bit
        self._set(event.source, held | bit if event.down else held & ~bit)
        return [self._now()] if self.buttons != before else []

    def turned(self, event: Wheel) -> list[Pointer]:
        """A wheel was turned: one press and release for each whole notch."""
        right, up = self._turned.get(event.source, (0, 0))
        # Parts of a notch in the other direction must not delay the turn back.
        right = event.right + (right if right * event.right >= 0 else 0)
        up = event.up + (up if up * event.up >= 0 else 0)
        steps_right, steps_up = _notches(right), _notches(up)
        self._turned[event.source] = right - steps_right * NOTCH, up - steps_up * NOTCH
        presses: list[Pointer] = []
        for steps, positive, negative in (
            (steps_up, WHEEL_UP, WHEEL_DOWN),
            (steps_right, WHEEL_RIGHT, WHEEL_LEFT),
        ):
            bit = positive if steps > 0 else negative
            for _ in range(min(abs(steps), MAX_WHEEL_STEPS)):
                presses += [self._now(bit), self._now()]
        return presses

    def unplugged(self, source: str) -> list[Pointer]:
        """The device is gone: what it held is up."""
        before = self.buttons
        self._turned.pop(source, None)
        self._set(source, 0)
        return [self._now()] if self.buttons != before else []

    def mute(self) -> None:
        """From now on somebody else gets the events: what is down now is not down for them."""
        self._muted = 0
        self._muted = self.buttons

    def _set(self, source: str, buttons: int) -> None:
        if buttons:
            self._buttons[source] = buttons
        else:
            self._buttons.pop(source, None)
        held = 0
        for each in self._buttons.values():
            held |= each
        self._muted &= held

    def _put(self, x: float, y: float) -> None:
        self._x = min(max(x, 0.0), self._size[0] - 1)
        self._y = min(max(y, 0.0), self._size[1] - 1)

    def _now(self, more: int = 0) -> Pointer:
        return Pointer(*self.place, self.buttons | more)


def gain(dx: float, dy: float, seconds: float) -> float:
    """Pixels a count, by how fast the mouse was moved; 1 if nobody knows."""
    if seconds <= 0:
        return 1.0
    speed = math.hypot(dx, dy) / seconds
    share = (speed - SLOW_COUNTS_PER_S) / (FAST_COUNTS_PER_S - SLOW_COUNTS_PER_S)
    return 1.0 + (MAX_GAIN - 1.0) * min(max(share, 0.0), 1.0)


def _notches(units: int) -> int:
    """Whole notches, towards zero."""
    return int(units / NOTCH)
