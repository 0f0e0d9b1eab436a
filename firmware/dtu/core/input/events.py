"""What keyboards, mice and touch screens tell a terminal: frozen values. No device is read here.

`source` names the device that an event comes from, so that its keys can be released when it goes.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Key:
    """A key went down or up. One more `down` of a key that is down changes nothing.

    `keysym` is X's number for what it writes, 0 if the source knows only the key; `code` is Linux's
    number for the key (KEY_* in linux/input-event-codes.h), 0 if the source knows only what it
    writes. The repr has neither: PINs and passwords are typed with keys, and logs are read.
    """

    keysym: int = field(repr=False)
    down: bool
    code: int = field(default=0, repr=False)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer that knows its place: (x, y) pixels of the screen, and all its buttons as in RFB:
    bit 0 left, 1 middle, 2 right, 3 to 6 wheel up, down, left, right, 7 back, 8 forward."""

    x: int
    y: int
    buttons: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Motion:
    """A mouse was moved, in its own counts, `seconds` after its motion before."""

    dx: float
    dy: float
    seconds: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A tablet or a finger is here: 0 to 1 of the screen's width and height."""

    x: float
    y: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A button, by its bit in `Pointer.buttons`, went down or up."""

    bit: int
    down: bool
    source: str = ""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel was turned, in 120ths of a notch: to the right, and up (away from the person)."""

    right: int
    up: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A device is here and is read."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class Unplugged:
    """A device is gone; nothing of it is held any more."""

    source: str


@dataclass(frozen=True, slots=True)
class Leds:
    """The lamps of a keyboard."""

    caps: bool = False
    num: bool = False
    scroll: bool = False


InputEvent = Key | Pointer | Motion | Place | Button | Wheel | Plugged | Unplugged
