"""A session's end that keeps what a terminal typed: TLS, attach line, RFB server. No X is here."""

import asyncio
import datetime
import os
import ssl
import struct
from dataclasses import dataclass, field
from pathlib import Path

from dtu.app.tls import client_context
from roamwire.control import Attach, Attached, encode_line, parse_line
from roamwire.identity import Identity
from sessionhost.adapters.certificates import Authority
from sessionhost.adapters.pki import create_group
from sessionhost.adapters.tls import server_context

SIZE = (64, 48)

_HANDSHAKE = b"RFB 003.008\n\x01\x01" + bytes(4) + struct.pack(">HH16xI", *SIZE, 1) + b"r"
_EXTENDED_KEYS, _TIGHT = -258, 7
_PICTURE = struct.pack(">BxHHHHHi", 0, 2, 0, 0, *SIZE, _TIGHT) + bytes((0x80, 9, 9, 9))
_FIRST_UPDATE = _PICTURE + struct.pack(">HHHHi", 0, 0, 0, 0, _EXTENDED_KEYS)
_ANSWERS_BYTES = 12 + 1 + 1  # version, security type, shared flag

_SIZES = {0: 20, 3: 10, 4: 8, 5: 6, 150: 10, 255: 12}
"""Bytes of a client's messages by type; those with a count in them are apart."""


@dataclass
class Recorded:
    """What came on one connection: (scan code, down) as it came; `open` until its end."""

    keys: list[tuple[int, bool]] = field(default_factory=list)
    open: bool = True


@dataclass(frozen=True)
class _Identity:
    group_dir: Path
    identity_cert: Path
    identity_key: Path


class RecordingSessions:
    """A display gateway and its sessions in one: the attach ticket is the session's name."""

    def __init__(self, folder: Path) -> None:
        now = datetime.datetime.now(datetime.UTC)
        group = folder / "group"
        ca = create_group(group, "bench", now, os.urandom)
        files = issue(folder, ca, Identity("server", "s1"), now)
        self._tls = server_context(_Identity(group, *files))
        terminal = issue(folder, ca, Identity("dtu", "desk1"), now)
        self.terminal_tls: ssl.SSLContext = client_context(group / "ca.crt", *terminal)
        self.sessions: dict[str, Recorded] = {}
        self._transports: dict[str, asyncio.WriteTransport] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen on loopback; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End all connections."""
        self._server.close()
        for transport in self._transports.values():
            transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def die(self, session: str) -> None:
        """As a server that is switched off: nothing more is read, the connection is reset."""
        self._transports[session].abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        attach = parse_line(await reader.readline())
        assert isinstance(attach, Attach)
        session = attach.ticket
        recorded = self.sessions[session] = Recorded()
        self._transports[session] = writer.transport
        writer.write(encode_line(Attached(session, 1)) + _HANDSHAKE + _FIRST_UPDATE)
        try:
            await reader.readexactly(_ANSWERS_BYTES)
            while True:
                await self._message(reader, recorded)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the terminal has gone, as it does at each removal
        finally:
            recorded.open = False
            self._tasks.discard(task)
            writer.transport.abort()

    async def _message(self, reader: asyncio.StreamReader, recorded: Recorded) -> None:
        kind = (await reader.readexactly(1))[0]
        if kind == 2:
            count = struct.unpack(">xH", await reader.readexactly(3))[0]
            await reader.readexactly(4 * count)
        elif kind == 251:
            count = (await reader.readexactly(7))[5]
            await reader.readexactly(16 * count)
        elif kind == 248:
            await reader.readexactly((await reader.readexactly(8))[7])
        else:
            body = await reader.readexactly(_SIZES[kind] - 1)
            if kind == 255:
                down, _, code = struct.unpack(">xHII", body)
                recorded.keys.append((code, bool(down)))
            elif kind == 4:
                raise AssertionError("a key came without its scan code")


def issue(
    folder: Path, ca: Authority, identity: Identity, now: datetime.datetime
) -> tuple[Path, Path]:
    """Certificate and key of an identity, as files named after it."""
    issued = ca.issue(identity, now)
    certificate, key = folder / f"{identity.name}.crt", folder / f"{identity.name}.key"
    certificate.write_bytes(issued.certificate)
    key.touch(0o600)
    key.write_bytes(issued.key)
    return certificate, key
