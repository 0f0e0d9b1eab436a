"""Spoilt streams from a hostile server, over TLS, into the terminal's own link and screen.

The server is a process of its own, so that memory and time are the terminal's alone. The event loop
is looked at from the outside: how much processor time passes between two of its rounds.
"""

import asyncio
import json
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from dtu.app.display_link import DisplayLink, Drawn, LinkEvent, LinkLost, LinkOpened
from dtu.app.session_view import SessionView
from dtu.app.tls import client_context
from dtu.core.rfb import RfbClient
from dtu.drivers.display.base import Screen
from dtu.drivers.display.pygame_screen import open_screen
from roamtools.fuzz.decoder import framebuffer_bytes
from roamtools.fuzz.hostile_server import Files, hostile_server, make_group
from roamtools.fuzz.report import Memory, Report, Told, silent
from roamtools.fuzz.streams import Spoilt, Stream
from roamtools.lab.rpc import Refusal

MOST_S = 2.0
"""A stream can keep the decoder busy for minutes, in turns; it is left after this time."""

PATIENCE_S = 30.0
"""Without any event: something is broken."""

SIZE = (320, 200)


def run(seed: int, size: int, recorded: list[Stream], told: Told = silent) -> Report:
    """Decode so many mutated bytes; RuntimeError for what is raised on the event loop."""
    with tempfile.TemporaryDirectory() as name:
        gateway, terminal = make_group(Path(name))
        with hostile_server(gateway, seed, recorded) as said:
            tracemalloc.start()
            try:
                return asyncio.run(_Way(said, terminal, Report("socket", seed)).run(size, told))
            finally:
                tracemalloc.stop()


class _Frames:
    """How much a session's picture takes: two of them after a change of its size.

    The old one stays on the screen until the new one is whole.
    """

    def __init__(self) -> None:
        self.most = 0
        self._shown = 0

    def look(self, client: RfbClient) -> None:
        """Between two turns of the decoder, and after the last one: it may have been a resize."""
        size = framebuffer_bytes(client)
        self.most = max(self.most, size + (self._shown if size != self._shown else 0))
        if client.painted:
            self._shown = size


class _Way:
    """One terminal that attaches again and again."""

    def __init__(self, said: IO[bytes], files: Files, report: Report) -> None:
        self._said = said
        self._files = files
        self._report = report
        self._view: SessionView | None = None
        self._client: RfbClient | None = None
        self._received = 0
        self._sent = (0, Spoilt(b"", ()))
        self._lost: str | None = None
        self._trouble: list[dict[str, Any]] = []

    async def run(self, size: int, told: Told) -> Report:
        port = json.loads(await asyncio.to_thread(self._said.readline))
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, what: self._trouble.append(what))
        screen = open_screen("headless", *SIZE)
        files = self._files
        context = client_context(
            files.group_dir / "ca.crt", files.identity_cert, files.identity_key
        )
        link = DisplayLink(screen, context, self._event)
        receive = SessionView.receive

        def tapped(view: SessionView, data: bytes, now: float) -> None:
            self._view, self._client = view, view.client  # a view that is closed gets another one
            self._received += len(data)
            receive(view, data, now)

        with patch.object(SessionView, "receive", tapped):
            while self._report.mutated < size:
                await self._one(link, port, screen)
                told(self._report)
        screen.close()
        return self._report

    async def _one(self, link: DisplayLink, port: int, screen: Screen) -> None:
        memory = Memory()
        self._view = self._client = self._lost = None
        self._received = 0
        started = time.monotonic()
        link.open("127.0.0.1", port, "fuzz", "fuzz", 1)
        frames = _Frames()
        while not self._over(time.monotonic() - started):
            before = time.thread_time()
            await asyncio.sleep(0)
            took_s = time.thread_time() - before
            self._report.slowest_read_s = max(self._report.slowest_read_s, took_s)
            if self._client is not None:
                frames.look(self._client)
        link.close()
        if errors := [what for what in self._trouble if "exception" in what]:
            raise RuntimeError(f"on the event loop: {errors}")
        self._count(memory, frames.most)
        screen.blank()

    def _over(self, after_s: float) -> bool:
        if self._lost is not None:
            return True
        if self._view is None:
            if after_s > PATIENCE_S:
                raise Refusal(f"the hostile server sent nothing in {PATIENCE_S:.0f} s")
            return False
        done = self._received == self._sent[0] and not self._view.unfinished
        return done or after_s > MOST_S

    def _count(self, memory: Memory, framebuffer: int) -> None:
        report = self._report
        report.streams += 1
        if self._lost is not None:
            # Its first word is for people, the second names what was wrong.
            report.refuse(" ".join(self._lost.split()[:2]).rstrip(":"))
        if self._view is None:
            return
        assert self._client is not None
        taken = self._client.taken
        report.bytes += taken
        report.mutated += self._sent[1].mutated(taken)
        memory.note(report, framebuffer)

    def _event(self, event: LinkEvent) -> None:
        match event:
            case LinkOpened():
                length, runs = json.loads(self._said.readline())
                self._sent = (length, Spoilt(b"", tuple((start, end) for start, end in runs)))
            case LinkLost():
                self._lost = event.reason
            case Drawn():
                self._report.updates += 1
