"""A display gateway that sends spoilt streams, and what it needs to be one. Judges nothing."""

import asyncio
import datetime
import multiprocessing
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from roamtools.fuzz.streams import Spoilt, Stream, cases
from roamwire.control import Attached, encode_line, parse_line
from roamwire.identity import Identity
from sessionhost.adapters.pki import create_group
from sessionhost.adapters.tls import server_context

PIECE_BYTES = 65536
_END_S = 5.0


@dataclass(frozen=True)
class Files:
    """A group's certificate, and a name's own with its key; as the servers' settings name them."""

    group_dir: Path
    identity_cert: Path
    identity_key: Path


def make_group(folder: Path) -> tuple[Files, Files]:
    """A new group in this folder: a server and a terminal of it."""
    now = datetime.datetime.now(datetime.UTC)
    group = folder / "group"
    ca = create_group(group, "fuzz", now, os.urandom)
    made = []
    for identity in (Identity("server", "gateway"), Identity("dtu", "desk1")):
        issued = ca.issue(identity, now)
        files = Files(group, folder / f"{identity.name}.crt", folder / f"{identity.name}.key")
        files.identity_cert.write_bytes(issued.certificate)
        files.identity_key.touch(0o600)
        files.identity_key.write_bytes(issued.key)
        made.append(files)
    return made[0], made[1]


@contextmanager
def hostile_server(files: Files, seed: int, recorded: list[Stream]) -> Iterator[Connection]:
    """A process that serves; the pipe says its port, then of each stream what was spoilt in it."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=_main, args=(there, files, seed, recorded), daemon=True
    )
    server.start()
    there.close()
    try:
        yield here
    finally:
        server.terminate()
        server.join(_END_S)
        here.close()


def _main(pipe: Connection, files: Files, seed: int, recorded: list[Stream]) -> None:
    asyncio.run(_Server(pipe, seed, recorded).serve(server_context(files)))


class _Server:
    """Every connection gets the next stream, and stays open until the terminal has had enough."""

    def __init__(self, pipe: Connection, seed: int, recorded: list[Stream]) -> None:
        self._pipe = pipe
        self._streams = cases(seed, recorded)

    async def serve(self, context: ssl.SSLContext) -> None:
        server = await asyncio.start_server(self._play, "127.0.0.1", 0, ssl=context)
        self._pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            message = parse_line(await reader.readline())
            stream, _ = next(self._streams)
            # The bytes themselves are not told; they come by the socket.
            self._pipe.send((len(stream.data), Spoilt(b"", stream.runs)))
            writer.write(encode_line(Attached(getattr(message, "ticket", ""), 1)))
            for at in range(0, len(stream.data), PIECE_BYTES):
                writer.write(stream.data[at : at + PIECE_BYTES])
                await writer.drain()
            while await reader.read(PIECE_BYTES):
                pass
        except OSError:
            pass
        finally:
            writer.close()
