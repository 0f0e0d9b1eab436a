"""Work in turns: any stream can be interrupted, and shows the same as one that is not."""

import random
import struct

import numpy as np
import pytest

from dtu.core.rfb import Failed, Rect, RfbClient, Updated, framebuffer, tight, work
from dtu.core.rfb.reader import Reader
from dtu.core.rfb.work import bands

TURN = 50_000
WIDTH, HEIGHT = 300, 200


def start(server):
    whole = server.fill(0, 0, WIDTH, HEIGHT, 10, 20, 30)
    return server.handshake(WIDTH, HEIGHT) + server.update(whole)


def rre(server):
    rng = random.Random(1)
    body = struct.pack(">I4s", 900, b"\x01\x02\x03\x00")
    for number in range(900):
        side = 1 + number % 99
        body += rng.randbytes(4) + struct.pack(">HHHH", number % 100, 5, side, side)
    return server.rect(0, 0, WIDTH, HEIGHT, 2, body)


def hextile(server):
    tile = b"\x0e" + bytes(range(8)) + b"\x20" + bytes((0x11, 0x22)) * 32
    return server.rect(4, 4, 160, 160, 5, tile * 100)


def zrle(server):
    rng = random.Random(2)
    tile = b"\x80" + b"".join(rng.randbytes(3) + b"\0" for _ in range(64 * 64))
    packed = server.streams[0]
    data = packed.compress(tile * 6) + packed.flush()
    return server.rect(0, 0, 192, 128, 16, struct.pack(">I", len(data)) + data)


def gradient(server):
    rng = random.Random(3)
    body = bytes((0x40, 2)) + server.packed(0, rng.randbytes(200 * 90 * 3))
    return server.tight(3, 3, 200, 90, body)


def fills(server):
    rects = [server.fill(n % 40, n % 30, 250, 150, n % 256, 1, 2) for n in range(300)]
    return b"".join(rects)


def copies(server):
    return b"".join(
        server.rect(n % 7, n % 5, 200, 150, 1, struct.pack(">HH", n % 11, n % 13))
        for n in range(200)
    )


COUNTS = {fills: 300, copies: 200}


def turns(data, turn_work):
    """The client, and how often it had to go on."""
    client = RfbClient(turn_work=turn_work)
    client.receive_data(data)
    count = 1
    while client.unfinished:
        client.go_on()
        count += 1
        assert count < 10_000
    return client, count


@pytest.fixture
def in_small_steps(monkeypatch):
    monkeypatch.setattr(framebuffer, "STEP_PIXELS", 9_000)
    monkeypatch.setattr(tight, "STEP_PIXELS", 9_000)


@pytest.mark.parametrize("make", [rre, hextile, zrle, gradient, fills, copies])
@pytest.mark.usefixtures("in_small_steps")
def test_what_is_interrupted_shows_the_same(server, make):
    rects = make(server)
    data = start(server) + server.update(rects, count=COUNTS.get(make, 1))
    at_once, one = turns(data, 1 << 62)
    in_turns, many = turns(data, TURN)
    assert one == 1
    assert many > 5
    assert np.array_equal(at_once.framebuffer, in_turns.framebuffer)
    assert at_once.taken == in_turns.taken == len(data)
    for client in (at_once, in_turns):
        events = []
        while (event := client.next_event()) is not None:
            events.append(event)
        assert [type(event) for event in events[-2:]] == [Updated, Updated]


@pytest.mark.parametrize(
    "messages",
    [b"\x02" * 500, b"\0\0\0\0" * 500, struct.pack(">BxHHHHHi", 0, 500, 0, 0, 0, 0, 7)],
    ids=["bells", "empty updates", "rectangles without pixels"],
)
def test_messages_without_pixels_are_work_too(server, messages):
    if messages[:4] == b"\0\0\x01\xf4":
        messages = server.update(*[server.fill(0, 0, 0, 0, 1, 2, 3)] * 500)
    client, count = turns(start(server) + messages, 200_000)
    assert count > 5
    assert not client.unfinished


def test_a_resize_is_work(server):
    sizes = [server.rect(0, 0, 100 + n % 2, 100, -223) for n in range(40)]
    _, count = turns(start(server) + server.update(*sizes), work.TURN_WORK)
    assert count >= 20


def test_nothing_is_decoded_beyond_a_turn(server):
    data = start(server) + server.update(fills(server), count=300)
    client = RfbClient(turn_work=TURN)
    client.receive_data(data)
    assert client.unfinished
    assert client.taken < len(data) // 2
    assert client.needed == 0
    events = []
    while (event := client.next_event()) is not None:
        events.append(event)
    assert len(events) <= 2  # the update has not ended


def test_a_failed_client_has_nothing_to_go_on_with(server):
    client, _ = turns(start(server) + b"\xee" + bytes(100), TURN)
    assert not client.unfinished
    assert client.taken == len(start(server)) + 1
    client.go_on()
    events = []
    while (event := client.next_event()) is not None:
        events.append(event)
    assert isinstance(events[-1], Failed)
    assert sum(isinstance(event, Failed) for event in events) == 1


@pytest.mark.parametrize("source", [(0, 0), (9, 0), (0, 9), (20, 20), (3, 17), (17, 3)])
@pytest.mark.usefixtures("in_small_steps")
def test_overlapping_copies_in_bands(server, source):
    rng = random.Random(4)
    raw = server.rect(0, 0, WIDTH, HEIGHT, 0, rng.randbytes(WIDTH * HEIGHT * 4))
    x, y = source
    copy = server.rect(10, 10, 250, 170, 1, struct.pack(">HH", x, y))
    before, _ = turns(start(server) + server.update(raw), TURN)
    after, _ = turns(start(server) + server.update(raw, copy), TURN)
    wanted = before.framebuffer.copy()
    wanted[10:180, 10:260] = before.framebuffer[y : y + 170, x : x + 250]
    assert np.array_equal(after.framebuffer, wanted)


def test_bands_cover_a_rectangle_once():
    rect = Rect(3, 5, 70, 31)
    for upwards in (False, True):
        parts = list(bands(rect, 700, upwards))
        assert all(part.width * part.height <= 700 for part in parts)
        assert sorted(row for p in parts for row in range(p.y, p.y + p.height)) == list(
            range(5, 36)
        )
        assert (parts[0].y > parts[-1].y) == upwards
    assert list(bands(Rect(0, 0, 5, 0), 10)) == []
    assert [part.height for part in bands(Rect(0, 0, 50, 3), 10)] == [1, 1, 1]


def test_small_pieces_are_not_copied_again_and_again(server, monkeypatch):
    """A large message in tiny pieces: each byte is moved a few times, not once a piece."""
    moved = []
    gather = Reader.gather

    def counted(reader):
        moved.append(len(reader))
        gather(reader)

    monkeypatch.setattr(Reader, "gather", counted)
    body = bytes(400_000)
    data = start(server) + server.update(server.rect(0, 0, WIDTH, HEIGHT, 0, bytes(240_000)))
    data += struct.pack(">B3xI", 3, len(body)) + body
    client = RfbClient(turn_work=TURN)
    for at in range(0, len(data), 7):
        client.receive_data(data[at : at + 7])
        while client.unfinished:
            client.go_on()
    assert client.taken == len(data)
    assert sum(moved) < 3 * len(data)
