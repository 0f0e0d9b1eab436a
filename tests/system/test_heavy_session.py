"""A session that sends what costs much: keys and heartbeats go through. Nothing is spoilt here."""

import asyncio
import contextlib
import random
import socket
import struct
import time

import pytest
from display_desk import contexts, until

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
    """A good first frame, then the heavy stream again and again; notes when a key has come."""

    def __init__(self, make):
        rng = random.Random(1)
        self.encoder = Encoder(rng)
        self.heavy = make(self.encoder, rng)
        self.keys = []
        self.go = asyncio.Event()
        self.task = None

    async def serve(self, reader, writer):
        self.task = asyncio.current_task()
        try:
            ticket = parse_line(await reader.readline()).ticket
            whole = self.encoder.rect(0, 0, WIDTH, HEIGHT, 7, b"\x80\x01\x02\x03")
            writer.write(encode_line(Attached(ticket, 1)))
            writer.write(self.encoder.handshake(WIDTH, HEIGHT) + self.encoder.update(whole))
            sender = asyncio.create_task(self.send(writer))
            while data := await reader.read(65536):
                if struct.pack(">BBHI", 4, 1, 0, 0x61) in data:
                    self.keys.append(time.monotonic())
            sender.cancel()
            await sender
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)  # it is closed in the loop's next round

    async def send(self, writer):
        await self.go.wait()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while True:
                writer.write(self.heavy)
                await writer.drain()


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
    async def play():
        gateway = HeavyGateway(make)
        server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, ssl=identity[0])
        screen = open_screen("headless", 640, 480)
        events = []
        link = DisplayLink(screen, identity[1], events.append)
        link.open("127.0.0.1", server.sockets[0].getsockname()[1], "s1", "s1", 1)
        await until(lambda: any(isinstance(event, FirstFrame) for event in events))
        local = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        local.bind(("127.0.0.1", 0))
        beats = Heartbeats()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: beats, sock=local
        )
        gateway.go.set()
        worst = await busy(BUSY_S)
        assert not any(isinstance(event, LinkLost) for event in events), events
        pressed = time.monotonic()
        link.key(0x61, True)
        await until(lambda: gateway.keys)
        assert gateway.keys[0] - pressed < MOST_WAIT_S
        assert worst < MOST_TURN_S
        assert beats.count > 3
        assert beats.worst_s < MOST_WAIT_S
        link.close()
        transport.close()
        screen.close()
        server.close()
        await asyncio.gather(gateway.task, return_exceptions=True)

    asyncio.run(play())
