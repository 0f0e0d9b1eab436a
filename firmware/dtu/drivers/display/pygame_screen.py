"""The terminal's screen: composes sessions, words and the menu on the surface of an output.

What brings the surface to people's eyes is in `window`, `kms` and `output`; what is shown when is
decided elsewhere.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from dtu.core.menu import MenuView
from dtu.core.rfb import Cursor, Rect
from dtu.core.rfb.events import Bytes
from dtu.core.words import Words
from dtu.drivers.display import words_page
from dtu.drivers.display.badge import Badge
from dtu.drivers.display.composer import Composer, Target
from dtu.drivers.display.kms import KmsOutput
from dtu.drivers.display.menu_overlay import MenuOverlay
from dtu.drivers.display.output import HeadlessOutput, Output
from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.window import WindowOutput
from dtu.drivers.display.words_painter import WordsPainter
from dtu.drivers.input.base import InputEvent


def open_screen(output: str, width: int, height: int, mode: str = "") -> "PygameScreen":
    """Open `window`, `headless` or `console`; raises ScreenError with what to do about it.

    A console has its monitors' size, the others get `width` by `height` pixels. `mode` is what the
    monitors are wished to be driven with, such as 1920x1080@60; empty is what they prefer.
    """
    if output == "console":
        return PygameScreen(KmsOutput((width, height), mode))
    if output == "window":
        return PygameScreen(WindowOutput(width, height))
    return PygameScreen(HeadlessOutput(width, height))


class PygameScreen:
    """A `Screen`: composes in the output's surface, with pygame's fonts and numpy."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._surface = output.surface
        self._composer = Composer(self.size)
        self._words: Words | None = None
        self._painter = WordsPainter()
        self._menu = MenuOverlay(self._painter)
        self._badge = Badge(self._painter)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._surface.get_size()

    @property
    def layout(self) -> tuple[Rect, ...]:
        """Where each monitor's part of the picture is."""
        return self._output.layout

    @property
    def pump_interval_s(self) -> float | None:
        """How long until `pump` wants to be called next, now; None if never."""
        return self._output.pump_interval_s

    @property
    def close_requested(self) -> bool:
        """True when the person has closed the window."""
        return self._output.close_requested

    def start(self, on_layout: Callable[[], None]) -> None:
        """Watch for monitors; call `on_layout` when `size` and `layout` have changed."""

        def changed() -> None:
            self._take_surface()
            on_layout()

        self._output.start(changed)

    def show_session(
        self, framebuffer: Bytes, rects: Sequence[Rect], cursor: Cursor | None
    ) -> None:
        """Show a session: all of it if it was not shown before, else the changed rectangles."""
        composer = self._composer
        covered, self._words = self._words is not None, None
        if self._menu.view is not None:
            composer.keep_frame(framebuffer, cursor)
            if covered:
                self._repaint()
        elif covered or not composer.is_frame(framebuffer):
            self._paint(lambda target: composer.take_frame(framebuffer, cursor, target))
        else:
            self._paint(lambda target: composer.update(rects, cursor, target))

    def move_pointer(self, x: int, y: int) -> None:
        """The pointer is at this pixel of the screen now."""
        if self._menu.view is not None:
            self._composer.place_pointer(x, y)
            first = self._monitor(self.layout[0])
            moved = self._menu.move(first, _inside(first, (x, y)))
            self._output.present([Rect(*area) for area in moved])
            return
        if self._words is not None or not self._composer.has_frame:
            self._composer.place_pointer(x, y)
            return
        if self._badge.text and _overlap(self._badge_place(), Rect(x, y, 1, 1)):
            self._badge.text = ""  # the person wants what is under it
            self._composer.place_pointer(x, y)
            self._repaint()
            return
        self._paint(lambda target: self._composer.move(x, y, target))

    def show_words(self, words: Words, dim: bool) -> None:
        """Show a message; with `dim` the session shown last stays visible behind it, darkened."""
        if not dim:
            self._composer.drop_frame()
        self._words = words
        self._badge.text = ""
        self._repaint()

    def show_badge(self, text: str) -> None:
        """Lay a line over the upper edge of a session that is shown; "" takes it away."""
        plain = self._composer.has_frame and self._words is None and self._menu.view is None
        if text == self._badge.text or not plain:
            return
        self._badge.text = text
        self._repaint()

    def show_menu(self, view: MenuView | None) -> None:
        """Lay the menu over what is shown, a session darkened; None takes it away."""
        self._menu.view = view
        self._badge.text = ""
        self._repaint()

    def menu_row_at(self, x: int, y: int) -> int:
        """The row of the menu under a pixel; -1 if none is."""
        return self._menu.row_at(x, y)

    def blank(self) -> None:
        """Black, at once; the last frame is overwritten and cannot come back."""
        self._surface.fill(0)
        self._output.wipe()
        self._composer.wipe_frame()
        self._words = self._menu.view = None
        self._badge.text = ""

    def power(self, on: bool) -> None:
        """Let the monitors sleep, or wake them; what is shown meanwhile is seen when they wake."""
        self._output.power(on)

    def input_events(self) -> list[InputEvent]:
        """What the window's keyboard and mouse did since the last call."""
        return self._output.input_events()

    def snapshot(self, path: Path) -> None:
        """Write what a person would see as PNG, whole or not at all; raises OSError."""
        partial = path.with_name(f".{path.name}.partial.png")
        try:
            pygame.image.save(self._surface, str(partial))
        except pygame.error as error:
            raise OSError(f"cannot write the picture: {error}") from None
        partial.replace(path)

    def pump(self) -> None:
        """Let the output do its work; collects input."""
        self._output.pump()

    def close(self) -> None:
        """Give the screen back."""
        self.blank()
        self._painter.close()
        self._output.close()

    def _repaint(self) -> None:
        """All of the screen: session, words, menu, in this order."""
        composer, whole = self._composer, pygame.surfarray.pixels2d(self._surface).T
        if composer.has_frame and (self._words is not None or self._menu.view is not None):
            composer.repaint_dimmed(whole)
        elif composer.has_frame:
            composer.repaint(whole)
        del whole  # the surface is locked as long as it lives
        if not composer.has_frame:
            self._surface.fill(words_page.BACKGROUND if self._words is not None else 0)
        if self._words is not None:
            # On several monitors the middle of the surface is where two of them meet.
            for place in self.layout:
                part = self._monitor(place)
                page = words_page.lay_out(self._words, part.get_size(), self._painter.measure)
                self._painter.paint(page, part)
        first = self._monitor(self.layout[0])
        self._menu.paint(first, composer.pointer and _inside(first, composer.pointer))
        self._badge.paint(first)
        self._output.present([Rect(0, 0, *self.size)])

    def _badge_place(self) -> Rect:
        first = self.layout[0]
        x, y, width, height = self._badge.place(self._monitor(first))
        return Rect(first.x + x, first.y + y, width, height)

    def _monitor(self, place: Rect) -> "pygame.Surface":
        """One monitor's part of the surface."""
        return self._surface.subsurface((place.x, place.y, place.width, place.height))

    def _paint(self, paint: Callable[[Target], list[Rect]]) -> None:
        """Lend the surface's pixels to `paint`, then show what it changed.

        The surface is locked as long as an array of its pixels lives: nobody may keep one.
        """
        dirty = paint(pygame.surfarray.pixels2d(self._surface).T)
        if self._badge.text and any(_overlap(self._badge_place(), each) for each in dirty):
            self._badge.paint(self._monitor(self.layout[0]))
            dirty = [*dirty, self._badge_place()]
        if dirty:
            self._output.present(dirty)

    def _take_surface(self) -> None:
        """The output has another surface: what was shown is shown on it."""
        self._surface = self._output.surface
        self._composer.resize(self.size)
        self._repaint()


def _overlap(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _inside(surface: "pygame.Surface", point: tuple[int, int]) -> tuple[int, int]:
    """The pixel of a surface that is nearest to a point."""
    width, height = surface.get_size()
    return min(max(point[0], 0), width - 1), min(max(point[1], 0), height - 1)
