"""One evdev device's numbers to input events (kernel: Documentation/input/event-codes.rst and
multi-touch-protocol.rst). The device file is not here, nor what becomes of the events."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dtu.core.input.codes import FIRST_BUTTON, LAST_BUTTON
from dtu.core.input.events import Button, InputEvent, Key, Motion, Place, Wheel

EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED = 0, 1, 2, 3, 17
SYN_REPORT, SYN_DROPPED = 0, 3

REL_X, REL_Y, REL_HWHEEL, REL_WHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES = 0, 1, 6, 8, 11, 12
ABS_X, ABS_Y, ABS_MT_SLOT, ABS_MT_X, ABS_MT_Y, ABS_MT_TRACKING_ID = 0, 1, 47, 53, 54, 57
BTN_TOOL_FINGER, BTN_TOUCH = 0x145, 0x14A
INPUT_PROP_POINTER = 0

BUTTONS = {
    0x110: 0,  # left
    0x112: 1,  # middle
    0x111: 2,  # right
    0x113: 7,  # side: back
    0x116: 7,  # back
    0x114: 8,  # extra: forward
    0x115: 8,  # forward
    0x14B: 2,  # a pen's first button
    0x14C: 1,  # a pen's second button
}
"""Linux's button codes to the bits of `Pointer.buttons`."""

NOTCH = 120
"""Units of REL_WHEEL_HI_RES in one notch of a wheel."""

MAX_SLOTS = 64
"""Fingers on one screen; the kernel's drivers know of some ten."""

TOUCHPAD_COUNTS = 1600
"""A finger across the whole of a touchpad moves the pointer as a mouse with so many counts."""


@dataclass(frozen=True)
class Abilities:
    """What a device says that it has: codes by kind; axes with their lowest and highest value."""

    keys: frozenset[int] = frozenset()
    relative: frozenset[int] = frozenset()
    absolute: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    properties: frozenset[int] = frozenset()
    lamps: frozenset[int] = frozenset()

    @property
    def useful(self) -> bool:
        """True for keyboards, mice, tablets and touch screens: what a session can take."""
        return bool(self.keys & _ORDINARY_KEYS) or self.points

    @property
    def points(self) -> bool:
        """True for what moves the pointer. A joystick has axes too, but none of these buttons."""
        relative = {REL_X, REL_Y} <= self.relative
        absolute = {ABS_X, ABS_Y} <= self.absolute.keys() or self.multitouch
        return relative or (absolute and bool(self.keys & _POINTING))

    @property
    def multitouch(self) -> bool:
        """True if fingers come in numbered slots (protocol B)."""
        return {ABS_MT_SLOT, ABS_MT_X, ABS_MT_Y} <= self.absolute.keys()

    @property
    def touchpad(self) -> bool:
        """True if fingers on it move the pointer instead of placing it."""
        return INPUT_PROP_POINTER in self.properties and BTN_TOOL_FINGER in self.keys


_ORDINARY_KEYS = frozenset(range(1, 0xF0))
_POINTING = frozenset({*BUTTONS, BTN_TOUCH})


