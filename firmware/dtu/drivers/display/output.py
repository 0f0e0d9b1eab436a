"""What brings a composed surface to people's eyes: the protocol, and an output without a screen."""

from collections.abc import Callable, Sequence
from typing import Protocol

from dtu.core.rfb import Rect
from dtu.drivers.display.sdl import pygame
from dtu.drivers.input.base import InputEvent

_MASKS = (0xFF0000, 0xFF00, 0xFF, 0)


class Output(Protocol):
    """Owns the surface that is composed on. All calls on the event loop's thread."""

    surface: "pygame.Surface"
    """32-bit pixels, 0xXXRRGGBB with any XX; another one after `on_layout`."""

    @property
    def layout(self) -> tuple[Rect, ...]:
        """Where on the surface each screen is; at least one."""

    @property
    def pump_interval_s(self) -> float | None:
        """How long until `pump` wants to be called; None if it looks after itself once started."""

    @property
    def close_requested(self) -> bool:
        """True when the person has closed the window."""

    def start(self, on_layout: Callable[[], None]) -> None:
        """Begin to watch; `on_layout` is called after the surface became another one."""

    def present(self, rects: Sequence[Rect]) -> None:
        """These rectangles of the surface have changed."""

    def wipe(self) -> None:
        """The surface is black now: nothing that was shown may be left anywhere."""

    def power(self, on: bool) -> None:
        """Let the screen sleep, or wake it with what is on the surface."""

    def pump(self) -> None:
        """Do what is to be done."""

    def input_events(self) -> list[InputEvent]:
        """What the window's keyboard and mouse did since the last call."""

    def close(self) -> None:
        """Give the screen back."""


def memory_surface(width: int, height: int) -> "pygame.Surface":
    """A surface of our own, with the pixels that every output has."""
    return pygame.Surface((width, height), 0, 32, _MASKS)


class HeadlessOutput:
    """A surface that nobody sees, for lab and tests; `lit` is what `power` said last."""

    def __init__(self, width: int, height: int) -> None:
        self.surface = memory_surface(width, height)
        self.lit = True
        self._on_layout: Callable[[], None] | None = None

    @property
    def layout(self) -> tuple[Rect, ...]:
        """One screen."""
        return (Rect(0, 0, *self.surface.get_size()),)

    @property
    def pump_interval_s(self) -> float | None:
        """Nothing to pump."""
        return None

    @property
    def close_requested(self) -> bool:
        """Nobody can close it."""
        return False

    def start(self, on_layout: Callable[[], None]) -> None:
        """`resize` is told to `on_layout`."""
        self._on_layout = on_layout

    def resize(self, width: int, height: int) -> None:
        """As if another monitor had been plugged in."""
        self.surface = memory_surface(width, height)
        if self._on_layout is not None:
            self._on_layout()

    def present(self, rects: Sequence[Rect]) -> None:
        """The surface is all there is."""

    def wipe(self) -> None:
        """The surface is all there is."""

    def power(self, on: bool) -> None:
        """Remembered."""
        self.lit = on

    def pump(self) -> None:
        """Nothing to do."""

    def input_events(self) -> list[InputEvent]:
        """Nothing ever."""
        return []

    def close(self) -> None:
        """Nothing to give back."""
