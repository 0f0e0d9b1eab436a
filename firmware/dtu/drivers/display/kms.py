"""The console: all monitors of the machine by the kernel's mode setting, without a desktop.

It checks itself: a driver that takes everything and shows nothing is an error in words. How one
monitor is fed is in `kms_head`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dtu.core.rfb import Rect
from dtu.drivers.display.base import ScreenError
from dtu.drivers.display.drm import Card
from dtu.drivers.display.kms_head import FLIP_LOST_S, Head, Source
from dtu.drivers.display.monitors import Placed, place_monitors
from dtu.drivers.display.output import memory_surface
from dtu.drivers.display.sdl import pygame
from dtu.drivers.input.base import InputEvent
from dtu.drivers.udev import DeviceEvent, UdevWatch

_LOG = logging.getLogger(__name__)

_RETRY_S = 2.0
"""After the kernel refused something in the middle of work."""

_LOOK_S = FLIP_LOST_S + 0.1
"""While changes wait for a flip, the heads are asked this often whether it is forgotten."""

_DEVICES = Path("/dev/dri")


class KmsOutput:
    """Owns a graphics card and a surface over all its monitors, side by side.

    Without a monitor the surface stays, as large as it was last; one that comes is used at once.
    `size` is that of a surface before any monitor came, `mode` the mode that is wished (see
    `choose_mode`).
    """

    def __init__(self, size: tuple[int, int], mode: str, devices: Path = _DEVICES) -> None:
        self._mode = mode
        self._card = _open_card(devices)
        self._placed: tuple[Placed, ...] = ()
        self._heads: list[Head] = []
        self._on = True
        self._on_layout: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._layout: tuple[Rect, ...] = (Rect(0, 0, *size),)
        self.surface = memory_surface(*size)
        self._watch = UdevWatch("drm", self._device_event)
        self._changed = False
        try:
            self._watch.start()
            self._configure()
        except OSError as error:
            self._card.close()
            raise ScreenError(f"the screen at {self._card.path} stays black: {error}") from error
        if not self._heads:
            _LOG.warning("no monitor is connected to %s; waiting for one", self._card.path)

    @property
    def layout(self) -> tuple[Rect, ...]:
        """The monitors, from left to right."""
        return self._layout

    @property
    def pump_interval_s(self) -> float | None:
        """The kernel tells on two descriptors when there is something to do."""
        return None

    @property
    def close_requested(self) -> bool:
        """Nobody can close it."""
        return False

    def start(self, on_layout: Callable[[], None]) -> None:
        """Let the running loop pump; `on_layout` is called after monitors changed the surface."""
        self._on_layout = on_layout
        self._loop = asyncio.get_running_loop()
        for descriptor in self._descriptors():
            self._loop.add_reader(descriptor, self.pump)
        self._look_later()

    def present(self, rects: Sequence[Rect]) -> None:
        """These rectangles of the surface have changed."""
        self._each(lambda head, source: head.present(source, rects))

    def wipe(self) -> None:
        """Overwrite all buffers, also those not on the screen."""
        self._each(lambda head, source: head.wipe())

    def power(self, on: bool) -> None:
        """Let the monitors sleep, or wake them with what is on the surface."""
        if on != self._on:
            self._on = on
            _LOG.info("monitors are %s", "on" if on else "off")
            self._each(lambda head, source: head.power(on, source))

    def pump(self) -> None:
        """Go on after flips; use monitors that came, forget those that went. Never waits."""
        self._watch.read()
        if self._changed:
            self._reconfigure()
        self._guarded(self._flips_done)

    def input_events(self) -> list[InputEvent]:
        """Nothing: a console has no keyboard of its own."""
        return []

    def close(self) -> None:
        """Give the monitors back to the kernel's console."""
        for timer in (self._retry, self._look):
            if timer is not None:
                timer.cancel()
        if self._loop is not None:
            for descriptor in self._descriptors():
                self._loop.remove_reader(descriptor)
        self._close_heads()
        self._card.close()

    # -- monitors

    def _descriptors(self) -> tuple[int, int]:
        return self._watch.fileno(), self._card.fileno()

    def _device_event(self, event: DeviceEvent) -> None:
        self._changed = True

    def _configure(self) -> None:
        """Look which monitors there are, and light those that were not."""
        self._changed = False
        connectors = [self._card.connector(number) for number in self._card.connector_numbers]
        placed = place_monitors(connectors, self._card.possible_crtcs, self._mode)
        if placed == self._placed and len(self._heads) == len(placed):
            return
        self._close_heads()
        self._placed = placed
        for each in placed:
            head = Head(self._card, each)
            self._heads.append(head)
            mode = each.mode
            _LOG.info(
                "monitor %s on %s: %dx%d at %d Hz, %s",
                *(each.connector.monitor or "without a name", each.connector.name),
                *(mode.width, mode.height, mode.hertz, head.way),
            )
        layout = tuple(each.place for each in placed)
        if layout and layout != self._layout:
            self._layout = layout
            height = max(place.height for place in layout)
            self.surface = memory_surface(sum(place.width for place in layout), height)
        self._on = True

    def _reconfigure(self) -> None:
        before = self._placed
        self._guarded(lambda _: self._configure())
        if self._placed == before:
            return
        if not self._placed:
            _LOG.warning("the last monitor was pulled")
        elif self._on_layout is not None:
            self._on_layout()

    def _close_heads(self) -> None:
        heads, self._heads = self._heads, []
        for head in heads:
            head.close()

    # -- work

    def _flips_done(self, source: Source) -> None:
        for crtc in self._card.flips_done():
            for head in self._heads:
                if head.placed.crtc == crtc:
                    head.flipped(source)

    def _look_later(self) -> None:
        """The kernel's word of a flip may be lost, and on a still screen nobody asks again."""
        if self._loop is None or self._look is not None:
            return
        if any(head.waits for head in self._heads):
            self._look = self._loop.call_later(_LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._each(lambda head, source: head.look_again(source))

    def _each(self, work: Callable[[Head, Source], None]) -> None:
        def all_heads(source: Source) -> None:
            for head in self._heads:
                work(head, source)

        if self._heads:
            self._guarded(all_heads)

    def _guarded(self, work: Callable[[Source], None]) -> None:
        """Lend the surface's pixels to `work`; what the kernel refuses is tried anew later."""
        try:
            work(pygame.surfarray.pixels2d(self.surface).T)
        except OSError as error:
            _LOG.warning("the screen failed: %s; it is set up again", error)
            self._close_heads()
            if self._loop is not None and self._retry is None:
                self._retry = self._loop.call_later(_RETRY_S, self._try_again)
        self._look_later()

    def _try_again(self) -> None:
        self._retry = None
        self._placed = ()
        self._reconfigure()


def _open_card(devices: Path) -> Card:
    """The first card that drives monitors, best one with a monitor, with the right to do so."""
    cards: list[Card] = []
    reasons: list[str] = []
    for path in sorted(devices.glob("card*")):
        try:
            cards.append(Card(str(path)))
        except OSError as error:
            reasons.append(f"{path} {error.strerror}")
    if not cards:
        raise ScreenError(_no_card(devices, reasons))
    best = max(cards, key=_has_monitor)  # the first of those that are equal
    for card in cards:
        if card is not best:
            card.close()
    try:
        best.become_master()
    except OSError as error:
        best.close()
        raise ScreenError(
            f"another program has the screen at {best.path} ({error.strerror}): end the desktop or"
            " the display manager on this machine, or set display=window inside of it"
        ) from error
    return best


def _has_monitor(card: Card) -> bool:
    try:
        return any(card.connector(number).connected for number in card.connector_numbers)
    except OSError:
        return False


def _no_card(devices: Path, reasons: Iterable[str]) -> str:
    why = "; ".join(reasons)
    if not why:
        return (
            f"no screen: there is no {devices}/card*. Check dtoverlay=vc4-kms-v3d in config.txt, or"
            " set display=headless"
        )
    if "denied" in why:
        why += "; the terminal's user must be in the group video"
    return f"no screen: no graphics card can be used: {why}"
