"""Screens by pygame (SDL 2): window, headless, console. What is shown when is decided elsewhere."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from dtu.core.input import usb_usages
from dtu.core.menu import MenuView
from dtu.core.rfb import Cursor, Rect
from dtu.core.rfb.events import Bytes
from dtu.core.words import Words
from dtu.drivers.display import words_page
from dtu.drivers.display.base import ScreenError
from dtu.drivers.display.composer import Composer, Target
from dtu.drivers.display.menu_overlay import MenuOverlay
from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.words_painter import WordsPainter
from dtu.drivers.input.base import InputEvent, Key, Pointer
from dtu.drivers.input.keysyms import keysym_of_sdl_key

_PUMP_INTERVAL_S = 0.008
"""SDL has no descriptor to wait for; 8 ms is the report interval of an ordinary USB mouse."""

_MAX_WHEEL_STEPS = 10
"""A flick of a free-spinning wheel between two pumps, turned into presses."""

_DRIVERS = {"headless": "dummy", "console": "kmsdrm"}
"""SDL's video drivers; a window takes what SDL finds. Wheels of pygame come without kmsdrm."""

_MASKS = (0xFF0000, 0xFF00, 0xFF)
_RFB_BUTTONS = {1: 1, 2: 2, 3: 4, 6: 1 << 7, 7: 1 << 8}
# SDL's numbers 4 and 5 are its old wheel; 6 and 7 are back and forward.
_WHEEL_UP, _WHEEL_DOWN, _WHEEL_LEFT, _WHEEL_RIGHT = 8, 16, 32, 64


def open_screen(output: str, width: int, height: int) -> "PygameScreen":
    """Open `window`, `headless` or `console`; raises ScreenError with what to do about it.

    The console has its own size, the others get `width` by `height` pixels.
    """
    if output == "console" and not _console_devices():
        raise ScreenError(
            "no screen: neither /dev/dri/card* nor /dev/fb0 exists. Connect a screen and check"
            " dtoverlay=vc4-kms-v3d in config.txt, or set display=headless"
        )
    if output in _DRIVERS:
        os.environ["SDL_VIDEODRIVER"] = _DRIVERS[output]
    flags = pygame.FULLSCREEN if output == "console" else 0
    size = (0, 0) if output == "console" else (width, height)
    try:
        pygame.display.init()
        surface = pygame.display.set_mode(size, flags, 32)
    except pygame.error as error:
        pygame.display.quit()
        raise ScreenError(
            f"cannot open the {output} screen: {error}. A window needs DISPLAY or WAYLAND_DISPLAY,"
            " a console the distribution's own SDL; without a screen set display=headless"
        ) from None
    return PygameScreen(surface, needs_pump=output != "headless")


def _console_devices() -> list[Path]:
    return [*Path("/dev/dri").glob("card*"), *Path("/dev").glob("fb0")]


