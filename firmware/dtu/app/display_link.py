"""The terminal's display connection: TLS, attach line, RFB, frames to the screen, input back.

When a link is opened or closed, and what words are shown instead, is decided elsewhere.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from dtu.app.session_view import Painted, SessionView, ViewEvent
from dtu.app.tls import server_name
from dtu.core.liveness import Liveness, Verdict
from dtu.core.rfb import LedState, Rect, RfbClient
from dtu.core.sound import SoundTarget
from dtu.core.timing import DISPLAY_CONNECT_S, FIRST_FRAME_S
from dtu.drivers.display.base import Screen, origin
from roamwire.control import Attach, Attached, Notice, encode_line, parse_line
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LINE_BYTES

_LOG = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 256 * 1024
"""Input and update requests that a stuck server does not read: minutes of typing."""


@dataclass(frozen=True)
class LinkOpened:
    """The gateway has taken the ticket; frames will follow."""

    session: str
    epoch: int


@dataclass(frozen=True)
class FirstFrame:
    """The first whole frame is on the screen since `at` (seconds of CLOCK_MONOTONIC)."""

    session: str
    epoch: int
    at: float


@dataclass(frozen=True)
class LinkLost:
    """The link is gone without `close`; `reason` is a short word and maybe a detail."""

    session: str
    epoch: int
    reason: str


@dataclass(frozen=True)
class Drawn:
    """So many pixels of the session were painted; for benches, which look for a still picture."""

    session: str
    epoch: int
    pixels: int
    at: float


@dataclass(frozen=True)
class Lamps:
    """What the session wants the keyboard's lamps to show."""

    session: str
    epoch: int
    leds: LedState


LinkEvent = LinkOpened | FirstFrame | LinkLost | Drawn | Lamps


