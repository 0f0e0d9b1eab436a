"""The display link on a scripted transport: events, stale links, input. TLS is not here."""

import asyncio
import ssl
import struct

import numpy as np
import pytest

from dtu.app import display_link
from dtu.app.display_link import FirstFrame, LinkLost, LinkOpened
from dtu.core import timing
from dtu.core.rfb import LedState, Rect
from dtu.core.sound import SoundTarget
from fakes.link_desk import (
    HANDSHAKE,
    HEIGHT,
    WHOLE,
    WIDTH,
    Desk,
    FakeTransport,
    cursor,
    fill,
    key,
    on_a_desk,
    update,
)
from roamwire.control import Attached, Notice, encode_line


def test_a_session_comes_up():
    async def play(desk):
        protocol, transport = await desk.open()
        assert transport.take() == b"attach ticket=ticket\n"
        assert desk.link.shown is None
        data = encode_line(Attached("s1", 1)) + HANDSHAKE
        for byte in data:
            protocol.data_received(bytes((byte,)))
        assert desk.events == [LinkOpened("s1", 1)]
        assert transport.take().startswith(b"RFB 003.008\n\x01\x00")
        protocol.data_received(update(fill(0, 0, WIDTH, 40, 7)))
        assert desk.screen.shown == []
        protocol.data_received(update(fill(0, 40, WIDTH, 8, 7)) + update(cursor()))
        assert isinstance(desk.events[1], FirstFrame)
        assert desk.link.shown == ("s1", 1)
        (framebuffer, _, shape) = desk.screen.shown[0]
        assert (framebuffer[:, :, :3] == 7).all()
        assert shape is not None
        desk.link.close()

    on_a_desk(play)


def test_changes_of_one_read_are_painted_once():
    async def play(desk):
        protocol, _ = await desk.show()
        data = update(fill(0, 0, 2, 2, 1)) + b"\x02" + update(fill(5, 5, 2, 2, 1))
        protocol.data_received(data)
        assert [shown[1] for shown in desk.screen.shown[1:]] == [
            (Rect(0, 0, 2, 2), Rect(5, 5, 2, 2))
        ]
        protocol.data_received(update(cursor()))
        assert desk.screen.shown[2][1] == ()
        protocol.data_received(update())
        assert len(desk.screen.shown) == 3
        assert desk.drawn == [WIDTH * HEIGHT, 8]
        assert len(desk.events) == 2
        desk.link.close()

    on_a_desk(play)


def test_a_resized_session_is_shown_when_whole_again():
    async def play(desk):
        protocol, _ = await desk.show()
        protocol.data_received(update(struct.pack(">HHHHi", 0, 0, 10, 10, -223)))
        protocol.data_received(update(fill(0, 0, 10, 9, 1)))
        assert len(desk.screen.shown) == 1
        protocol.data_received(update(fill(0, 9, 10, 1, 1)))
        assert desk.screen.shown[1][0].shape == (10, 10, 4)
        assert len(desk.events) == 2
        desk.link.close()

    on_a_desk(play)


def test_after_close_nothing_comes_any_more():
    async def play(desk):
        protocol, transport = await desk.show()
        desk.link.close()
        assert transport.aborted
        protocol.data_received(WHOLE)
        protocol.connection_lost(None)
        desk.link.key(0x61, True)
        desk.link.close()
        assert len(desk.events) == 2
        assert len(desk.screen.shown) == 1
        assert transport.take() == b""
        assert desk.link.shown is None

    on_a_desk(play)


def test_a_close_in_the_middle_of_a_read_stops_it():
    async def play(desk):
        desk.on_event = lambda event: desk.link.close()
        protocol, _ = await desk.open()
        protocol.data_received(encode_line(Attached("s1", 1)) + HANDSHAKE + WHOLE)
        assert desk.screen.shown == []

    on_a_desk(play)


def test_a_close_at_the_first_frame_is_the_last_event():
    async def play(desk):
        desk.on_event = lambda event: desk.link.close() if isinstance(event, FirstFrame) else None
        await desk.show()
        assert desk.drawn == []

    on_a_desk(play)


def test_a_newer_link_silences_the_older():
    async def play(desk):
        old, old_transport = await desk.show("s1", 1)
        new, _ = await desk.open("s2", 5)
        assert old_transport.aborted
        old.connection_lost(ConnectionResetError())
        old.data_received(WHOLE)
        new.data_received(encode_line(Attached("s2", 5)))
        assert desk.events[2:] == [LinkOpened("s2", 5)]
        assert len(desk.screen.shown) == 1
        desk.link.close()

    on_a_desk(play)


