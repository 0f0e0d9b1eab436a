"""A real Xtigervnc seen through the display link, screen and bench channel. Cards are not here."""

import asyncio
import contextlib
import datetime
import json
import os
import socket
import struct
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dtu.app.bench_channel import BenchChannel
from dtu.app.display_link import DisplayLink, Drawn, FirstFrame, LinkLost, LinkOpened
from dtu.app.tls import client_context
from dtu.core.words import Words
from dtu.drivers.display.pygame_screen import open_screen
from dtu.drivers.input.base import Key
from dtu.drivers.input.scripted import ScriptedInput
from roamwire.control import Attached, encode_line, parse_line
from roamwire.identity import Identity
from sessionhost.adapters.pki import create_group
from sessionhost.adapters.tls import server_context

pytestmark = pytest.mark.system

WIDTH, HEIGHT = 800, 600
PATIENCE_S = 20.0
POLL_S = 0.1  # a look at the screen takes 30 ms of the loop that must also serve the gateway
NOW = datetime.datetime.now(datetime.UTC)


# -- a session: Xtigervnc on a Unix socket, and a client that draws a known picture


class Session:
    def __init__(self, folder):
        self.rfb = folder / "rfb.sock"
        self.children = []
        ready, told = os.pipe()
        with (folder / "x.log").open("wb") as log:
            self.start(
                *("Xtigervnc", "-displayfd", str(told), "-rfbunixpath", str(self.rfb)),
                *("-rfbport", "-1", "-SecurityTypes", "None", "-nolisten", "tcp"),
                *("-nolisten", "local"),
                *("-geometry", f"{WIDTH}x{HEIGHT}", "-depth", "24"),
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
        """PutImage on the root window by the plain X protocol; needs no X library."""
        with socket.socket(socket.AF_UNIX) as x:
            x.settimeout(PATIENCE_S)
            x.connect(f"/tmp/.X11-unix/X{self.display[1:]}")
            x.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
            head = receive(x, 8)
            assert head[0] == 1, head
            setup = receive(x, struct.unpack("<H", head[6:])[0] * 4)
            base, vendor, formats = (
                struct.unpack_from("<I", setup, 4)[0],
                struct.unpack_from("<H", setup, 16)[0],
                setup[21],
            )
            root = struct.unpack_from("<I", setup, 32 + (vendor + 3) // 4 * 4 + formats * 8)[0]
            x.sendall(struct.pack("<BxHIII", 55, 4, base, root, 0))
            height, width = picture.shape[:2]
            for y in range(height):
                row = picture[y].tobytes()
                x.sendall(
                    struct.pack(
                        "<BBHIIHHhhBBxx", 72, 2, 6 + width, root, base, width, 1, 0, y, 0, 24
                    )
                )
                x.sendall(row)
            x.sendall(struct.pack("<BxH", 43, 1))  # GetInputFocus: its answer means all is drawn
            assert receive(x, 32)[0] == 1


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece
        data += piece
    return data


@pytest.fixture
def session(tmp_path):
    made = Session(tmp_path)
    yield made
    made.stop()


def known_picture():
    """A photograph-like half (JPEG), then noise of few colours (palette), then one colour."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    random = np.random.default_rng(7)
    soft = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, (x + y) * 255 // (WIDTH + HEIGHT)], -1)
    soft = soft + random.integers(-3, 4, soft.shape)
    picture[:, :400, :3] = np.clip(soft[:, :400], 0, 255)
    few = random.integers(0, 256, (12, 3))
    picture[:300, 400:, :3] = few[random.integers(0, 12, (300, 400))]
    picture[300:, 400:, :3] = (0x99, 0x66, 0x33)
    return picture


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


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return contexts(tmp_path_factory.mktemp("identity"))


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
        self.link = DisplayLink(screen, context, self._event)
        self.input = ScriptedInput()
        self.input.start(self._input)
        self.socket = folder / "bench.sock"
        self.bench = BenchChannel(
            self.socket, self.input.feed, screen.snapshot, lambda: {"shown": self.link.shown}
        )

    def _event(self, event):
        if isinstance(event, Drawn):
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


async def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def desk_at(session, identity, folder, size=(WIDTH, HEIGHT)):
    gateway = Gateway(session.rfb)
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


# -- the tests


def test_a_known_picture_is_found(session, identity, tmp_path):
    picture = known_picture()
    session.put_picture(picture)

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            assert [type(event) for event in desk.events] == [LinkOpened, FirstFrame]
            first = np.abs(seen(desk.screen, tmp_path) - picture[:, :, :3])
            assert first[350:, 450:].max() == 0
            assert first.mean() < 3
            # The pointer's shape stands in the corner, out of the way of what is compared. TigerVNC
            # repeats lossy parts at its best quality when nothing else happens.
            desk.link.pointer(WIDTH - 1, HEIGHT - 1, 0)
            inside = np.s_[: HEIGHT - 40, : WIDTH - 40]
            wanted = picture[:, :, :3].astype(int)[inside]
            await until(lambda: np.abs(seen(desk.screen, tmp_path)[inside] - wanted).max() < 8)
            session.put_picture(picture[::-1].copy())
            await until(
                lambda: np.abs(seen(desk.screen, tmp_path) - picture[::-1, :, :3]).mean() < 3
            )
            desk.link.close()
            desk.screen.blank()
            assert not seen(desk.screen, tmp_path).any()
            desk.screen.show_words(Words(26, "Looking for a server", "Please wait."), dim=True)
            words = seen(desk.screen, tmp_path)
            assert (words == np.array((34, 24, 16))).all(axis=2).mean() > 0.3

    asyncio.run(play())


def test_typed_text_arrives_and_the_screen_shows_it(session, identity, tmp_path):
    out = tmp_path / "typed.txt"
    typed = 'Größe: 5 € <"\\Aa1~>\tEnd'
    session.run("xsetroot", "-solid", "#336699", "-cursor_name", "left_ptr")
    session.start(
        *("xterm", "-u8", "-geometry", "60x10+50+50", "-bg", "#ffffe0", "-e"),
        *("sh", "-c", f"IFS= read -r line; printf '%s' \"$line\" > {out}; echo done; cat"),
        env=session.env,
        stderr=subprocess.DEVNULL,
    )

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            paper = (0xE0, 0xFF, 0xFF)
            await until(lambda: (seen(desk.screen, tmp_path) == paper).all(axis=2).mean() > 0.05)
            assert (await desk.ask(op="click", x=100, y=90)) == {"ok": True}
            assert (await desk.ask(op="type", text=typed + "\n"))["ok"]
            await until(out.exists)
            await until(lambda: out.read_text() == typed)
            assert (await desk.ask(op="type", text="<ctrl-d>"))["ok"]
            await until(lambda: not (seen(desk.screen, tmp_path) == paper).all(axis=2).any())
            blue = (seen(desk.screen, tmp_path) == (0x99, 0x66, 0x33)).all(axis=2)
            assert blue.mean() > 0.99

    asyncio.run(play())


def test_the_session_takes_the_size_of_the_screen(session, identity, tmp_path):
    session.run("xsetroot", "-solid", "#336699")

    async def play():
        async with desk_at(session, identity, tmp_path, size=(1024, 700)) as desk:
            whole = np.array((0x99, 0x66, 0x33))
            await until(lambda: (seen(desk.screen, tmp_path) == whole).all(axis=2).mean() > 0.999)
            assert desk.last(LinkLost) is None

    asyncio.run(play())


def test_a_held_key_repeats_only_as_often_as_it_is_sent(session, identity, tmp_path):
    out = tmp_path / "typed.txt"
    session.start(
        *("xterm", "-e", "sh", "-c", f"read -r line; printf '%s' \"$line\" > {out}"),
        env=session.env,
        stderr=subprocess.DEVNULL,
    )

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            await until(lambda: len(np.unique(seen(desk.screen, tmp_path)[:300, :480])) > 1)
            desk.link.pointer(50, 50, 0)
            await asyncio.sleep(0.1)
            for _ in range(3):
                desk.link.key(0x61, True)
            await asyncio.sleep(1.0)
            desk.link.release_all()
            assert (await desk.ask(op="type", text="\n"))["ok"]
            await until(out.exists)
            await until(lambda: out.read_text() == "aaa")

    asyncio.run(play())


def test_the_bench_sees_state_and_trace(session, identity, tmp_path):
    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            assert await desk.ask(op="state") == {"ok": True, "shown": ["s1", 1]}
            reader, writer = await asyncio.open_unix_connection(str(desk.socket))
            writer.write(b'{"op": "trace", "since": 0}\n')
            assert json.loads(await reader.readline()) == {"ok": True}
            past = [json.loads(await reader.readline())["event"] for _ in range(2)]
            assert past == ["LinkOpened", "FirstFrame"]
            desk.bench.trace("card_out", reader="r0")
            live = json.loads(await reader.readline())
            assert (live["event"], live["reader"]) == ("card_out", "r0")
            assert abs(live["t"] - time.monotonic()) < 1
            writer.close()
            await writer.wait_closed()
            for bad in ({"op": "dance"}, {"op": "click", "x": -1, "y": 1}, {"op": "type"}):
                answer = await desk.ask(**bad)
                assert not answer["ok"]
                assert answer["error"]
            missing = str(tmp_path / "nowhere" / "s.png")
            assert not (await desk.ask(op="screenshot", path=missing))["ok"]
            shot = tmp_path / "s.png"
            assert (await desk.ask(op="screenshot", path=str(shot)))["ok"]
            assert shot.stat().st_size > 100
            reader, writer = await asyncio.open_unix_connection(str(desk.socket))
            writer.write(b"no json\n[]\n" + b"x" * 300_000)
            assert not json.loads(await reader.readline())["ok"]
            assert not json.loads(await reader.readline())["ok"]
            assert await reader.read() == b""
            writer.close()
        assert not desk.socket.exists()

    asyncio.run(play())


def test_a_dead_session_is_told(session, identity, tmp_path):
    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            session.children[0].kill()
            await until(lambda: desk.last(LinkLost))
            assert desk.last(LinkLost).reason.startswith("closed")
            assert desk.link.shown is None

    asyncio.run(play())


async def open_and_close(session, identity, folder):
    async with desk_at(session, identity, folder):
        pass


def test_a_gateway_of_another_group_gets_no_ticket(session, identity, tmp_path):
    stranger = contexts(tmp_path)[1]
    with pytest.raises(AssertionError, match="reason='tls"):
        asyncio.run(open_and_close(session, (identity[0], stranger), tmp_path))


def test_a_terminal_cannot_pass_for_a_gateway(session, tmp_path):
    with pytest.raises(AssertionError, match="reason='tls"):
        asyncio.run(open_and_close(session, contexts(tmp_path, "dtu"), tmp_path))
