"""Where input goes, as values: to the session, to the terminal's own screens, to the keyboards.
Nothing is carried out here."""

from dataclasses import dataclass

from dtu.core.input.events import Key, Leds, Pointer


@dataclass(frozen=True, slots=True)
class ToSession:
    """For the attached session; a `Key` that is down already repeats."""

    event: Key | Pointer


@dataclass(frozen=True, slots=True)
class ToTerminal:
    """For the terminal itself: its menu or its PIN pad. No session ever sees it."""

    event: Key | Pointer


@dataclass(frozen=True, slots=True)
class PointerMoved:
    """The pointer is at this pixel, and nobody gets its buttons."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Hotkey:
    """A chord was pressed; its last key went nowhere."""

    name: str


@dataclass(frozen=True, slots=True)
class ShowLeds:
    """The lamps of every keyboard."""

    leds: Leds


InputAction = ToSession | ToTerminal | PointerMoved | Hotkey | ShowLeds