def test_a_link_closed_while_it_connects_never_appears():
    async def play(desk):
        gate = asyncio.Event()
        desk.answer = gate.wait
        await desk.open()
        desk.link.close()
        gate.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.connections == []
        assert desk.events == []

    on_a_desk(play)


def test_a_transport_that_comes_too_late_is_aborted():
    async def play(desk):
        protocol, _ = await desk.open()
        desk.link.close()
        late = FakeTransport()
        protocol.connection_made(late)
        assert late.aborted
        assert late.take() == b""

    on_a_desk(play)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connect: Connection refused"),
        (TimeoutError(), "connect: no answer"),
        (ssl.SSLError(1, "alert"), "tls: alert"),
    ],
)
def test_a_server_that_cannot_be_reached(error, reason):
    async def play(desk):
        async def refuse():
            raise error

        desk.answer = refuse
        await desk.open()
        assert desk.events == [LinkLost("s1", 1, reason)]

    on_a_desk(play)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            encode_line(Notice(1, 31, "this ticket is used up")),
            "refused: 31 this ticket is used up",
        ),
        (encode_line(Attached("s2", 1)), "protocol: attached"),
        (encode_line(Attached("s1", 2)), "protocol: attached"),
        (b"\x00\xff\n", "protocol: "),
        (b"x" * 20_000, "protocol: oversize"),
        (encode_line(Attached("s1", 1)) + b"RFB 001.000\n", "protocol: version"),
    ],
)
def test_bad_answers_lose_the_link(data, reason):
    async def play(desk):
        protocol, transport = await desk.open()
        protocol.data_received(data)
        assert isinstance(desk.events[-1], LinkLost)
        assert desk.events[-1].reason.startswith(reason)
        assert transport.aborted
        assert desk.link.shown is None

    on_a_desk(play)


def test_the_ticket_is_shown_to_servers_only():
    async def play(desk):
        desk.role = "dtu"
        _, transport = await desk.open()
        assert transport.take() == b""
        assert transport.aborted
        assert desk.events[0].reason.startswith("certificate")

    on_a_desk(play)


def test_a_server_that_goes_is_told_once():
    async def play(desk):
        protocol, _ = await desk.show()
        assert not protocol.eof_received()
        protocol.connection_lost(None)
        protocol.connection_lost(ConnectionResetError("reset"))
        assert desk.events[2:] == [LinkLost("s1", 1, "closed")]
        other, _ = await desk.show("s2", 2)
        other.connection_lost(ConnectionResetError("reset"))
        assert desk.events[-1] == LinkLost("s2", 2, "closed: reset")

    on_a_desk(play)


def test_a_session_without_a_frame_is_lost(monkeypatch):
    monkeypatch.setattr(display_link, "FIRST_FRAME_S", 0)

    async def play(desk):
        await desk.open()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.events == [LinkLost("s1", 1, "no frame in time")]

    on_a_desk(play)


def test_a_server_that_does_not_read_is_lost():
    async def play(desk):
        _, transport = await desk.show()
        transport.unsent = display_link.MAX_UNSENT_BYTES + 1
        desk.link.key(0x61, True)
        assert desk.events[-1].reason.startswith("stuck")

    on_a_desk(play)


def pointer(x, y, buttons):
    return struct.pack(">BBHH", 5, buttons, x, y)


def test_keys():
    async def play(desk):
        _, transport = await desk.show()
        desk.link.key(0x62, True)
        desk.link.key(0x62, True)
        desk.link.key(0x62, False)
        assert transport.take() == key(0x62, True) + key(0x62, True) + key(0x62, False)
        desk.link.close()

    on_a_desk(play)


def test_the_pointer_is_told_in_pixels_of_the_session():
    async def play(desk):
        desk.link.pointer(1, 1, 0)
        _, transport = await desk.show()
        desk.link.pointer(18, 1, 0)
        desk.link.pointer(0, 0, 0)
        desk.link.pointer(99, 49, 0)
        assert transport.take() == pointer(0, 0, 0) + pointer(0, 0, 0) + pointer(63, 47, 0)
        assert desk.screen.moved == [(1, 1), (18, 1), (0, 0), (99, 49)]
        desk.link.close()

    on_a_desk(play)


def test_no_input_before_the_first_frame():
    async def play(desk):
        protocol, transport = await desk.open()
        protocol.data_received(encode_line(Attached("s1", 1)) + HANDSHAKE)
        transport.take()
        desk.link.key(0x61, True)
        desk.link.pointer(5, 5, 1)
        assert transport.take() == b""
        desk.link.close()

    on_a_desk(play)


