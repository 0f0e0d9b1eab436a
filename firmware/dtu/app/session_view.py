"""One session on one screen: RFB bytes in, frames on the screen, bytes out. No socket is here."""

import logging
import mmap
from collections.abc import Callable
from dataclasses import dataclass

from dtu.core.rfb import (
    Bell,
    Connected,
    Cursor,
    CursorChanged,
    Failed,
    LedState,
    NameChanged,
    Rect,
    Resized,
    RfbClient,
    Updated,
)
from dtu.core.rfb.events import Bytes
from dtu.core.rfb.quality import QualityPolicy
from dtu.core.rfb.work import TURN_WORK
from dtu.drivers.display.base import Screen
from dtu.drivers.display.crew import crew

_LOG = logging.getLogger(__name__)

_ONE_PIXEL = (Rect(0, 0, 1, 1),)

_MOST_TOUCHED_BYTES = 3840 * 2160 * 4


@dataclass(frozen=True)
class Painted:
    """So many pixels of the session were painted on the screen."""

    pixels: int


ViewEvent = Painted | LedState


class SessionView:
    """Feed `receive`, send `data_to_send`, then `paint`: the next frame is asked for before it.

    While it is `unfinished` receive nothing more, let others have their turn, and `go_on` instead.
    `painted` is true from the first whole frame on. Times are seconds of CLOCK_MONOTONIC; at
    `next_deadline` call `handle_deadline`, and send again.
    """

    def __init__(
        self,
        name: str,
        screen: Screen,
        layout: tuple[Rect, ...],
        on_event: Callable[[ViewEvent], None],
    ) -> None:
        self.client = RfbClient(layout, turn_work=TURN_WORK, crew=crew())
        self.painted = False
        self._name = name
        self._screen = screen
        self._on_event = on_event
        self._cursor: Cursor | None = None
        self._closed = False
        self._quality = QualityPolicy()

    def close(self) -> None:
        """Paint and tell nothing any more; may be called from `on_event`.

        The pixels are let go of now, 8 MB at 1080p, and not when garbage is collected next.
        """
        self._closed = True
        self.client.close()
        self.client = RfbClient()

    def receive(self, data: bytes, now: float) -> None:
        """Take what the session sent."""
        self._quality.received(len(data), now)
        self.client.receive_data(data)

    @property
    def unfinished(self) -> bool:
        """True if what has come was too much work for one turn."""
        return not self._closed and self.client.unfinished

    def go_on(self) -> None:
        """Decode more of what has come."""
        self.client.go_on()

    def paint(self, now: float) -> None:
        """Do what the session's messages say; the screen is painted once for all of them.

        Raises RemoteProtocolError if the session broke the protocol: then the view is of no use.
        """
        rects: list[Rect] = []
        same: list[Rect] = []
        updated = False
        cursor = self._cursor
        while not self._closed and (event := self.client.next_event()) is not None:
            match event:
                case Updated():
                    rects += event.rects
                    same += event.same
                    updated = True
                case CursorChanged():
                    self._cursor = event.cursor
                case Resized():
                    _LOG.debug("session %s is %dx%d now", self._name, event.width, event.height)
                    rects.clear()
                case Connected():
                    _touch_pages(self.client.framebuffer)
                case LedState():
                    self._on_event(event)
                case NameChanged() | Bell():
                    _LOG.debug("session %s: %s", self._name, event)
                case Failed():
                    raise event.error
        if self._closed:
            return
        if rects or same:
            self._quality.updated(rects, same, self.client.lossy.number - 1, now)
        if updated:
            self.handle_deadline(now)
        if rects or cursor is not self._cursor:
            self._draw(rects)

    @property
    def next_deadline(self) -> float | None:
        """When the picture may be still enough to be mended."""
        return self._quality.next_deadline()

    def handle_deadline(self, now: float) -> None:
        """Ask for another quality, or for parts that JPEG has spoilt, if it is time."""
        client = self.client
        wish = self._quality.decide(now, client.lossy)
        if wish is not None:
            client.set_quality(wish.quality, wish.compression)
            if wish.again is not None:
                client.ask_again(wish.again.rects)

    def ask_for_a_pixel(self) -> None:
        """Ask for something that every server answers, also while nothing changes."""
        self.client.ask_again(_ONE_PIXEL)

    def data_to_send(self) -> bytes:
        """What must go to the session now; empty if nothing."""
        return self.client.data_to_send()

    def _draw(self, rects: list[Rect]) -> None:
        """Paint if the frame is whole: neither a half-filled nor a just resized one is shown."""
        if not self.client.painted:
            return
        self._screen.show_session(self.client.framebuffer, rects, self._cursor)
        pixels = sum(rect.width * rect.height for rect in rects)
        if pixels or not self.painted:
            self.painted = True
            self._on_event(Painted(pixels))


def _touch_pages(picture: Bytes) -> None:
    """Make the kernel hand out a new framebuffer's memory, without changing what is in it.

    That takes 2 to 20 ms for 8 MiB: better now, while the server makes the first frame, than
    when it is here. A much larger one would hold up the event loop.
    """
    if picture.nbytes > _MOST_TOUCHED_BYTES:
        return
    picture.reshape(-1)[:: mmap.PAGESIZE] |= 0
