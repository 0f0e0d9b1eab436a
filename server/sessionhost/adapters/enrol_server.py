"""Connections of the enrolment port: bounded, short, TLS with or without a certificate.

Whoever has no certificate ends up here, so everything that costs has a bound; handshakes have
theirs in `guarded_server`. What is answered is not decided here.
"""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roamwire import enrolment
from roamwire.addresses import address_of
from roamwire.enrolment import Line
from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity, Role, peer_identity
from roamwire.limits import MAX_LINE_BYTES
from sessionhost.adapters.guarded_server import GuardedServer
from sessionhost.adapters.listening import listen
from sessionhost.core.enrolment import network_of

MAX_CONNECTIONS = 256
MAX_PER_ADDRESS = 8
"""A terminal needs one for a moment; with these, one address cannot take all places."""

MAX_LINES = 4
"""A terminal says `check` and then `renew`; nobody has more to say in one connection."""

HANDSHAKE_S = 5.0
CONVERSATION_S = 10.0
CLOSE_S = 1.0
"""After the handshake, from the first byte to the last: who is slower is in the way of others."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peer:
    """Who asks: `asker` is what is counted by, `identity` whose certificate TLS has verified."""

    address: str
    asker: str
    identity: Identity | None = None
    certificate: bytes = b""


Answer = Callable[[Line, Peer], Sequence[Line]]


class EnrolServer:
    """Listens; `renew` gives it another TLS context for new connections."""

    def __init__(self, tls: ssl.SSLContext, answer: Answer) -> None:
        self._tls = tls
        self.dropped: Counter[str] = Counter()
        self._answer = answer
        self._by_asker: Counter[str] = Counter()
        self._server: GuardedServer | None = None

    def start(self, port: int) -> None:
        """Begin to listen; OSError if the port is in use."""
        self._server = GuardedServer(listen(port), self._tls, self._connection, HANDSHAKE_S)
        self._server.start()

    def _connection(self) -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(MAX_LINE_BYTES), self._serve)

    def renew(self, tls: ssl.SSLContext) -> None:
        """Another certificate or other roots for new connections."""
        self._tls = tls
        if self._server is not None:
            self._server.tls = tls

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")
        asker = network_of(address_of(name[0].partition("%")[0])) if name else ""
        if (
            not asker
            or self._by_asker.total() >= MAX_CONNECTIONS
            or self._by_asker[asker] >= MAX_PER_ADDRESS
        ):
            self.dropped["busy"] += 1
            writer.transport.abort()
            return
        self._by_asker[asker] += 1
        try:
            async with asyncio.timeout(CONVERSATION_S):
                await self._converse(reader, writer, str(address_of(name[0])), asker)
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            # ValueError: a line that does not end. TLS that fails is an OSError.
            self.dropped[type(error).__name__] += 1
        finally:
            await _close(writer)
            self._by_asker[asker] -= 1
            if not self._by_asker[asker]:
                del self._by_asker[asker]

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, asker: str
    ) -> None:
        peer = _peer(writer, address, asker)
        for _ in range(MAX_LINES):
            data = await reader.readline()
            if not data.endswith(b"\n"):
                return
            for line in self._answer(enrolment.parse_line(data), peer):
                writer.write(enrolment.encode_line(line))
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    """TLS has its own farewell, for which asyncio would wait half a minute."""
    try:
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), CLOSE_S)
    except (OSError, TimeoutError):
        writer.transport.abort()


def _peer(writer: asyncio.StreamWriter, address: str, asker: str) -> Peer:
    connection = writer.get_extra_info("ssl_object")
    certificate = connection.getpeercert()
    if not certificate:
        return Peer(address, asker)
    role: Role
    for role in ("dtu", "server"):
        try:
            identity = peer_identity(certificate, role)
        except RemoteProtocolError:
            continue
        return Peer(address, asker, identity, connection.getpeercert(binary_form=True))
    raise RemoteProtocolError("certificate", "neither a terminal's nor a server's")
