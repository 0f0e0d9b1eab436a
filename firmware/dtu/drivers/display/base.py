"""What a terminal's screen must do, and where a picture stands on it. No driver is here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from dtu.core.menu import MenuView
from dtu.core.rfb import Cursor, Rect
from dtu.core.rfb.events import Bytes
from dtu.core.words import Words
from dtu.drivers.input.base import InputEvent


class ScreenError(Exception):
    """There is no such screen; the text says what is missing and what to do."""


class Screen(Protocol):
    """One screen: shows a session, or words, or nothing. All calls on the event loop's thread."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def layout(self) -> tuple[Rect, ...]:
        """Where on it each monitor is, at least one; a session is asked for these screens."""

    @property
    def pump_interval_s(self) -> float | None:
        """How long until `pump` wants to be called next, now; None if never."""

    @property
    def close_requested(self) -> bool:
        """True when the person has closed the window."""

    def start(self, on_layout: Callable[[], None]) -> None:
        """Begin to watch for monitors, on the running event loop.

        `on_layout` is called when `size` and `layout` have changed; what was shown is on the new
        monitors already, a session centred or cut until it has taken the new size.
        """

    def show_session(
        self, framebuffer: Bytes, rects: Sequence[Rect], cursor: Cursor | None
    ) -> None:
        """Show a session: all of it if it was not shown before, else the changed rectangles.

        `framebuffer` is (height, width, 4) in BGRX; it is kept, not copied, until `blank`,
        `show_words` without dim, or another one. `cursor` is drawn where the pointer is.
        """

    def move_pointer(self, x: int, y: int) -> None:
        """The pointer is at this pixel of the screen now."""

    def show_words(self, words: Words, dim: bool) -> None:
        """Show a message; with `dim` the session shown last stays visible behind it, darkened."""

    def show_badge(self, text: str) -> None:
        """Lay a line over the upper edge of a session that is shown; "" takes it away.

        Words, the menu, a pointer that comes over it and `blank` take it away too.
        """

    def show_menu(self, view: MenuView | None) -> None:
        """Lay the menu over what is shown, a session darkened; None takes it away.

        What is shown meanwhile is seen when the menu is away. `blank` takes the menu away too.
        """

    def menu_row_at(self, x: int, y: int) -> int:
        """The row of the menu under a pixel; -1 if none is."""

    def blank(self) -> None:
        """Black, at once; the last frame is overwritten and cannot come back."""

    def power(self, on: bool) -> None:
        """Let the monitors sleep, or wake them; what is shown meanwhile is seen when they wake."""

    def input_events(self) -> list[InputEvent]:
        """What the window's keyboard and mouse did since the last call."""

    def snapshot(self, path: Path) -> None:
        """Write what a person would see as PNG; raises OSError."""

    def pump(self) -> None:
        """Let the window system do its work; collects input."""

    def close(self) -> None:
        """Give the screen back."""


def origin(screen: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int]:
    """Where a picture's top left pixel stands: centred; a larger picture loses right and bottom."""
    return max((screen[0] - picture[0]) // 2, 0), max((screen[1] - picture[1]) // 2, 0)