class PygameScreen:
    """A `Screen` on pygame's one display surface; composes in that surface's own memory."""

    def __init__(self, surface: "pygame.Surface", needs_pump: bool) -> None:
        if tuple(surface.get_masks()[:3]) != _MASKS or surface.get_bytesize() != 4:
            pygame.display.quit()
            raise ScreenError(f"the screen has no 32-bit RGB pixels but {surface}")
        self._surface = surface
        self._size = surface.get_size()
        self._composer = Composer(self._size)
        self._words: Words | None = None
        self._needs_pump = needs_pump
        self._pending: list[InputEvent] = []
        self._keysyms: dict[int, int] = {}
        self._buttons = 0
        self._close_requested = False
        self._painter = WordsPainter()
        self._menu = MenuOverlay(self._painter)
        pygame.display.set_caption("Roamdesk")
        pygame.mouse.set_visible(False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._size

    @property
    def pump_interval_s(self) -> float | None:
        """How often `pump` wants to be called; None if never."""
        return _PUMP_INTERVAL_S if self._needs_pump else None

    @property
    def close_requested(self) -> bool:
        """True when the person has closed the window."""
        return self._close_requested

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
            pygame.display.update(self._menu.move(self._surface, (x, y)))
            return
        if self._words is not None or not self._composer.has_frame:
            self._composer.place_pointer(x, y)
            return
        self._paint(lambda target: self._composer.move(x, y, target))

    def show_words(self, words: Words, dim: bool) -> None:
        """Show a message; with `dim` the session shown last stays visible behind it, darkened."""
        if not dim:
            self._composer.drop_frame()
        self._words = words
        self._repaint()

    def show_menu(self, view: MenuView | None) -> None:
        """Lay the menu over what is shown, a session darkened; None takes it away."""
        self._menu.view = view
        self._repaint()

    def menu_row_at(self, x: int, y: int) -> int:
        """The row of the menu under a pixel; -1 if none is."""
        return self._menu.row_at(x, y)

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
            page = words_page.lay_out(self._words, self._size, self._painter.measure)
            self._painter.paint(page, self._surface)
        self._menu.paint(self._surface, composer.pointer)
        pygame.display.flip()

    def blank(self) -> None:
        """Black, at once; the last frame is overwritten and cannot come back."""
        self._surface.fill(0)
        pygame.display.flip()
        self._composer.wipe_frame()
        self._words = self._menu.view = None

    def input_events(self) -> list[InputEvent]:
        """What the window's keyboard and mouse did since the last call."""
        events, self._pending = self._pending, []
        return events

    def snapshot(self, path: Path) -> None:
        """Write what a person would see as PNG, whole or not at all; raises OSError."""
        partial = path.with_name(f".{path.name}.partial.png")
        try:
            pygame.image.save(self._surface, str(partial))
        except pygame.error as error:
            raise OSError(f"cannot write the picture: {error}") from None
        partial.replace(path)

    def pump(self) -> None:
        """Let SDL do its work and collect its input; 10 µs when nothing happens."""
        for event in pygame.event.get():
            if event.type in (pygame.KEYDOWN, pygame.KEYUP):
                self._key(event)
            elif event.type == pygame.MOUSEMOTION:
                self._point(*event.pos)
            elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
                self._button(event)
            elif event.type == pygame.MOUSEWHEEL:
                self._wheel(event.x, event.y)
            elif event.type == pygame.QUIT:
                self._close_requested = True
            elif event.type == pygame.WINDOWEXPOSED:
                pygame.display.flip()

    def close(self) -> None:
        """Give the screen back."""
        self._composer.wipe_frame()
        self._painter.close()
        pygame.display.quit()

    def _paint(self, paint: Callable[[Target], list[Rect]]) -> None:
        """Lend the surface's pixels to `paint`, then show what it changed.

        The surface is locked as long as an array of its pixels lives: nobody may keep one.
        """
        dirty = paint(pygame.surfarray.pixels2d(self._surface).T)
        if dirty:
            pygame.display.update([(rect.x, rect.y, rect.width, rect.height) for rect in dirty])

    def _key(self, event: "pygame.event.Event") -> None:
        if event.type == pygame.KEYUP:
            # What went down must come up, whatever the modifiers make of it by now.
            keysym = self._keysyms.pop(event.scancode, None)
        else:
            name = pygame.key.name(event.key)
            keysym = keysym_of_sdl_key(name, event.unicode, event.key)
            keysym = self._keysyms.get(event.scancode, keysym)
            if keysym is not None:
                self._keysyms[event.scancode] = keysym
        # SDL's scan codes are USB's usages.
        code = usb_usages.CODES.get(event.scancode, 0)
        if code or keysym is not None:
            self._pending.append(Key(keysym or 0, event.type == pygame.KEYDOWN, code, "window"))

    def _button(self, event: "pygame.event.Event") -> None:
        bit = _RFB_BUTTONS.get(event.button, 0)
        if bit == 0:
            return
        pressed = event.type == pygame.MOUSEBUTTONDOWN
        self._buttons = self._buttons | bit if pressed else self._buttons & ~bit
        x, y = event.pos
        self._pending.append(Pointer(x, y, self._buttons))

    def _point(self, x: int, y: int) -> None:
        here = Pointer(x, y, self._buttons)
        last = self._pending[-1] if self._pending else None
        if isinstance(last, Pointer) and last.buttons == self._buttons:
            self._pending[-1] = here
        else:
            self._pending.append(here)

    def _wheel(self, right: int, up: int) -> None:
        x, y = pygame.mouse.get_pos()
        steps = ((up, _WHEEL_UP, _WHEEL_DOWN), (right, _WHEEL_RIGHT, _WHEEL_LEFT))
        for amount, positive, negative in steps:
            bit = positive if amount > 0 else negative
            for _ in range(min(abs(amount), _MAX_WHEEL_STEPS)):
                self._pending.append(Pointer(x, y, self._buttons | bit))
                self._pending.append(Pointer(x, y, self._buttons))
