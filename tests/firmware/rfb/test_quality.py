"""JPEG quality by measured rate, and mending of what is still. Decoding is not here."""

import numpy as np
import pytest
import simplejpeg

from dtu.core.rfb import Rect
from dtu.core.rfb.lossy import TILE, Areas, LossyTiles
from dtu.core.rfb.quality import QualityPolicy, Wish
from dtu.core.timing import MEND_PATIENCE_S, QUALITY_HOLD_S, STILL_S

WIDTH, HEIGHT = 640, 400
ALL = 2**62


# -- tiles


def covered(rects):
    picture = np.zeros((HEIGHT, WIDTH), int)
    for x, y, width, height in rects:
        picture[y : y + height, x : x + width] += 1
    return picture


def test_marked_tiles_are_found_once_and_clipped():
    tiles = LossyTiles(WIDTH, HEIGHT)
    assert not tiles.any
    marks = [Rect(0, 0, 1, 1), Rect(100, 70, 200, 60), Rect(639, 399, 1, 1)]
    for mark in marks:
        tiles.mark(mark)
    areas = tiles.still(tiles.number, ALL)
    found = covered(areas.rects)
    assert found.max() == 1
    for x, y, width, height in marks:
        assert found[y : y + height, x : x + width].all()
    assert found.sum() == areas.pixels == 64 * 64 + 4 * 64 * 128 + 64 * (400 - 384)
    tiles.mended(areas)
    assert not tiles.any


def test_newer_tiles_are_not_still_and_not_mended():
    tiles = LossyTiles(WIDTH, HEIGHT)
    tiles.mark(Rect(0, 0, 64, 64))
    tiles.number = 5
    tiles.mark(Rect(64, 0, 64, 64))
    assert tiles.still(4, ALL).rects == (Rect(0, 0, 64, 64),)
    asked = tiles.still(5, ALL)
    assert asked.rects == (Rect(0, 0, 128, 64),)
    assert not tiles.came_again(asked)
    tiles.number = 6
    tiles.mark(Rect(0, 0, 10, 10))
    assert tiles.came_again(asked)
    tiles.mended(asked)
    assert tiles.still(6, ALL).rects == (Rect(0, 0, 64, 64),)


def test_copies_carry_the_loss():
    tiles = LossyTiles(WIDTH, HEIGHT)
    tiles.copy(Rect(0, 0, 100, 100), Rect(200, 0, 100, 100))
    assert not tiles.any
    tiles.mark(Rect(0, 0, 10, 10))
    tiles.copy(Rect(0, 0, 100, 100), Rect(256, 0, 64, 64))
    assert Rect(256, 0, 64, 64) in tiles.still(1, ALL).rects


def test_a_slice_is_bounded_but_never_empty():
    tiles = LossyTiles(WIDTH, HEIGHT)
    tiles.mark(Rect(0, 0, WIDTH, HEIGHT))
    assert tiles.still(1, 1).rects == (Rect(0, 0, WIDTH, TILE),)
    assert tiles.still(1, WIDTH * 130).rects == (Rect(0, 0, WIDTH, 64), Rect(0, 64, WIDTH, 64))
    large = LossyTiles(64 * 40, 64 * 40)
    for y in range(40):
        for x in range(y % 2, 40, 2):
            large.mark(Rect(x * 64, y * 64, 1, 1))
    assert len(large.still(1, ALL).rects) == 64