def test_frames_are_bgrx():
    async def play(desk):
        protocol, _ = await desk.open()
        red = struct.pack(">HHHHi", 0, 0, WIDTH, HEIGHT, 7) + bytes((0x80, 255, 0, 0))
        protocol.data_received(encode_line(Attached("s1", 1)) + HANDSHAKE + update(red))
        assert np.array_equal(desk.screen.shown[0][0][0, 0, :3], (0, 0, 255))
        desk.link.close()

    on_a_desk(play)


EXTENDED_KEYS = update(struct.pack(">HHHHi", 0, 0, 0, 0, -258))


def scan(keysym, code, down):
    return struct.pack(">BBHII", 255, 0, down, keysym, code)


def test_a_key_is_known_by_its_scan_code():
    async def play(desk):
        protocol, transport = await desk.show()
        protocol.data_received(EXTENDED_KEYS)
        transport.take()
        desk.link.key(0x79, True, 0x2C)
        desk.link.key(0x79, False, 0x2C)
        assert transport.take() == scan(0x79, 0x2C, True) + scan(0x79, 0x2C, False)
        desk.link.key(0xFF52, True, 0xE048)
        desk.link.key(0x20AC, True)
        assert transport.take() == scan(0xFF52, 0xC8, True) + key(0x20AC, True)
        desk.link.close()

    on_a_desk(play)


def test_lamps_of_the_session_are_told():
    async def play(desk):
        protocol, _ = await desk.show()
        protocol.data_received(update(struct.pack(">HHHHi", 0, 0, 0, 0, -261) + b"\x04"))
        assert desk.events[2:] == [display_link.Lamps("s1", 1, LedState(False, False, True))]
        desk.link.close()

    on_a_desk(play)


def screens(*places):
    body = struct.pack(">B3x", len(places))
    for number, place in enumerate(places):
        body += struct.pack(">IHHHHI", number, *place, 0)
    return update(struct.pack(">HHHHi", 0, 0, WIDTH, HEIGHT, -308) + body)


def asked_size(sent):
    at = sent.index(b"\xfb\0")
    return struct.unpack_from(">HHB", sent, at + 2)


def test_a_session_is_asked_for_the_terminals_screens():
    async def play(desk):
        protocol, transport = await desk.show()
        protocol.data_received(screens((0, 0, WIDTH, HEIGHT)))
        assert asked_size(transport.take()) == (100, 50, 1)
        both = (Rect(0, 0, 100, 50), Rect(100, 0, 100, 50))
        desk.link.set_layout(both)
        assert asked_size(transport.take()) == (200, 50, 2)
        desk.link.set_layout(both)
        assert transport.take() == b""
        desk.link.close()
        desk.link.set_layout((Rect(0, 0, 30, 20),))
        protocol, transport = await desk.show("s2", 2)
        protocol.data_received(screens((0, 0, WIDTH, HEIGHT)))
        assert asked_size(transport.take()) == (30, 20, 1)
        desk.link.close()

    on_a_desk(play)


@pytest.mark.parametrize("ticket", ["", "0f1e"])
def test_the_sound_of_a_session_is_where_its_picture_is(ticket):
    async def play(desk):
        protocol, _ = await desk.open()
        assert desk.link.sound is None
        protocol.data_received(encode_line(Attached("s1", 1, ticket)) + HANDSHAKE + WHOLE)
        wanted = SoundTarget("192.0.2.1", 7010, ticket, "s1", 1) if ticket else None
        assert desk.link.sound == wanted
        desk.link.close()
        assert desk.link.sound is None

    on_a_desk(play)


A_PIXEL = struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1)


@pytest.fixture
def quick_looks(monkeypatch):
    monkeypatch.setattr(timing, "PICTURE_SILENT_S", 0.0)
    monkeypatch.setattr(timing, "PICTURE_ANSWER_S", 0.0)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("quick_looks")
def test_a_session_that_does_not_answer_is_lost():
    async def play():
        desk = Desk(asyncio.get_running_loop())
        _, transport = await desk.show()
        await turns(10)
        assert transport.take() == A_PIXEL
        assert desk.events[2:] == [LinkLost("s1", 1, "picture stands still")]
        assert transport.aborted

    asyncio.run(play())


def test_a_session_that_answers_for_a_pixel_stays():
    async def play(desk):
        protocol, transport = await desk.show()
        connection = desk.link._connection
        for _ in range(5):
            now = connection._liveness.deadline
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(display_link.time, "monotonic", lambda now=now: now)
                connection._look_for_life(connection._liveness)
                assert transport.take() == A_PIXEL
                protocol.data_received(update(fill(0, 0, 1, 1, 7)))
            transport.take()
        assert len(desk.events) == 2
        assert len(desk.screen.shown) == 1, "the same pixel is not painted"
        desk.link.close()

    on_a_desk(play)
