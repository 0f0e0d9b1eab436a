"""Unix sockets on which hostd gives orders to its helpers. What the orders mean is not here.

One line an order or event: a verb and fields as on the wire. Only the users that the daemon names
may connect; the kernel says who it is (SO_PEERCRED).
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable, Collection
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.fields import ascii_text, decode_fields, encode_fields

MAX_ORDER_BYTES = 4096
"""The longest order is a grant: two names, a ticket and a socket's path of 108 bytes."""

MAX_PEERS = 8
"""hostd, and the one that replaces it, and a person who looks."""

MAX_SOCKET_PATH = 107
"""sockaddr_un has 108 bytes with the final zero (unix(7))."""

RECONNECT_FIRST_S = 0.02
RECONNECT_MAX_S = 1.0

Order = tuple[str, dict[str, str]]
log = logging.getLogger(__name__)


class SocketInUseError(Exception):
    """Another process listens there."""


def encode_order(verb: str, **fields: str | int) -> bytes:
    """One order or event as a line with its end."""
    text = encode_fields((key, str(value)) for key, value in fields.items())
    return f"{verb} {text}".rstrip(" ").encode("ascii") + b"\n"


def parse_order(line: bytes) -> Order:
    """The inverse of `encode_order`; raises RemoteProtocolError."""
    text = ascii_text(line.removesuffix(b"\n"), MAX_ORDER_BYTES)
    verb, _, rest = text.partition(" ")
    return verb, dict(decode_fields(rest))


def peer_uid(connection: socket.socket) -> int:
    """The Unix user at the other end, as the kernel saw it when it connected."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[1])


class OrderPeer(asyncio.Protocol):
    """One connection to an order socket, at the daemon's end."""

    def __init__(self, server: "OrderServer") -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._server.admit(self, transport.get_extra_info("socket")):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._server.line_received(self, line)
        if len(self._buffer) > MAX_ORDER_BYTES and self._transport:
            log.warning("order socket: a line without end; connection closed")
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.left(self)

    def send(self, line: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line)


class OrderServer:
    """Listens for orders; `on_order` runs one, `on_join` greets who connects."""

    def __init__(
        self,
        path: Path,
        allowed_uids: Collection[int],
        on_order: Callable[[OrderPeer, str, dict[str, str]], None],
        on_join: Callable[[OrderPeer], None] = lambda peer: None,
    ) -> None:
        self._path = path
        self._allowed = frozenset(allowed_uids)
        self._on_order = on_order
        self._on_join = on_join
        self._peers: list[OrderPeer] = []
        self._refused_uids: set[int] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        listener = listen_unix(self._path, mode=0o666)  # who may talk is decided by SO_PEERCRED
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: OrderPeer(self), sock=listener)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for peer in list(self._peers):
            if peer._transport is not None:
                peer._transport.close()

    def broadcast(self, line: bytes) -> None:
        for peer in self._peers:
            peer.send(line)

    def admit(self, peer: OrderPeer, connection: socket.socket) -> bool:
        uid = peer_uid(connection)
        if uid not in self._allowed:
            if uid not in self._refused_uids:  # told once: its loop must not fill the log
                self._refused_uids.add(uid)
                log.warning("%s: refused user %d", self._path, uid)
            return False
        if len(self._peers) >= MAX_PEERS:
            log.warning("%s: refused, %d connections are open", self._path, MAX_PEERS)
            return False
        self._peers.append(peer)
        self._on_join(peer)
        return True

    def left(self, peer: OrderPeer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)

    def line_received(self, peer: OrderPeer, line: bytes) -> None:
        if peer not in self._peers:
            return
        try:
            verb, fields = parse_order(line)
            self._on_order(peer, verb, fields)
        except RemoteProtocolError as error:
            log.warning("%s: order dropped: %s", self._path, error)


def listen_unix(path: Path, mode: int) -> socket.socket:
    """A listening Unix socket in place of one that nobody listens on any more."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise OSError(errno.ENAMETOOLONG, f"longer than {MAX_SOCKET_PATH} bytes", str(path))
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            pass
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        else:
            raise SocketInUseError(f"another process listens on {path}; is it running already?")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(mode)
        listener.listen(MAX_PEERS)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class OrderClient:
    """hostd's end of an order socket: connects, and connects again, for ever."""

    def __init__(self, path: Path, daemon_uid: int = 0) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        # The socket's folder is writable for a group: who answers must be who should.
        self._trusted = frozenset({0, os.geteuid(), daemon_uid})

    @property
    def connected(self) -> bool:
        return self._writer is not None and not self._writer.is_closing()

    def send(self, line: bytes) -> bool:
        """Queues one line; False if there is no connection."""
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(line)
        return True

    async def run(self) -> None:
        """Runs until cancelled."""
        pause = RECONNECT_FIRST_S
        told = False
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(
                    str(self._path), limit=MAX_ORDER_BYTES
                )
            except OSError as error:
                if not told:
                    log.warning("%s does not answer (%s); trying again", self._path, error.strerror)
                    told = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, RECONNECT_MAX_S)
                continue
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid not in self._trusted:
                log.error("%s belongs to user %d: it is not used", self._path, uid)
                writer.close()
                await asyncio.sleep(RECONNECT_MAX_S)
                continue
            pause, told = RECONNECT_FIRST_S, False
            self._writer = writer
            try:
                self.on_connected()
                await self._read(reader)
            finally:
                self._writer = None
                self.on_disconnected()
                writer.close()
            await asyncio.sleep(pause)  # a daemon that closes at once is not asked in a tight loop

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: a line beyond the limit
            while line := await reader.readline():
                try:
                    self.on_line(*parse_order(line))
                except RemoteProtocolError as error:
                    log.warning("%s: event dropped: %s", self._path, error)
                except Exception:
                    # A bug of ours in one event must not end the line for all others.
                    log.exception("%s: event %.80r failed", self._path, line)

    def on_connected(self) -> None:
        """The daemon answers, for the first time or again."""

    def on_disconnected(self) -> None:
        """The daemon is gone; `run` looks for it."""

    def on_line(self, verb: str, fields: dict[str, str]) -> None:
        """One line of the daemon."""
        raise NotImplementedError


def whole(fields: dict[str, str], key: str, lowest: int = 0, highest: int = 2**63 - 1) -> int:
    """A whole number of an order; RemoteProtocolError if it is missing, not one or too large."""
    text = fields.get(key, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise RemoteProtocolError("value", f"{key}={text[:24]!r} is not a whole number")
    if not lowest <= int(text) <= highest:
        raise RemoteProtocolError("value", f"{key}={text} is not within {lowest} to {highest}")
    return int(text)


def required(fields: dict[str, str], key: str) -> str:
    """A text of an order that must not be empty."""
    if not fields.get(key):
        raise RemoteProtocolError("missing", f"an order without {key}")
    return fields[key]
