"""One display: TLS from a DTU, its first line, then bytes both ways. Who may see it is the gate's.

Frames pass through without being looked at. Each direction stops reading while the other end's
buffer is full, so a slow link slows the X server down and not this process.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from roamwire.control import Attach, Attached, Kind, Notice, encode_line, parse_line
from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.tls import peer_name
from sessionhost.core.gateway import Admitted, Refused

MAX_FIRST_LINE_BYTES = 1024
"""`attach ticket=` and a ticket of at most 64 characters; RFB bytes may follow at once."""

ATTACH_TIMEOUT_S = 5.0
"""A DTU sends its ticket at once; who says nothing does not keep a connection."""

BUFFER_HIGH_BYTES = 512 * 1024
"""A tenth of a second at 40 Mbit/s: more would only be old pixels."""

USER_TIMEOUT_MS = 10_000
"""Unacknowledged bytes end the connection: a cut link is noticed here too (tcp(7))."""

NOTICE_REFUSED = 61
NOTICE_NO_SESSION = 62

log = logging.getLogger(__name__)


class Gateway(Protocol):
    """What a display asks its daemon."""

    def attach(self, display: "Display", ticket: str, dtu: str) -> Admitted | Refused: ...
    def attach_sound(self, display: "Display", ticket: str) -> Refused | None: ...
    def opened(self, display: "Display") -> None: ...
    def closed(self, display: "Display", reason: str) -> None: ...


class Pipe(asyncio.Protocol):
    """One end of a display; what arrives goes to the end that `join` named."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_HIGH_BYTES)

    def join(self, other: "Pipe") -> None:
        self._other = other.transport

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None and not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and not self._other.is_closing():
            self._other.resume_reading()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class SessionEnd(Pipe):
    """The end at the session's X server."""

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        super().__init__()
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost("session")


class Display(Pipe):
    """The end at the DTU: takes the ticket, joins the session, and says when it is over."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway
        self._head: bytearray | None = bytearray()
        self._session_end: SessionEnd | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._over = False
        self._reason = "dtu"  # what is told when the connection goes by itself
        self.dtu = ""
        self.admitted: Admitted | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        assert isinstance(connection, ssl.SSLObject)
        self.dtu = peer_name(connection)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(ATTACH_TIMEOUT_S, self.end, "silent")

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            super().data_received(data)
            return
        self._head += data
        if b"\n" in self._head:
            line, _, rest = bytes(self._head).partition(b"\n")
            self._head = None
            self._first_line(line, rest)
        elif len(self._head) > MAX_FIRST_LINE_BYTES:
            log.warning("%s: no ticket in its first %d bytes", self.dtu, MAX_FIRST_LINE_BYTES)
            self.end("protocol")

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(self._reason)

    def end(self, reason: str) -> None:
        """Closes both ends at once, without waiting for what is still in the buffers."""
        if self._over:
            return
        self._over = True
        if self._patience is not None:
            self._patience.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self.abort()
        if self._session_end is not None:
            self._session_end.abort()
        self._gateway.closed(self, reason)

    def _first_line(self, line: bytes, rest: bytes) -> None:
        if self._patience is not None:
            self._patience.cancel()
        try:
            message = parse_line(line)
        except RemoteProtocolError as error:
            log.warning("%s: first line dropped: %s", self.dtu, error)
            self.end("protocol")
            return
        if not isinstance(message, Attach):
            log.warning("%s: its first line is not attach", self.dtu)
            self.end("protocol")
            return
        if message.kind is Kind.SOUND and not rest:
            self._give_away(message.ticket)
            return
        answer = self._gateway.attach(self, message.ticket, self.dtu)
        if isinstance(answer, Refused):
            self._refuse(f"display refused: {answer.reason}")
            return
        self.admitted = answer
        assert self.transport is not None
        self.transport.pause_reading()  # until there is an end to write to
        self._connecting = asyncio.get_running_loop().create_task(self._connect(answer, rest))

    async def _connect(self, admitted: Admitted, rest: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, session_end = await loop.create_unix_connection(
                lambda: SessionEnd(self.end), admitted.rfb_socket
            )
        except OSError as error:
            log.warning("session %s does not answer: %s", admitted.session, error)
            self._reason = "session"
            self._refuse("the session does not answer", NOTICE_NO_SESSION)
            return
        self._session_end = session_end
        if self._over or self.transport is None:
            session_end.abort()
            return
        attached = Attached(admitted.session, admitted.epoch, admitted.sound)
        self.transport.write(encode_line(attached))
        self.join(session_end)
        session_end.join(self)
        if rest:
            self.data_received(rest)
        # The transport refuses this only when it has been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            self.transport.resume_reading()
        self._gateway.opened(self)

    def _give_away(self, ticket: str) -> None:
        """It is no display: sound gets the connection, or it is refused."""
        refused = self._gateway.attach_sound(self, ticket)
        if refused is None:
            self._over = True
        else:
            self._refuse(f"sound refused: {refused.reason}")

    def _refuse(self, text: str, code: int = NOTICE_REFUSED) -> None:
        """Says why and closes; the words are on their way before the end is."""
        log.warning("%s: %s", self.dtu, text)
        if self.transport is not None:
            self.transport.write(encode_line(Notice(0, code, text)))
            self.transport.close()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(ATTACH_TIMEOUT_S, self.end, self._reason)
