"""Hands this server's audit log to another server of the group. Reads and filters no record.

Such a server has come in at the control port with its certificate; here it also has to show that it
has the group's secret (see `roamwire.log_lines`). The log goes out in small pieces with pauses, so
that terminals' keepalives and pictures do not feel it.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from roamwire.errors import RemoteProtocolError
from roamwire.identity import peer_identity
from roamwire.log_lines import (
    MAX_LOG_LINE_BYTES,
    LogFollows,
    NoLog,
    Prove,
    ReadLog,
    encode_log_line,
    request_of,
)
from roamwire.signing import GroupSecrets
from sessionhost.adapters.audit_log import open_files
from sessionhost.core.audit import Record

MAX_READERS = 2
"""Logs that are being sent at a time; each may have 64 MB."""

NONCE_BYTES = 16
REQUEST_S = 5.0
PIECE_S = 10.0
"""Who does not take the next piece within this time is hung up on."""

PIECE_BYTES = 64 * 1024
PAUSE_S = 0.002
"""After each piece: at most 32 MB a second, and others have their turn."""

_LOG = logging.getLogger(__name__)


class AuditServer:
    """`secrets` gives those that are live now, `note` writes a record into the log itself."""

    def __init__(
        self,
        path: Path,
        host: str,
        secrets: Callable[[], GroupSecrets],
        note: Callable[[Record], None],
    ) -> None:
        self._path = path
        self._host = host
        self._secrets = secrets
        self._note = note
        self._readers = 0

    def protocol(self) -> asyncio.Protocol:
        """For one connection, whose other end is a server of the group."""
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(MAX_LOG_LINE_BYTES), self._serve)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = peer_identity(writer.get_extra_info("ssl_object").getpeercert(), "server").name
        self._readers += 1
        try:
            if self._readers > MAX_READERS:
                writer.write(encode_log_line(NoLog("its log is being read by others")))
            else:
                await self._answer(name, reader, writer)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), REQUEST_S)
        except RemoteProtocolError as error:
            _LOG.warning("server %s may not read the audit log: %s", name, error)
        except (OSError, TimeoutError, ValueError) as error:  # ValueError: a line without end
            _LOG.info("server %s has not read the audit log: %s", name, error or "too slow")
        finally:
            self._readers -= 1
            writer.transport.abort()

    async def _answer(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonce = os.urandom(NONCE_BYTES).hex()
        writer.write(encode_log_line(Prove(nonce)))
        line = await asyncio.wait_for(reader.readline(), REQUEST_S)
        request = request_of(line, self._secrets(), ReadLog(nonce, name, self._host, ""))
        # Written first: what is read stands in the log, however the reading ends.
        since = f", since {request.since}" if request.since else ""
        self._note(Record("audit", "read", request.by, reason=f"at server {name}{since}"))
        files = await asyncio.to_thread(open_files, self._path, request.since)
        try:
            writer.write(encode_log_line(LogFollows(sum(size for _, size in files))))
            for file, size in files:
                await _send(file, size, writer)
        finally:
            for file, _ in files:
                file.close()
        _LOG.info("server %s has read the audit log for %s", name, request.by)


async def _send(file: BinaryIO, size: int, writer: asyncio.StreamWriter) -> None:
    while size:
        piece = await asyncio.to_thread(file.read, min(size, PIECE_BYTES))
        if not piece:
            raise OSError("the log was shortened while it was read")
        size -= len(piece)
        writer.write(piece)
        await asyncio.wait_for(writer.drain(), PIECE_S)
        await asyncio.sleep(PAUSE_S)
