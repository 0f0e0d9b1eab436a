"""Mutated RFB bytes, ten million through the decoder and ten through a link. No good session."""

import asyncio
import random
import resource

import pytest
from display_desk import contexts, until

from dtu.app.display_link import DisplayLink, FirstFrame, LinkLost
from dtu.app.session_view import SessionView
from dtu.drivers.display.pygame_screen import open_screen
from roamtools.fuzz import decoder
from roamtools.fuzz.encoder import Encoder
from roamtools.fuzz.recordings import record_all
from roamtools.fuzz.streams import good, spoilt
from roamwire.control import Attached, encode_line, parse_line

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

BYTES = 10_000_000


@pytest.fixture(scope="module")
def recorded():
    return record_all()


def test_spoilt_streams_end_in_an_event_and_take_little_memory(recorded):
    report = decoder.run(20261123, BYTES, recorded)
    assert report.bytes >= BYTES
    assert report.updates > 1000
    assert len(report.failed) > 8
    assert report.within_bounds, report


def test_the_bound_on_memory_bites(monkeypatch):
    monkeypatch.setattr(decoder, "MOST_BYTES", 100_000)
    assert not decoder.run(1, 200_000, []).within_bounds


class HostileGateway:
    """Takes each ticket, then sends a spoilt stream; the last stream is a good one."""

    def __init__(self, recorded):
        self.rng = random.Random(5)
        self.recorded = recorded
        self.done = False
        self.tasks = set()

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            ticket = parse_line(await reader.readline()).ticket
            writer.write(encode_line(Attached(ticket, 1)))
            await self.play(writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def play(self, writer):
        if self.done:
            encoder = Encoder(self.rng)
            fill = encoder.rect(0, 0, 64, 48, 7, b"\x80\x01\x02\x03")
            writer.write(encoder.handshake(64, 48) + encoder.update(fill))
            await asyncio.sleep(5)
            return
        stream = good(self.rng, huge_share=0)
        if self.rng.random() < 0.5:
            stream = self.rng.choice(self.recorded)
        data = spoilt(stream, self.rng)
        for at in range(0, len(data), 4096):
            writer.write(data[at : at + 4096])
            await writer.drain()


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return contexts(tmp_path_factory.mktemp("identity"))


def test_a_hostile_server_costs_only_its_own_connection(identity, recorded, monkeypatch):
    decoded = []
    receive = SessionView.receive

    def counted(view, data, now):
        decoded.append(len(data))
        receive(view, data, now)

    monkeypatch.setattr(SessionView, "receive", counted)

    async def play():
        gateway = HostileGateway(recorded)
        server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, ssl=identity[0])
        port = server.sockets[0].getsockname()[1]
        screen = open_screen("headless", 320, 200)
        events = []
        trouble = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: trouble.append(what))
        link = DisplayLink(screen, identity[1], events.append)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reasons = {}
        while sum(decoded) < BYTES:
            events.clear()
            link.open("127.0.0.1", port, "s1", "s1", 1)
            await until(lambda: any(isinstance(event, LinkLost) for event in events))
            reason = events[-1].reason.partition(" ")[0]
            reasons[reason] = reasons.get(reason, 0) + 1
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert grown < decoder.MOST_BYTES
        assert reasons["protocol:"] > 100
        gateway.done = True
        events.clear()
        link.open("127.0.0.1", port, "s1", "s1", 1)
        await until(lambda: any(isinstance(event, FirstFrame) for event in events))
        link.close()
        screen.close()
        server.close()
        for task in gateway.tasks:
            task.cancel()
        await asyncio.gather(*gateway.tasks, return_exceptions=True)
        assert [what for what in trouble if "exception" in what] == []

    asyncio.run(play())