def test_the_client_marks_what_came_by_jpeg(client, server, feed):
    picture = np.full((48, 64, 3), 90, np.uint8)
    data = simplejpeg.encode_jpeg(picture, 80, "RGB")
    body = b"\x90" + server.length(len(data)) + data
    feed(client, server.update(server.fill(0, 0, 64, 48, 1, 2, 3)))
    assert not client.lossy.any
    feed(client, server.update(server.tight(0, 0, 64, 48, body)))
    assert client.lossy.any
    number = client.lossy.number
    client.data_to_send()
    client.set_quality(None, 3)
    client.ask_again((Rect(1, 2, 3, 4), Rect(5, 6, 7, 8)))
    sent = client.data_to_send()
    assert sent.endswith(
        bytes((3, 0, 0, 1, 0, 2, 0, 3, 0, 4)) + bytes((3, 0, 0, 5, 0, 6, 0, 7, 0, 8))
    )
    assert (-253).to_bytes(4, "big", signed=True) in sent
    assert not any(level.to_bytes(4, "big", signed=True) in sent for level in range(-32, -22))
    feed(client, server.update(server.rect(0, 0, 32, 16, -223)))
    assert client.lossy.number > number
    assert not client.lossy.any


# -- the policy


class Session:
    """A policy with the time and the tiles of a session that answers as it is told."""

    def __init__(self):
        self.policy = QualityPolicy()
        self.tiles = LossyTiles(WIDTH, HEIGHT)
        self.now = 100.0
        self.wishes = []

    def decide(self):
        wish = self.policy.decide(self.now, self.tiles)
        if wish is not None:
            self.wishes.append(wish)
        return wish

    def update(self, rect, jpeg=True, size=100_000, seconds=0.0):
        """An update that takes so long to arrive, in reads of 10 ms."""
        reads = max(round(seconds / 0.01), 1)
        for _ in range(reads):
            self.policy.received(size // reads, self.now)
            self.now += seconds / reads
        if jpeg:
            self.tiles.mark(rect)
        self.tiles.number += 1
        self.policy.updated([rect], [], self.tiles.number - 1, self.now)
        return self.decide()

    def wait(self):
        """Until the policy's deadline."""
        self.now = max(self.policy.next_deadline(), self.now)
        return self.decide()


WHOLE = Rect(0, 0, WIDTH, HEIGHT)
USUAL = Wish(8, 1)


def test_a_still_picture_is_mended_and_then_left_alone():
    session = Session()
    assert session.policy.next_deadline() is None
    for _ in range(5):
        session.now += 0.03
        assert session.update(WHOLE) is None
    moved = session.now
    wish = session.wait()
    assert session.now == pytest.approx(moved + STILL_S)
    assert (wish.quality, wish.compression) == (None, 1)
    assert covered(wish.again.rects).min() == 1
    session.now += 0.02
    assert session.update(Rect(0, 0, WIDTH, 200), jpeg=False) is None
    session.now += 0.02
    assert session.update(Rect(0, 200, WIDTH, 200), jpeg=False) == USUAL
    assert session.policy.next_deadline() is None
    assert not session.tiles.any


def test_nothing_is_mended_while_it_moves():
    session = Session()
    for _ in range(100):
        session.now += 0.1
        assert session.update(WHOLE) is None
    assert session.wishes == []


def test_a_small_thing_that_moves_does_not_keep_the_rest_from_being_mended():
    session = Session()
    session.update(WHOLE)
    small = Rect(0, 0, 60, 60)
    for _ in range(8):
        session.now += 0.05
        session.update(small)
    (wish,) = session.wishes
    found = covered(wish.again.rects)
    assert found[100:, 100:].all()
    assert not found[:64, :64].any()


def test_motion_while_mending_brings_the_quality_back():
    session = Session()
    session.update(Rect(0, 0, 64, 64))
    assert session.wait().again is not None
    session.now += 0.02
    for _ in range(3):
        session.now += 0.01
        session.update(Rect(0, 64, WIDTH, 300), size=500_000)
    assert session.wishes[-1] == USUAL
    assert session.tiles.any


def test_an_answer_that_never_comes_is_asked_for_ever_later():
    session = Session()
    session.update(WHOLE)
    asked = []
    while len(asked) < 12:
        before = session.now
        wish = session.wait()
        assert session.now > before
        if wish is not None and wish.again is not None:
            asked.append(session.now)
        elif wish is not None:
            assert wish == USUAL
            assert session.now - asked[-1] == pytest.approx(MEND_PATIENCE_S)
    gaps = np.diff(asked)
    assert gaps[0] < 4
    assert (np.diff(gaps) >= -0.01).all()
    assert 15 < gaps[-1] < 30


def test_bytes_on_their_way_are_waited_for():
    session = Session()
    session.update(WHOLE)
    session.wait()
    for _ in range(100):
        session.now += 0.5
        session.policy.received(1000, session.now)
        assert session.decide() is None
        assert session.policy.next_deadline() == pytest.approx(session.now + MEND_PATIENCE_S)


def test_nothing_is_asked_for_while_an_update_is_on_its_way():
    session = Session()
    session.update(WHOLE)
    for _ in range(20):
        session.now += 0.1
        session.policy.received(1000, session.now)
        assert session.decide() is None
    assert session.wait() is None or session.wishes[-1].again is not None
    session.now += STILL_S
    session.decide()
    assert session.wishes[-1].again is not None


def test_a_server_that_sends_jpeg_all_the_same_is_asked_ever_later():
    session = Session()
    session.update(WHOLE)
    asked = []
    while len(asked) < 12:
        wish = session.wait()
        if wish is not None and wish.again is not None:
            asked.append(session.now)
            session.now += 0.02
            for rect in wish.again.rects:
                session.update(rect)
    assert np.diff(asked)[-1] > 15
    session.wait()
    for rect in session.wishes[-1].again.rects:
        session.update(rect, jpeg=False)
    assert session.policy.next_deadline() is None


def rates(session, bytes_a_second, seconds):
    """Full-screen updates at this rate for so long."""
    end = session.now + seconds
    while session.now < end:
        session.update(WHOLE, size=int(bytes_a_second * 0.25), seconds=0.25)


@pytest.mark.parametrize(
    ("bytes_a_second", "quality"),
    [(20_000_000, 8), (1_400_000, 7), (700_000, 6), (350_000, 4), (80_000, 2)],
)
def test_quality_follows_the_rate(bytes_a_second, quality):
    session = Session()
    rates(session, bytes_a_second, 5)
    last = session.wishes[-1] if session.wishes else USUAL
    assert last.quality == quality
    assert len(session.wishes) <= 1


def test_quality_comes_back_slowly_and_only_if_it_is_worth_it():
    session = Session()
    rates(session, 400_000, 4)
    assert session.wishes[-1].quality == 4
    rates(session, 550_000, 6)
    assert session.wishes[-1].quality == 4
    rates(session, 800_000, 6)
    assert session.wishes[-1].quality == 6
    changed = session.now
    rates(session, 10_000_000, 5)
    assert session.wishes[-1].quality == 8
    assert session.now - changed >= QUALITY_HOLD_S


def test_a_quick_server_with_little_to_say_is_no_slow_network():
    session = Session()
    for _ in range(200):
        session.now += 0.016
        session.update(Rect(0, 0, 300, 300), size=5_000)
    assert session.wishes == []


def test_a_slow_network_is_mended_in_slices():
    session = Session()
    rates(session, 400_000, 4)
    session.wishes.clear()
    wish = session.wait()
    sizes = []
    while wish is not None and wish.again is not None:
        sizes.append(wish.again.pixels)
        for rect in wish.again.rects:
            wish = session.update(rect, jpeg=False, size=rect.width * rect.height, seconds=0.05)
    assert len(sizes) == 7
    assert max(sizes) <= WIDTH * TILE
    assert not session.tiles.any
    assert wish.quality == 4


def test_a_late_answer_is_no_motion_that_ends_the_next_question():
    session = Session()
    session.update(WHOLE)
    session.now += STILL_S
    late = Rect(0, 0, WIDTH, 90)
    session.policy.updated([late], [], session.tiles.number - 1, session.now - 0.1)
    assert session.decide().again is not None
    assert session.decide() is None


def test_areas_know_their_size():
    assert Areas((Rect(0, 0, 10, 5), Rect(9, 9, 1, 1)), 1).pixels == 51