class Decoder:
    """Give `take` what was read. If `stale` is true afterwards the kernel has dropped events:
    ask the device what is down, and tell `resync`."""

    def __init__(self, source: str, abilities: Abilities) -> None:
        self.stale = False
        self._source = source
        self._abilities = abilities
        self._hires = bool(abilities.relative & {REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES})
        self._down: set[int] = set()
        self._dropping = False
        self._packet: list[InputEvent] = []
        self._motion = [0, 0]
        self._turned = [0, 0]
        self._place: dict[int, int] = {}
        self._moved = False
        self._moved_at = 0.0
        self._slot = 0
        self._fingers: dict[int, dict[int, int]] = {}
        self._touching: int | None = None

    def take(self, kind: int, code: int, value: int, at: float) -> list[InputEvent]:
        """One input_event of the device, `at` seconds of any clock; what it completes."""
        if kind == EV_SYN:
            return self._syn(code, at)
        if self._dropping:
            return []
        if kind == EV_KEY and value in (0, 1):  # 2: the kernel's own repeat
            self._key(code, value == 1)
        elif kind == EV_REL:
            self._relative(code, value)
        elif kind == EV_ABS:
            self._absolute(code, value)
        return []

    def resync(self, down: Collection[int]) -> list[InputEvent]:
        """After `stale`: these codes are down now. Fingers must touch again to be seen."""
        self.stale = False
        down = set(down)
        self._fingers.clear()
        self._lift()
        for code in sorted(self._down - down):
            self._key(code, False)
        for code in sorted(down - self._down):
            self._key(code, True)
        return self._flush()

    # -- events of a packet

    def _syn(self, code: int, at: float) -> list[InputEvent]:
        if code == SYN_DROPPED:
            self._dropping = True
            self._motion, self._turned, self._moved = [0, 0], [0, 0], False
            return self._flush()  # keys that were told before the gap were really pressed
        if code != SYN_REPORT:
            return []
        if self._dropping:
            self._dropping = False
            self.stale = True
            return []
        return self._report(at)

    def _report(self, at: float) -> list[InputEvent]:
        """The packet is whole: first where the pointer is, then what was pressed there."""
        events: list[InputEvent] = []
        dx, dy = self._motion
        if dx or dy:
            events.append(Motion(dx, dy, max(at - self._moved_at, 0.0), self._source))
            self._motion, self._moved_at = [0, 0], at
        if self._moved and (place := self._where()) is not None:
            events.append(place)
        self._moved = False
        right, up = self._turned
        events += self._flush()
        if right or up:
            events.append(Wheel(right, up, self._source))
            self._turned = [0, 0]
        return events

    def _flush(self) -> list[InputEvent]:
        packet, self._packet = self._packet, []
        return packet

    def _key(self, code: int, down: bool) -> None:
        (self._down.add if down else self._down.discard)(code)
        if not FIRST_BUTTON <= code <= LAST_BUTTON:
            self._packet.append(Key(0, down, code, self._source))
        elif code in BUTTONS:
            self._packet.append(Button(BUTTONS[code], down, self._source))
        elif code == BTN_TOUCH and not (self._abilities.multitouch or self._abilities.touchpad):
            self._packet.append(Button(0, down, self._source))

    def _relative(self, code: int, value: int) -> None:
        if code in (REL_X, REL_Y):
            self._motion[code] += value
        elif code == REL_WHEEL_HI_RES:
            self._turned[1] += value
        elif code == REL_HWHEEL_HI_RES:
            self._turned[0] += value
        elif code in (REL_WHEEL, REL_HWHEEL) and not self._hires:
            self._turned[code == REL_WHEEL] += value * NOTCH

    def _absolute(self, code: int, value: int) -> None:
        if not self._abilities.multitouch:
            if code in (ABS_X, ABS_Y):
                self._place[code] = value
                self._moved = True
        elif code == ABS_MT_SLOT:
            self._slot = value if 0 <= value < MAX_SLOTS else MAX_SLOTS
        elif code == ABS_MT_TRACKING_ID:
            self._finger(value)
        elif code in (ABS_MT_X, ABS_MT_Y) and self._slot in self._fingers:
            axis = ABS_X if code == ABS_MT_X else ABS_Y
            last = self._fingers[self._slot].get(axis)
            self._fingers[self._slot][axis] = value
            if self._slot == self._touching:
                self._slide(axis, value, last)

    # -- fingers

    def _finger(self, tracking: int) -> None:
        """A finger came (or another one took its slot), or went. The first one is the pointer;
        the next pointer is the first finger on an empty screen."""
        self._fingers.pop(self._slot, None)
        if self._slot == self._touching:
            self._lift()
        if tracking < 0 or self._slot == MAX_SLOTS:
            return
        if not self._fingers:
            self._touching = self._slot
            if not self._abilities.touchpad:
                self._packet.append(Button(0, True, self._source))
        self._fingers[self._slot] = {}

    def _lift(self) -> None:
        if self._touching is not None and not self._abilities.touchpad:
            self._packet.append(Button(0, False, self._source))
        self._touching = None

    def _slide(self, axis: int, value: int, last: int | None) -> None:
        self._place[axis] = value
        if not self._abilities.touchpad:
            self._moved = True
        elif last is not None:
            low, high = self._abilities.absolute[ABS_MT_X if axis == ABS_X else ABS_MT_Y]
            self._motion[axis] += round((value - last) * TOUCHPAD_COUNTS / max(high - low, 1))

    def _where(self) -> Place | None:
        """None as long as the device has told only one of its axes."""
        axes = (ABS_MT_X, ABS_MT_Y) if self._abilities.multitouch else (ABS_X, ABS_Y)
        ranges = [self._abilities.absolute[axis] for axis in axes]
        if not {ABS_X, ABS_Y} <= self._place.keys():
            return None
        x, y = (
            min(max((self._place[axis] - low) / max(high - low, 1), 0.0), 1.0)
            for axis, (low, high) in zip((ABS_X, ABS_Y), ranges, strict=True)
        )
        return Place(x, y, self._source)
