"""A window on a desktop, by SDL: shows a surface, collects keyboard and mouse. Composes nothing."""

import time
from collections.abc import Callable, Sequence

from dtu.core.input import usb_usages
from dtu.core.rfb import Rect
from dtu.drivers.display.base import ScreenError
from dtu.drivers.display.sdl import pygame
from dtu.drivers.input.base import InputEvent, Key, Pointer
from dtu.drivers.input.keysyms import keysym_of_sdl_key

_PUMP_INTERVAL_S = 0.008
"""SDL has no descriptor to wait for; 8 ms is the report interval of an ordinary USB mouse."""

_CALM_INTERVAL_S = 0.032
"""125 looks a second are 1.8 % of a processor; of somebody who does nothing a third is enough."""

_CALM_AFTER_S = 5.0
assert _PUMP_INTERVAL_S < _CALM_INTERVAL_S < _CALM_AFTER_S

_MAX_WHEEL_STEPS = 10
"""A flick of a free-spinning wheel between two pumps, turned into presses."""

_MASKS = (0xFF0000, 0xFF00, 0xFF)
_RFB_BUTTONS = {1: 1, 2: 2, 3: 4, 6: 1 << 7, 7: 1 << 8}
# SDL's numbers 4 and 5 are its old wheel; 6 and 7 are back and forward.
_WHEEL_UP, _WHEEL_DOWN, _WHEEL_LEFT, _WHEEL_RIGHT = 8, 16, 32, 64


class WindowOutput:
    """pygame's one display surface; SDL finds the desktop by DISPLAY or WAYLAND_DISPLAY."""

    def __init__(self, width: int, height: int) -> None:
        try:
            pygame.display.init()
            surface = pygame.display.set_mode((width, height), 0, 32)
        except pygame.error as error:
            pygame.display.quit()
            raise ScreenError(
                f"cannot open a window: {error}. It needs DISPLAY or WAYLAND_DISPLAY; on a machine"
                " without a desktop set display=console, without a screen display=headless"
            ) from None
        if tuple(surface.get_masks()[:3]) != _MASKS or surface.get_bytesize() != 4:
            pygame.display.quit()
            raise ScreenError(f"the window has no 32-bit RGB pixels but {surface}")
        self.surface = surface
        self._pending: list[InputEvent] = []
        self._keysyms: dict[int, int] = {}
        self._buttons = 0
        self._close_requested = False
        self._on = True
        self._stirred = time.monotonic()
        pygame.display.set_caption("Roamdesk")
        pygame.mouse.set_visible(False)

    @property
    def layout(self) -> tuple[Rect, ...]:
        """One screen."""
        return (Rect(0, 0, *self.surface.get_size()),)

    @property
    def pump_interval_s(self) -> float | None:
        """How long until `pump` wants to be called next: longer when nothing has come for long."""
        calm = time.monotonic() - self._stirred > _CALM_AFTER_S
        return _CALM_INTERVAL_S if calm else _PUMP_INTERVAL_S

    @property
    def close_requested(self) -> bool:
        """True when the person has closed the window."""
        return self._close_requested

    def start(self, on_layout: Callable[[], None]) -> None:
        """The window keeps its size."""

    def present(self, rects: Sequence[Rect]) -> None:
        """These rectangles of the surface have changed."""
        if self._on:
            pygame.display.update([(rect.x, rect.y, rect.width, rect.height) for rect in rects])

    def wipe(self) -> None:
        """The surface is black now."""
        pygame.display.flip()

    def power(self, on: bool) -> None:
        """A sleeping window is black; the desktop's own monitor is the desktop's."""
        if on == self._on:
            return
        self._on = on
        if not on:
            kept = self.surface.copy()
            self.surface.fill(0)
            pygame.display.flip()
            self.surface.blit(kept, (0, 0))
        else:
            pygame.display.flip()

    def input_events(self) -> list[InputEvent]:
        """What the window's keyboard and mouse did since the last call."""
        events, self._pending = self._pending, []
        return events

    def pump(self) -> None:
        """Let SDL do its work and collect its input; 10 µs when nothing happens."""
        events = pygame.event.get()
        if events:
            self._stirred = time.monotonic()
        for event in events:
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
            elif event.type == pygame.WINDOWEXPOSED and self._on:
                pygame.display.flip()

    def close(self) -> None:
        """Give the window back."""
        pygame.display.quit()

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
