"""A session that sends what costs much: keys and heartbeats go through. Nothing is spoilt here."""

import asyncio
import contextlib
import gc
import random
import socket
import struct
import threading
import time

import pytest
from display_desk import PATIENCE_S, contexts, until

from dtu.app.display_link import DisplayLink, FirstFrame, LinkLost
from dtu.drivers.display.pygame_screen import open_screen
from roamtools.fuzz.encoder import Encoder
from roamtools.fuzz.heavy import HEAVY, HEIGHT, WIDTH
from roamwire.control import Attached, encode_line, parse_line

pytestmark = pytest.mark.system

BUSY_S = 1.5
MOST_TURN_S = 0.15
"""Of processor time between two rounds of the event loop; a Pi takes some four times as long."""

MOST_WAIT_S = 2.0
"""Of wall time, on a machine that runs other tests too."""


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return contexts(tmp_path_factory.mktemp("identity"))


class HeavyGateway:
    """A good first frame, then the heavy stream again and again; notes when a key has come.

    On a thread with a loop of its own, as what it spends is not the terminal's.
    """

    def __init__(self, make, context):
        rng = random.Random(1)
        self.encoder = Encoder(rng)
        self.heavy = make(self.encoder, rng)
        self.keys = []
        self.port = 0
        self._context = context
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def send_heavy(self):
        self._loop.call_soon_threadsafe(self._go.set)

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self._go, self._over = asyncio.Event(), asyncio.Event()
        self._serving = None
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._serving = asyncio.current_task()
        ticket = parse_line(await reader.readline()).ticket
        whole = self.encoder.rect(0, 0, WIDTH, HEIGHT, 7, b"\x80\x01\x02\x03")
        writer.write(encode_line(Attached(ticket, 1)))
        writer.write(self.encoder.handshake(WIDTH, HEIGHT) + self.encoder.update(whole))
        sender = asyncio.create_task(self._send(writer))
        try:
            while data := await reader.read(65536):
                if struct.pack(">BBHI", 4, 1, 0, 0x61) in data:
                    self.keys.append(time.monotonic())
        except ConnectionError:
            pass  # the terminal drops it in the middle of a write
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            writer.transport.abort()
            await asyncio.sleep(0)  # it is closed in the loop's next round

    async def _send(self, writer):
        await self._go.wait()
        while True:
            writer.write(self.heavy)
            await writer.drain()
            await asyncio.sleep(0)


class Heartbeats(asyncio.DatagramProtocol):
    """Datagrams to itself, as the heartbeat's socket has them on the same loop."""

    def __init__(self):
        self.worst_s = 0.0
        self.count = 0

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        self.sent = time.monotonic()
        self.transport.sendto(b"beat", self.transport.get_extra_info("sockname"))

    def datagram_received(self, data, address):
        self.count += 1
        self.worst_s = max(self.worst_s, time.monotonic() - self.sent)
        asyncio.get_running_loop().call_later(0.02, self.send)


async def busy(seconds):
    """The most processor time that a round of the loop took."""
    worst = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = time.thread_time()
        await asyncio.sleep(0)
        worst = max(worst, time.thread_time() - before)
    return worst


@pytest.mark.parametrize("make", HEAVY, ids=lambda make: make.__name__)
def test_keys_and_heartbeats_go_through(identity, make):
    async def play(gateway, ending):
        screen = open_screen("headless", 640, 480)
        ending.callback(screen.close)
        # Not all events: the collector would look at them again and again, for 70 ms.
        first, lost = [], []
        link = DisplayLink(
            screen,
            identity[1],
            lambda event: {FirstFrame: first, LinkLost: lost}.get(type(event), []).append(event),
        )
        ending.callback(link.close)
        link.open("127.0.0.1", gateway.port, "s1", "s1", 1)
        await until(lambda: first)
        local = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        local.bind(("127.0.0.1", 0))
        beats = Heartbeats()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: beats, sock=local
        )
        ending.callback(transport.close)
        gateway.send_heavy()
        worst = await busy(BUSY_S)
        assert not lost
        pressed = time.monotonic()
        link.key(0x61, True)
        await until(lambda: gateway.keys)
        assert gateway.keys[0] - pressed < MOST_WAIT_S
        assert worst < MOST_TURN_S
        assert beats.count > 3
        assert beats.worst_s < MOST_WAIT_S

    async def play_to_its_end(gateway):
        async with contextlib.AsyncExitStack() as ending:
            ending.push_async_callback(asyncio.sleep, 0)  # what was aborted is closed in one round
            await play(gateway, ending)

    gc.freeze()  # as the terminal does
    try:
        with HeavyGateway(make, identity[0]) as gateway:
            asyncio.run(play_to_its_end(gateway))
    finally:
        gc.unfreeze()
