"""What keyboards and mice tell a terminal, and what their drivers must do. No driver is here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Key:
    """A key went down or up; `keysym` is X's number for it. A repeat is one more `down`."""

    keysym: int
    down: bool


@dataclass(frozen=True, slots=True)
class Pointer:
    """The mouse is at (x, y) pixels of the screen; `buttons` as in RFB: bit 0 left, 1 middle, 2
    right, 3 to 6 wheel up, down, left, right."""

    x: int
    y: int
    buttons: int


InputEvent = Key | Pointer


class InputDriver(Protocol):
    """A source of input besides the screen's own window; posts on the event loop's thread."""

    def start(self, post: Callable[[InputEvent], None]) -> None:
        """Begin to post events."""

    def stop(self) -> None:
        """Post nothing any more."""
