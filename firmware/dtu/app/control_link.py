"""The terminal's control connection: TLS and lines. When to connect and what to say is not here."""

import asyncio
import ssl
import time
from collections.abc import Callable

from dtu.app.tls import refused, server_name
from dtu.core.refusals import Refusal, Refused
from roamwire.control import Server
from roamwire.errors import RemoteProtocolError
from roamwire.lines import LineReader

HANDSHAKE_S = 2.0
"""The core gives up on a candidate sooner; this only ends what it has forgotten."""

MAX_UNSENT_BYTES = 65536
"""Lines that a stuck server does not read."""


class ControlLink:
    """At most one control connection; events carry the attempt number they belong to.

    `on_open` is told the server's name by its certificate. `tls` is used for the next one and may
    be replaced at any time.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        on_open: Callable[[int, str], None],
        on_line: Callable[[int, bytes], None],
        on_closed: Callable[[int, str | Refused], None],
    ) -> None:
        self.tls = tls
        self.on_open = on_open
        self.on_line = on_line
        self.on_closed = on_closed
        self._current: _Connection | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    def connect(self, attempt: int, server: Server) -> None:
        """Open a connection in the background; `on_open` or `on_closed` follows."""
        self._current = connection = _Connection(self, attempt)
        task = asyncio.get_running_loop().create_task(self._open(connection, server))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, connection: "_Connection", server: Server) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                server.address,
                server.port,
                ssl=self.tls,
                server_hostname="",
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=HANDSHAKE_S,
            )
        except ssl.SSLError as error:
            reason = self.refused(error) or f"TLS: {error.reason or error}"
            self.on_closed(connection.attempt, reason)
        except TimeoutError:
            self.on_closed(connection.attempt, "no answer")
        except OSError as error:
            self.on_closed(connection.attempt, error.strerror or str(error))

    def refused(self, error: BaseException | None) -> Refused | None:
        """Whether that is about certificates."""
        return refused(error, self.tls, time.time())

    def send(self, attempt: int, line: bytes) -> None:
        """Queue a line on the connection of that attempt."""
        if self._current is not None and self._current.attempt == attempt:
            self._current.send(line)

    def hang_up(self, attempt: int) -> None:
        """Close the connection of that attempt; nothing more comes from it."""
        if self._current is not None and self._current.attempt == attempt:
            self._current.drop()
            self._current = None

    async def close(self) -> None:
        """Drop everything and wait until it is gone."""
        if self._current is not None:
            self._current.drop()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)


class _Connection(asyncio.Protocol):
    """One attempt; silent once dropped."""

    def __init__(self, link: ControlLink, attempt: int) -> None:
        self.attempt = attempt
        self._link = link
        self._reader = LineReader()
        self._transport: asyncio.Transport | None = None
        self._dropped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._dropped:
            transport.abort()
            return
        try:
            name = server_name(transport)
        except RemoteProtocolError as error:
            self._fail(Refused(Refusal.FOREIGN, str(error)))
            return
        self._link.on_open(self.attempt, name)

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._reader.feed(data)
        except RemoteProtocolError as error:
            self._fail(str(error))
            return
        for line in lines:
            if not self._dropped:
                self._link.on_line(self.attempt, line)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._dropped:
            self._dropped = True
            # In TLS 1.3 the server looks at our certificate when the connection stands for us.
            reason = self._link.refused(exc) or (str(exc) if exc else "closed by the server")
            self._link.on_closed(self.attempt, reason)

    def _fail(self, reason: str | Refused) -> None:
        if not self._dropped:
            self.drop()
            self._link.on_closed(self.attempt, reason)

    def send(self, line: bytes) -> None:
        if self._transport is None or self._dropped:
            return
        self._transport.write(line)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._fail("the server does not read")

    def drop(self) -> None:
        """What was written still leaves if the server is there; nobody waits for it."""
        self._dropped = True
        if self._transport is not None:
            self._transport.close()
