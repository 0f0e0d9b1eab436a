"""A session's Xtigervnc, a gateway with TLS, and a desk with link and screen. No tests here."""

import asyncio
import contextlib
import datetime
import json
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from x_client import XClient

from dtu.app.bench_channel import BenchChannel
from dtu.app.display_link import DisplayLink, Drawn, FirstFrame, Lamps, LinkLost
from dtu.app.tls import client_context
from dtu.drivers.display.pygame_screen import open_screen
from dtu.drivers.input.base import Key
from dtu.drivers.input.scripted import ScriptedInput
from roamwire.control import Attached, encode_line, parse_line
from roamwire.identity import Identity
from sessionhost.adapters.pki import create_group
from sessionhost.adapters.tls import server_context

WIDTH, HEIGHT = 800, 600
PATIENCE_S = 20.0
POLL_S = 0.1  # a look at the screen takes 30 ms of the loop that must also serve the gateway
NOW = datetime.datetime.now(datetime.UTC)


# -- a session: Xtigervnc on a Unix socket, and a client that draws a known picture


class Session:
    def __init__(self, folder, *options):
        self.rfb = folder / "rfb.sock"
        self.children = []
        ready, told = os.pipe()
        with (folder / "x.log").open("wb") as log:
            self.start(
                *("Xtigervnc", "-displayfd", str(told), "-rfbunixpath", str(self.rfb)),
                *("-rfbport", "-1", "-SecurityTypes", "None", "-nolisten", "tcp"),
                *("-geometry", f"{WIDTH}x{HEIGHT}", "-depth", "24"),
                *options,
                pass_fds=(told,),
                stderr=log,
            )
        os.close(told)
        with os.fdopen(ready) as stream:
            self.display = f":{stream.readline().strip()}"
        self.env = {**os.environ, "DISPLAY": self.display}

    def start(self, *command, **options):
        self.children.append(subprocess.Popen(command, **options))

    def run(self, *command):
        subprocess.run(command, env=self.env, check=True, timeout=PATIENCE_S)

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
        for child in self.children:
            child.wait(PATIENCE_S)

    def put_picture(self, picture):
        """A picture of (height, width, 4) in BGRX on the root window."""
        with XClient(self.display) as x:
            x.put_picture(picture)


# -- a gateway: TLS, the attach line, then bytes both ways


def issue(folder, ca, identity):
    issued = ca.issue(identity, NOW)
    certificate, key = folder / f"{identity.name}.crt", folder / f"{identity.name}.key"
    certificate.write_bytes(issued.certificate)
    key.touch(0o600)
    key.write_bytes(issued.key)
    return certificate, key


def contexts(folder, gateway="server"):
    """The TLS contexts of a gateway (by default a true one) and a terminal of a new group."""
    group = folder / "group"
    ca = create_group(group, "test", NOW, os.urandom)
    certificate, key = issue(folder, ca, Identity(gateway, "gateway"))
    config = SimpleNamespace(group_dir=group, identity_cert=certificate, identity_key=key)
    terminal = client_context(group / "ca.crt", *issue(folder, ca, Identity("dtu", "desk1")))
    return server_context(config), terminal


async def copy(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    writer.close()


class Gateway:
    def __init__(self, rfb):
        self.rfb = rfb
        self.tasks = set()

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        ticket = parse_line(await reader.readline()).ticket
        writer.write(encode_line(Attached(ticket, 1)))
        to_x = await asyncio.open_unix_connection(str(self.rfb))
        await asyncio.gather(copy(reader, to_x[1]), copy(to_x[0], writer))


class Desk:
    """Screen, link and bench channel as the terminal has them; the ticket is the session's name."""

    def __init__(self, screen, context, folder):
        self.screen = screen
        self.events = []
        self.lamps = []
        self.link = DisplayLink(screen, context, self._event)
        self.input = ScriptedInput()
        self.input.start(self._input)
        self.socket = folder / "bench.sock"
        self.bench = BenchChannel(
            self.socket, self.input.feed, screen.snapshot, lambda: {"shown": self.link.shown}
        )

    def _event(self, event):
        if isinstance(event, Lamps):
            self.lamps.append(event)
        if isinstance(event, Drawn | Lamps):
            return
        self.events.append(event)
        self.bench.trace(type(event).__name__, session=event.session, epoch=event.epoch)

    def _input(self, event):
        if isinstance(event, Key):
            self.link.key(event.keysym, event.down)
        else:
            self.link.pointer(event.x, event.y, event.buttons)

    async def ask(self, **request):
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.write(json.dumps(request).encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return answer

    def last(self, kind):
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)


async def until(condition, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def desk_at(session, identity, folder, size=(WIDTH, HEIGHT), gateway=Gateway):
    gateway = gateway(session.rfb)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, ssl=identity[0])
    port = server.sockets[0].getsockname()[1]
    screen = open_screen("headless", *size)
    desk = Desk(screen, identity[1], folder)
    await desk.bench.start()
    started = time.monotonic()
    desk.link.open("127.0.0.1", port, "s1", "s1", 1)
    try:
        await until(lambda: desk.last(FirstFrame) or desk.last(LinkLost))
        assert desk.last(LinkLost) is None, desk.events
        desk.first_frame_s = desk.last(FirstFrame).at - started
        yield desk
    finally:
        desk.link.close()
        await desk.bench.stop()
        server.close()
        await asyncio.gather(*gateway.tasks, return_exceptions=True)
        screen.close()


def seen(screen, folder):
    """A screenshot as (height, width, 3) BGR."""
    path = Path(folder) / "seen.png"
    screen.snapshot(path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))[:, :, ::-1].astype(int)
