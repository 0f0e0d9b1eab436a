"""DTU control connections: TLS 1.3 in, lines to the core, lines back. Decides nothing.

A server of the group that comes in here is handed over at once; it is no link.
"""

import asyncio
import itertools
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol

from roamwire.addresses import Address, address_of
from roamwire.errors import RemoteProtocolError
from roamwire.lines import LineReader
from sessionhost.adapters.guarded_server import GuardedServer
from sessionhost.adapters.listening import listen
from sessionhost.adapters.tls import peer_name

_LOG = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 65536
"""A DTU that does not read its lines is gone; they are some 100 bytes each."""

HANDSHAKE_S = 5.0
"""TLS on a LAN takes milliseconds."""


LINES_PER_S = 20.0
LINES_AT_ONCE = 40
"""A terminal sends two keepalives a second, and a few lines for a card. One that sends more is read
no faster than this: TCP holds it up, and the others do not feel it."""


class LinkHandler(Protocol):
    """What the daemon does with a link; links are numbers."""

    def link_opened(self, link: int, dtu: str, address: Address) -> None:
        """A DTU whose certificate is right has connected."""

    def line_received(self, link: int, line: bytes) -> None:
        """It sent a line."""

    def link_closed(self, link: int) -> None:
        """It is gone."""


class ControlServer:
    """Listens on the control port; `send` and `close` go to a link by its number."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        handler: LinkHandler,
        for_servers: Callable[[], asyncio.Protocol] | None = None,
    ) -> None:
        """`for_servers` makes the protocol of a connection from another server of the group."""
        self._tls = tls
        self._for_servers = for_servers
        self._handler = handler
        self._numbers = itertools.count(1)
        self._links: dict[int, _Link] = {}
        self._server: GuardedServer | None = None

    def start(self, port: int) -> None:
        """Begin to listen; OSError if the port is in use."""
        self._server = GuardedServer(
            listen(port),
            self._tls,
            lambda: _Link(self._handler, next(self._numbers), self._links, self._for_servers),
            HANDSHAKE_S,
        )
        self._server.start()

    def renew(self, tls: ssl.SSLContext) -> None:
        """Other certificates for new connections; links go on."""
        self._tls = tls
        if self._server is not None:
            self._server.tls = tls

    def send(self, link: int, line: bytes) -> None:
        """Queue a line; a DTU that does not read is hung up on."""
        here = self._links.get(link)
        if here is not None:
            here.send(line)

    def close_link(self, link: int) -> None:
        """Close a connection after what was sent."""
        here = self._links.get(link)
        if here is not None:
            here.close()

    async def close(self, linger_s: float) -> None:
        """Listen no more; what was sent gets `linger_s` to leave before the links close."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links.values()):
            link.close()
        await asyncio.sleep(linger_s)


class _Link(asyncio.Protocol):
    """One DTU's connection."""

    def __init__(
        self,
        handler: LinkHandler,
        number: int,
        links: dict[int, "_Link"],
        for_servers: Callable[[], asyncio.Protocol] | None,
    ) -> None:
        self._handler = handler
        self._for_servers = for_servers
        self._number = number
        self._links = links
        self._reader = LineReader()
        self._waiting: deque[bytes] = deque()
        self._allowance = float(LINES_AT_ONCE)
        self._counted_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = address_of(transport.get_extra_info("peername")[0])
        tls = transport.get_extra_info("ssl_object")
        name = peer_name(tls)
        if self._for_servers is not None and peer_name(tls, "server"):
            server = self._for_servers()
            transport.set_protocol(server)
            server.connection_made(transport)
            return
        if not name:
            _LOG.warning("connection from %s closed: its certificate is no terminal's", address)
            transport.abort()
            return
        self._links[self._number] = self
        self._handler.link_opened(self._number, name, address)

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._reader.feed(data)
        except RemoteProtocolError as error:
            _LOG.warning("connection %d closed: %s", self._number, error)
            if self._transport is not None:
                self._transport.abort()
            return
        self._waiting += lines
        if self._timer is None:
            self._hand_on()

    def _hand_on(self) -> None:
        """Lines to the core as far as the pace allows; for the rest the terminal has to wait."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._allowance += (now - self._counted_at) * LINES_PER_S
        self._allowance = min(self._allowance, LINES_AT_ONCE)
        self._counted_at = now
        while self._waiting and self._allowance >= 1.0 and self._number in self._links:
            self._allowance -= 1.0
            self._handler.line_received(self._number, self._waiting.popleft())
        if self._transport is None or self._transport.is_closing():
            return
        if self._waiting:
            self._transport.pause_reading()
            self._timer = loop.call_later((1.0 - self._allowance) / LINES_PER_S, self._hand_on)
        else:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._links.pop(self._number, None) is not None:
            self._handler.link_closed(self._number)

    def send(self, line: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(line)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
