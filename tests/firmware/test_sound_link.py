"""Sound channels on scripted transports: what passes, what ends them. TLS is not here."""

import asyncio
import ssl
import struct

import pytest

from dtu.app.sound_link import SoundLink, open_sound
from dtu.core.sound import SoundTarget
from dtu.drivers.sound.scripted import ScriptedServer
from roamwire.control import Attached, Notice, encode_line

TARGET = SoundTarget("10.0.0.1", 7010, "t", "s1", 3)
ATTACHED = encode_line(Attached("s1", 3))
SOUND = struct.pack(">IIIII", 4, 0, 0, 0, 0) + b"abcd"
LOAD_MODULE = struct.pack(">IIIIIcIcI", 10, 0xFFFFFFFF, 0, 0, 0, b"L", 51, b"L", 1)


class FakeTls:
    def __init__(self, role):
        mark = (("URI", f"roamdesk://{role}/s1"),)
        self.certificate = {"subject": ((("commonName", "s1"),),), "subjectAltName": mark}

    def getpeercert(self):
        return self.certificate


class FakeTransport(asyncio.Transport):
    def __init__(self, role):
        super().__init__({"ssl_object": FakeTls(role)})
        self.sent = bytearray()
        self.aborted = False
        self.reading = True

    def write(self, data):
        self.sent += data

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.aborted

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


class Desk:
    """A terminal's sound whose connections are made by hand."""

    def __init__(self, loop):
        self.loop = loop
        self.server = ScriptedServer()
        self.connections = []
        self.role = "server"
        self.refuses = None
        loop.create_connection = self._create_connection
        self.link = SoundLink(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.server)

    async def _create_connection(self, factory, address, port, **_):
        assert (address, port) == (TARGET.address, TARGET.port)
        if self.refuses is not None:
            raise self.refuses
        protocol, transport = factory(), FakeTransport(self.role)
        self.connections.append((protocol, transport))
        protocol.connection_made(transport)
        return transport, protocol

    async def settle(self):
        for _ in range(5):
            await asyncio.sleep(0)

    async def carrying(self):
        """The first channel, taken by the session; gives its two ends at the terminal."""
        self.link.open(TARGET)
        await self.settle()
        protocol, transport = self.connections[0]
        protocol.data_received(ATTACHED)
        await self.settle()
        return protocol, transport, self.server.clients[0]


@pytest.fixture
def run():
    def play(story):
        async def main():
            desk = Desk(asyncio.get_running_loop())
            try:
                await story(desk)
            finally:
                desk.link.close()
                await desk.settle()

        asyncio.run(main())

    return play


def test_a_channel_waits_and_touches_the_sound_server_only_when_it_is_taken(run):
    async def story(desk):
        desk.link.open(TARGET)
        await desk.settle()
        ((_, transport),) = desk.connections
        assert transport.sent == b"attach ticket=t kind=sound\n"
        assert desk.server.clients == []
        assert desk.link.channels == 0

    run(story)


def test_bytes_go_both_ways_and_a_second_channel_waits(run):
    async def story(desk):
        protocol, transport, client = await desk.carrying()
        assert desk.link.channels == 1
        protocol.data_received(SOUND)
        assert client.heard == SOUND
        client.say(b"answer")
        assert transport.sent.endswith(b"\nanswer")
        assert len(desk.connections) == 2

    run(story)


def test_what_came_with_the_gateways_line_is_not_lost(run):
    async def story(desk):
        desk.link.open(TARGET)
        await desk.settle()
        protocol, transport = desk.connections[0]
        protocol.data_received(ATTACHED[:4])
        protocol.data_received(ATTACHED[4:] + SOUND)
        assert not transport.reading  # there is nobody yet to give more to
        await desk.settle()
        assert transport.reading
        assert desk.server.clients[0].heard == SOUND

    run(story)


def test_a_session_that_wants_more_than_sound_is_cut_off(run):
    async def story(desk):
        protocol, transport, client = await desk.carrying()
        protocol.data_received(SOUND + LOAD_MODULE)
        assert client.closed
        assert transport.aborted
        assert b"L" not in client.heard
        assert desk.link.channels == 0

    run(story)


def test_close_is_silence_at_both_ends_at_once(run):
    async def story(desk):
        protocol, transport, client = await desk.carrying()
        desk.link.close()
        assert client.closed
        assert all(other.aborted for _, other in desk.connections)
        sent = bytes(transport.sent)
        protocol.data_received(SOUND)
        client.protocol.data_received(b"microphone")
        assert client.heard == b""
        assert transport.sent == sent

    run(story)


def test_a_close_while_the_sound_server_is_asked_leaves_nothing(run):
    async def story(desk):
        desk.link.open(TARGET)
        await desk.settle()
        protocol, transport = desk.connections[0]
        protocol.data_received(ATTACHED)
        desk.link.close()
        await desk.settle()
        assert transport.aborted
        assert all(client.closed for client in desk.server.clients)
        assert desk.link.channels == 0

    run(story)


@pytest.mark.parametrize(
    "answer",
    [
        encode_line(Attached("s2", 3)),
        encode_line(Attached("s1", 2)),
        encode_line(Notice(0, 61, "sound refused: ticket")),
        b"attached session=s1\n",
        b"\x16\x03\x01\n",
        b"x" * 20_000,
    ],
)
def test_another_answer_ends_the_channel(run, answer):
    async def story(desk):
        desk.link.open(TARGET)
        await desk.settle()
        protocol, transport = desk.connections[0]
        protocol.data_received(answer)
        await desk.settle()
        assert transport.aborted
        assert desk.server.clients == []

    run(story)


def test_a_terminal_is_no_server(run):
    async def story(desk):
        desk.role = "dtu"
        desk.link.open(TARGET)
        await desk.settle()
        ((_, transport),) = desk.connections
        assert transport.aborted
        assert transport.sent == b""

    run(story)


def test_without_a_sound_server_the_channel_is_given_back(run):
    async def story(desk):
        desk.server.there = False
        desk.link.open(TARGET)
        await desk.settle()
        protocol, transport = desk.connections[0]
        protocol.data_received(ATTACHED)
        await desk.settle()
        assert transport.aborted
        assert desk.link.channels == 0

    run(story)


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(111, "refused"), TimeoutError(), ssl.SSLError("bad")]
)
def test_a_gateway_that_is_not_there_is_no_error(run, error):
    async def story(desk):
        desk.refuses = error
        desk.link.open(TARGET)
        await desk.settle()
        assert desk.link.channels == 0

    run(story)


def test_either_end_that_goes_takes_the_other_with_it(run):
    async def story(desk):
        protocol, transport, client = await desk.carrying()
        client.abort()
        assert transport.aborted
        other, waiting = desk.connections[1]
        other.data_received(ATTACHED)
        await desk.settle()
        second = desk.server.clients[1]
        other.connection_lost(None)
        assert second.closed
        assert protocol is not other
        assert waiting.aborted

    run(story)


def test_a_slow_end_lets_the_other_wait(run):
    async def story(desk):
        protocol, transport, client = await desk.carrying()
        protocol.pause_writing()
        assert client.paused
        protocol.resume_writing()
        assert not client.paused
        client.protocol.pause_writing()
        assert not transport.reading
        client.protocol.resume_writing()
        assert transport.reading

    run(story)


def test_a_terminal_may_have_no_sound(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert open_sound("none", tmp_path / "s", context) is None
    assert isinstance(open_sound("pulse", tmp_path / "s", context), SoundLink)
    assert isinstance(open_sound("scripted", tmp_path / "s", context).server, ScriptedServer)
