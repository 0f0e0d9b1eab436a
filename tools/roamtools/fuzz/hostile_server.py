"""A display gateway that sends spoilt streams, and what it needs to be one. Judges nothing."""

import asyncio
import datetime
import json
import os
import pickle
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from roamtools.fuzz.streams import Stream, cases
from roamwire.control import Attached, encode_line, parse_line
from roamwire.identity import Identity
from sessionhost.adapters.pki import create_group
from sessionhost.adapters.tls import server_context

PIECE_BYTES = 65536


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
def hostile_server(files: Files, seed: int, recorded: list[Stream]) -> Iterator[IO[bytes]]:
    """A process that serves. Its lines are JSON: its port, then each stream's length and runs."""
    command = [sys.executable, "-m", "roamtools.fuzz.hostile_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            pickle.dump((files, seed, recorded), server.stdin)
            server.stdin.close()
            yield server.stdout
        finally:
            server.terminate()


def main() -> None:
    """Serve until it is ended; the caller's own pickle says what."""
    files, seed, recorded = pickle.load(sys.stdin.buffer)
    asyncio.run(_Server(seed, recorded).serve(server_context(files)))


class _Server:
    """Every connection gets the next stream, and stays open until the terminal has had enough."""

    def __init__(self, seed: int, recorded: list[Stream]) -> None:
        self._streams = cases(seed, recorded)

    async def serve(self, context: ssl.SSLContext) -> None:
        server = await asyncio.start_server(self._play, "127.0.0.1", 0, ssl=context)
        print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
        await server.serve_forever()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            message = parse_line(await reader.readline())
            stream, _ = next(self._streams)
            print(json.dumps((len(stream.data), stream.runs)), flush=True)
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


if __name__ == "__main__":
    main()