class DisplayLink:
    """At most one display connection; events of an older one never come out.

    All methods return at once. `on_event` is called on the event loop's thread and may call back.
    """

    def __init__(
        self, screen: Screen, ssl_context: ssl.SSLContext, on_event: Callable[[LinkEvent], None]
    ) -> None:
        self._screen = screen
        self.tls = ssl_context
        self._on_event = on_event
        self._connection: _Connection | None = None
        self._layout: tuple[Rect, ...] = (Rect(0, 0, *screen.size),)
        self._pointer = (0, 0)

    @property
    def shown(self) -> tuple[str, int] | None:
        """Session and epoch whose frames are on the screen; None without a first frame."""
        connection = self._connection
        if connection is None or not connection.drawn:
            return None
        return connection.session, connection.epoch

    @property
    def sound(self) -> SoundTarget | None:
        """Where the sound of the session that is shown can be had; None if nowhere."""
        connection = self._connection
        return connection.sound if connection is not None else None

    def open(self, address: str, port: int, ticket: str, session: str, epoch: int) -> None:
        """Connect to a display gateway and show the session; closes an older link first."""
        self.close()
        self._connection = _Connection(
            self._screen, self._layout, session, epoch, ticket, self._event
        )
        self._connection.start(address, port, self.tls)

    def close(self) -> None:
        """Drop the link now; nothing of it is drawn or told any more. The screen is left as it is.

        Keys that are held then are released by the session itself, which sees its viewer go.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def set_layout(self, layout: tuple[Rect, ...]) -> None:
        """The terminal's screens as places in one picture; asked of each session at its attach.

        A session that is attached now is asked at once.
        """
        if layout == self._layout:
            return
        self._layout = layout
        if self._connection is not None:
            self._connection.send(lambda client: client.set_layout(layout))

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """A key of the terminal; dropped without a session. One that is down already repeats.

        `code` is its XT scan code (see `RfbClient.send_extended_key`), 0 if nobody knows it.
        """
        connection = self._connection
        if connection is not None and connection.takes_input:
            connection.send(lambda client: client.send_extended_key(keysym, code, down))

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """The mouse, in pixels of the screen; buttons as in RFB."""
        self._pointer = (x, y)
        self._screen.move_pointer(x, y)
        connection = self._connection
        if connection is not None and connection.takes_input:
            connection.send(lambda client: self._send_pointer(client, buttons))

    def _send_pointer(self, client: RfbClient, buttons: int) -> None:
        height, width = client.framebuffer.shape[:2]
        left, top = origin(self._screen.size, (width, height))
        x = min(max(self._pointer[0] - left, 0), width - 1)
        y = min(max(self._pointer[1] - top, 0), height - 1)
        client.send_pointer(x, y, buttons)

    def _event(self, event: LinkEvent) -> None:
        if isinstance(event, LinkLost):
            self.close()
        self._on_event(event)


class _Connection(asyncio.Protocol):
    """One TLS connection from connect to loss; once dropped it does nothing any more."""

    def __init__(
        self,
        screen: Screen,
        layout: tuple[Rect, ...],
        session: str,
        epoch: int,
        ticket: str,
        on_event: Callable[[LinkEvent], None],
    ) -> None:
        self.session = session
        self.epoch = epoch
        self.drawn = False
        self.sound: SoundTarget | None = None
        self._gateway = ("", 0)
        self._ticket = ticket
        self._on_event = on_event
        self._dropped = False
        self._attached = False
        self._reply = b""
        self._view = SessionView(session, screen, layout, self._view_event)
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._liveness: Liveness | None = None
        self._look: asyncio.TimerHandle | None = None
        self._paused = False
        self._turn: asyncio.Handle | None = None

    @property
    def takes_input(self) -> bool:
        """True when the session gets keys and pointer: from its first frame on."""
        return self.drawn and not self._dropped

    def start(self, address: str, port: int, context: ssl.SSLContext) -> None:
        """Connect in the background."""
        self._gateway = (address, port)
        self._connecting = asyncio.create_task(self._connect(address, port, context))

    def drop(self) -> None:
        """Stop at once and say nothing any more."""
        self._dropped = True
        self._view.close()
        if self._connecting is not None:
            self._connecting.cancel()
        for timer in (self._deadline, self._timer, self._look, self._turn):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def send(self, write: Callable[[RfbClient], object]) -> None:
        """Let `write` put a message into the client, and send it."""
        write(self._view.client)
        self._flush()

    # -- connecting

    async def _connect(self, address: str, port: int, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DISPLAY_CONNECT_S):
                await loop.create_connection(
                    lambda: self,
                    address,
                    port,
                    ssl=context,
                    server_hostname="",
                    ssl_handshake_timeout=DISPLAY_CONNECT_S,
                    ssl_shutdown_timeout=DISPLAY_CONNECT_S,
                )
        except TimeoutError:
            self._lost("connect: no answer")
        except ssl.SSLError as error:
            self._lost(f"tls: {getattr(error, 'reason', None) or error}")
        except OSError as error:
            self._lost(f"connect: {error.strerror or error}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS stands: hand in the ticket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._dropped:
            transport.abort()
            return
        try:
            server_name(transport)
        except RemoteProtocolError as error:
            self._lost(str(error))
            return
        transport.write(encode_line(Attach(ticket=self._ticket)))
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(FIRST_FRAME_S, self._lost, "no frame in time")

    def connection_lost(self, exc: Exception | None) -> None:
        """The server or the network ended it."""
        self._lost(f"closed: {exc}" if exc else "closed")

    def eof_received(self) -> bool:
        """No half-open links: the transport closes itself."""
        return False

    def _lost(self, reason: str) -> None:
        if self._dropped:
            return
        _LOG.debug("display link of session %s epoch %d: %s", self.session, self.epoch, reason)
        self.drop()
        self._on_event(LinkLost(self.session, self.epoch, reason))

    # -- bytes

    def data_received(self, data: bytes) -> None:
        """The gateway's answer, then RFB."""
        if self._dropped:
            return
        try:
            rest = data if self._attached else self._take_reply(data)
            if rest and not self._dropped:
                now = time.monotonic()
                if self._liveness is not None:
                    self._liveness.heard(now)
                self._view.receive(rest, now)
                self._show(now)
        except RemoteProtocolError as error:
            self._lost(f"protocol: {error}")

    def _show(self, now: float) -> None:
        """Answer, paint, and come back if a turn was not enough: keys and heartbeats go first.

        Until then nothing is read, so that what is kept of the session's bytes is one read at most.
        """
        self._flush()
        self._view.paint(now)
        self._flush()
        self._plan()
        if self._transport is None or self._dropped:
            return
        if self._view.unfinished != self._paused:
            self._paused = not self._paused
            (self._transport.pause_reading if self._paused else self._transport.resume_reading)()
        if self._paused and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._turn = None
        try:
            self._view.go_on()
            self._show(time.monotonic())
        except RemoteProtocolError as error:
            self._lost(f"protocol: {error}")

    def _take_reply(self, data: bytes) -> bytes:
        """Read the gateway's one line; returns what follows it."""
        self._reply += data
        line, end, rest = self._reply.partition(b"\n")
        if len(line) > MAX_LINE_BYTES:
            raise RemoteProtocolError("oversize", "the gateway's answer")
        if not end:
            return b""
        message = parse_line(line)
        if isinstance(message, Notice):
            self._lost(f"refused: {message.code} {message.text}")
            return b""
        expected = Attached(self.session, self.epoch)
        if not isinstance(message, Attached) or replace(message, sound="") != expected:
            raise RemoteProtocolError("attached", f"expected {self.session} {self.epoch}: {line!r}")
        if message.sound:
            self.sound = SoundTarget(*self._gateway, message.sound, self.session, self.epoch)
        self._attached = True
        self._reply = b""
        self._on_event(LinkOpened(self.session, self.epoch))
        return rest

    def _flush(self) -> None:
        if self._transport is None or self._dropped or not (data := self._view.data_to_send()):
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._lost("stuck: the server does not read")

    def _plan(self) -> None:
        """Set the view's timer, if it wants one and none is running."""
        deadline = self._view.next_deadline
        if deadline is None or self._timer is not None or self._dropped:
            return
        delay = max(0.0, deadline - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._view_deadline)

    def _view_deadline(self) -> None:
        self._timer = None
        self._view.handle_deadline(time.monotonic())
        self._flush()
        self._plan()

    # -- is the session still there?

    def _watch(self, liveness: Liveness) -> None:
        delay = max(0.0, liveness.deadline - time.monotonic())
        self._look = asyncio.get_running_loop().call_later(delay, self._look_for_life, liveness)

    def _look_for_life(self, liveness: Liveness) -> None:
        """While we do not read ourselves, the server's silence says nothing."""
        now = time.monotonic()
        if self._paused:
            liveness.heard(now)
        match liveness.look(now):
            case Verdict.LOST:
                self._lost("picture stands still")
                return
            case Verdict.ASK:
                self._view.ask_for_a_pixel()
                self._flush()
        if not self._dropped:
            self._watch(liveness)

    # -- frames

    def _view_event(self, event: ViewEvent) -> None:
        match event:
            case LedState():
                self._on_event(Lamps(self.session, self.epoch, event))
            case Painted():
                self._painted(event.pixels)

    def _painted(self, pixels: int) -> None:
        now = time.monotonic()
        if not self.drawn:
            self.drawn = True
            if self._deadline is not None:
                self._deadline.cancel()
            self._liveness = Liveness(now)
            self._watch(self._liveness)
            self._on_event(FirstFrame(self.session, self.epoch, now))
        if not self._dropped:
            self._on_event(Drawn(self.session, self.epoch, pixels, now))
