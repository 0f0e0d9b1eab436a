"""One monitor on the kernel's mode setting: its buffers, and how changes come to be seen.

Three ways, the first that works: DIRTYFB where the driver copies what it is told of (virtual and
USB graphics), two buffers flipped at the blanking where memory is scanned out (no tearing), one
buffer written while it is shown where memory is short. Which monitor shows what is not here.
"""

import contextlib
import errno
import logging
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dtu.core.rfb import Rect
from dtu.core.rfb.events import bounding_box
from dtu.drivers.display.drm import DPMS_OFF, DPMS_ON, Buffer, Card
from dtu.drivers.display.monitors import Placed

_LOG = logging.getLogger(__name__)

_MAX_STALE = 32
"""More rectangles of a waiting buffer become one: a still monitor must not collect them."""

FLIP_LOST_S = 1.0
"""A flip takes one frame of the monitor, 42 ms at 24 Hz."""

Source = npt.NDArray[np.uint32]
"""The composed surface, (height, width); lent for one call."""


class Head:
    """One monitor that is on; raises OSError when the kernel refuses."""

    def __init__(self, card: Card, placed: Placed) -> None:
        self._card = card
        self.placed = placed
        self._on = True
        self._buffers: list[Buffer] = []
        self._stale: list[list[Rect]] = []
        self._front = 0
        self._flipping = False
        self._flip_began = 0.0
        self._waiting = False
        try:
            self._add_buffer()
            self._set_crtc()
            self._copies = self._driver_copies()
            if not self._copies:
                self._add_back_buffer()
        except OSError:
            self.close()
            raise

    @property
    def way(self) -> str:
        """How changes come to be seen, for the log."""
        if self._copies:
            return "changed rectangles are told to the driver"
        return "two buffers" if len(self._buffers) == 2 else "one buffer, it may tear"

    def present(self, source: Source, rects: Sequence[Rect]) -> None:
        """Bring rectangles of the surface to the monitor, now or at its next blanking."""
        seen = [part for rect in rects if (part := _common(rect, self.placed.place)) is not None]
        if not seen:
            return
        for stale in self._stale:
            stale.extend(seen)
            if len(stale) > _MAX_STALE:
                stale[:] = [bounding_box(stale)]
        self._waiting = True
        self._bring(source)

    def flipped(self, source: Source) -> None:
        """The flip is done; what has changed in the meantime is brought now."""
        self._flipping = False
        if self._waiting:
            self._bring(source)

    @property
    def waits(self) -> bool:
        """True while changes wait for a flip to be done."""
        return self._on and self._waiting and self._flipping

    def look_again(self, source: Source) -> None:
        """Bring what waits if its flip is forgotten; nothing else may come to a still screen."""
        if self._waiting:
            self._bring(source)

    def wipe(self) -> None:
        """Overwrite every buffer, the one on the screen first."""
        height, width = self._buffers[0].pixels.shape
        for buffer in (self._buffers[self._front], *self._buffers):
            buffer.pixels.fill(0)
        for stale in self._stale:
            stale.clear()
        self._waiting = False
        if self._copies and self._on:
            self._card.tell_dirty(self._buffers[0], [Rect(0, 0, width, height)])

    def power(self, on: bool, source: Source) -> None:
        """Let the monitor sleep or wake; awake it shows all of the surface again."""
        if on == self._on:
            return
        connector, crtc = self.placed.connector, self.placed.crtc
        if not on:
            # What is on its way out has been seen; no flip may wait at a monitor that sleeps.
            self._on = False
            try:
                self._card.set_dpms(connector, DPMS_OFF)
            except OSError:
                self._card.stop_crtc(crtc)
            return
        with contextlib.suppress(OSError):
            self._card.set_dpms(connector, DPMS_ON)
        self._on, self._flipping = True, False
        self._set_crtc()
        self.present(source, [self.placed.place])

    def close(self) -> None:
        """Wipe the buffers and give them back."""
        for buffer in self._buffers:
            buffer.pixels.fill(0)
            buffer.close()
        self._buffers.clear()

    # -- how

    def _bring(self, source: Source) -> None:
        if not self._on or self._is_flipping():
            return
        back = (self._front + 1) % len(self._buffers)
        buffer, stale = self._buffers[back], self._stale[back]
        left, top = self.placed.place.x, self.placed.place.y
        for rect in stale:
            x, y = rect.x - left, rect.y - top
            buffer.pixels[y : y + rect.height, x : x + rect.width] = source[
                rect.y : rect.y + rect.height, rect.x : rect.x + rect.width
            ]
        if self._copies:
            moved = [Rect(r.x - left, r.y - top, r.width, r.height) for r in stale]
            self._card.tell_dirty(buffer, moved)
        elif back != self._front and not self._flip(back):
            return
        stale.clear()
        self._waiting = False

    def _flip(self, back: int) -> bool:
        """Ask for a flip; False if the kernel is still at one that was taken for forgotten."""
        self._flipping, self._flip_began = True, time.monotonic()
        try:
            self._card.flip(self.placed.crtc, self._buffers[back])
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
            self._flipping = False
            raise
        self._front = back
        return True

    def _is_flipping(self) -> bool:
        """True while a flip is under way; one that the kernel has forgotten is not waited for."""
        if self._flipping and time.monotonic() - self._flip_began > FLIP_LOST_S:
            _LOG.warning("%s: a flip was never told done", self.placed.connector.name)
            self._flipping = False
        return self._flipping

    def _add_buffer(self) -> None:
        mode = self.placed.mode
        self._buffers.append(Buffer(self._card, mode.width, mode.height))
        self._stale.append([])

    def _add_back_buffer(self) -> None:
        try:
            self._add_buffer()
            # The kernel finds memory for a buffer when it is to be seen, so one flip is the proof.
            self._flip(1)
        except OSError as error:
            _LOG.warning("no second buffer for %s: %s", self.placed.connector.name, error.strerror)
            for extra in self._buffers[1:]:
                extra.close()
            del self._buffers[1:], self._stale[1:]
            self._front = 0

    def _set_crtc(self) -> None:
        """Show the front buffer, and see that the kernel does."""
        placed, buffer = self.placed, self._buffers[self._front]
        self._card.set_crtc(placed.crtc, buffer, placed.connector.number, placed.mode)
        shown = self._card.scanned_out(placed.crtc)
        if shown != buffer.number:
            raise OSError(errno.EIO, f"the kernel shows framebuffer {shown}, not {buffer.number}")

    def _driver_copies(self) -> bool:
        """True if changes must be told: there is no blanking to wait for, and DIRTYFB works."""
        if self._card.has_vblank():
            return False
        try:
            self._card.tell_dirty(self._buffers[0], [Rect(0, 0, 1, 1)])
        except OSError:
            return False
        return True


def _common(one: Rect, other: Rect) -> Rect | None:
    x, y = max(one.x, other.x), max(one.y, other.y)
    width = min(one.x + one.width, other.x + other.width) - x
    height = min(one.y + one.height, other.y + other.height) - y
    return Rect(x, y, width, height) if width > 0 and height > 0 else None
