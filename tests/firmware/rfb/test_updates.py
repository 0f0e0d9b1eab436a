"""Raw, CopyRect, cursor, sizes, painting, and broken bytes. The Tight encoding is not here."""

import random
import struct
import tracemalloc

import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtu.core.rfb import CursorChanged, Failed, Rect, Resized, RfbClient, Updated
from dtu.core.rfb.limits import MAX_UPDATE_RECTS

RAW, COPY_RECT, TIGHT = 0, 1, 7
CURSOR, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, LAST_RECT = -239, -223, -308, -224
REQUEST_CHANGES = struct.pack(">BBHHHH", 3, 1, 0, 0, 64, 48)


def failure(events):
    assert isinstance(events[-1], Failed), events
    return events[-1].error.reason


def random_bgrx(width, height):
    return np.random.default_rng(3).integers(0, 256, (height, width, 4), np.uint8)


def test_raw_and_the_next_request(client, server, feed):
    picture = random_bgrx(10, 8)
    events = feed(client, server.update(server.rect(2, 3, 10, 8, RAW, picture.tobytes())))
    assert events == [Updated((Rect(2, 3, 10, 8),))]
    assert (client.framebuffer[3:11, 2:12] == picture).all()
    assert client.data_to_send() == REQUEST_CHANGES


def test_a_large_raw_comes_in_pieces(server, feed):
    client = RfbClient()
    feed(client, server.handshake(700, 300))
    picture = random_bgrx(700, 300)
    data = server.update(server.rect(0, 0, 700, 300, RAW, picture.tobytes()))
    middle = len(data) // 2
    assert feed(client, data[:middle]) == []
    assert (client.framebuffer[:90] == picture[:90]).all()
    assert feed(client, data[middle:]) == [Updated((Rect(0, 0, 700, 300),))]
    assert (client.framebuffer == picture).all()


def test_rectangles_without_area_are_harmless(client, server, feed):
    rects = [server.rect(64, 0, 0, 48, RAW), server.rect(0, 48, 64, 0, RAW)]
    rects.append(server.rect(0, 0, 0, 0, COPY_RECT, bytes(4)))
    assert len(feed(client, server.update(*rects))[0].rects) == 3


@pytest.mark.parametrize("source", [(0, 0), (6, 4), (3, 5), (20, 20)])
def test_copy_rect_may_overlap(client, server, feed, source):
    picture = random_bgrx(64, 48)
    feed(client, server.update(server.rect(0, 0, 64, 48, RAW, picture.tobytes())))
    body = struct.pack(">HH", *source)
    feed(client, server.update(server.rect(5, 4, 30, 20, COPY_RECT, body)))
    x, y = source
    assert (client.framebuffer[4:24, 5:35] == picture[y : y + 20, x : x + 30]).all()


@pytest.mark.parametrize(
    "rect",
    [
        (60, 0, 5, 1, RAW, b""),
        (0, 47, 1, 2, RAW, b""),
        (65535, 65535, 65535, 65535, TIGHT, b""),
        (0, 0, 10, 10, COPY_RECT, struct.pack(">HH", 60, 0)),
    ],
)
def test_rectangles_outside_are_refused(client, server, feed, rect):
    assert failure(feed(client, server.update(server.rect(*rect)))) == "rect-outside"


def test_unknown_encodings_are_refused(client, server, feed):
    assert failure(feed(client, server.update(server.rect(0, 0, 1, 1, 6, b"")))) == "encoding"


def test_last_rect_ends_an_update(client, server, feed):
    rects = (server.fill(0, 0, 64, 48, 1, 1, 1), server.rect(0, 0, 0, 0, LAST_RECT))
    assert feed(client, server.update(*rects, count=0xFFFF)) == [Updated((Rect(0, 0, 64, 48),))]
    assert feed(client, b"\x02")


def test_painted_when_each_pixel_has_come(client, server, feed):
    feed(client, server.update(server.fill(0, 0, 64, 40, 1, 1, 1)))
    assert not client.painted
    feed(client, server.update(server.fill(0, 40, 63, 8, 1, 1, 1)))
    assert not client.painted
    feed(client, server.update(server.fill(63, 40, 1, 8, 1, 1, 1)))
    assert client.painted
    feed(client, server.update(server.fill(0, 0, 1, 1, 2, 2, 2)))
    assert client.painted


def test_cursor(client, server, feed):
    pixels = random_bgrx(9, 3)
    mask = np.random.default_rng(5).integers(0, 2, (3, 9), np.uint8)
    body = pixels.tobytes() + np.packbits(mask, axis=1).tobytes()
    changed, updated = feed(client, server.update(server.rect(4, 2, 9, 3, CURSOR, body)))
    assert isinstance(changed, CursorChanged)
    assert updated == Updated(())
    cursor = changed.cursor
    assert (cursor.hotspot_x, cursor.hotspot_y, cursor.width, cursor.height) == (4, 2, 9, 3)
    assert (cursor.image[:, :, :3] == pixels[:, :, :3] * mask[:, :, None]).all()
    assert (cursor.image[:, :, 3] == mask * 255).all()


def test_cursor_of_no_pixels_and_too_many(client, server, feed):
    (changed, _) = feed(client, server.update(server.rect(0, 0, 0, 0, CURSOR)))
    assert changed.cursor.width == changed.cursor.height == 0
    assert failure(feed(client, server.update(server.rect(0, 0, 1, 300, CURSOR)))) == "cursor-size"


def test_cursor_side_is_bounded(client, server, feed):
    assert failure(feed(client, server.update(server.rect(0, 0, 300, 1, CURSOR)))) == "cursor-size"


def test_resize_makes_a_black_framebuffer_and_asks_for_all(client, server, feed):
    feed(client, server.update(server.fill(0, 0, 64, 48, 9, 9, 9)))
    client.data_to_send()
    old = client.framebuffer
    events = feed(client, server.update(server.rect(0, 0, 32, 16, DESKTOP_SIZE)))
    assert events == [Resized(32, 16), Updated(())]
    assert client.framebuffer is not old
    assert client.framebuffer.shape == (16, 32, 4)
    assert not client.framebuffer.any()
    assert not client.painted
    assert client.data_to_send() == struct.pack(">BBHHHH", 3, 0, 0, 0, 32, 16)


def test_resize_to_the_same_size_is_none(client, server, feed):
    before = client.framebuffer
    assert feed(client, server.update(server.rect(0, 0, 64, 48, DESKTOP_SIZE))) == [Updated(())]
    assert client.framebuffer is before


def test_resize_is_bounded(client, server, feed):
    data = server.update(server.rect(0, 0, 65535, 65535, DESKTOP_SIZE))
    assert failure(feed(client, data)) == "framebuffer-size"


def test_a_refused_size_changes_nothing(client, server, feed):
    assert feed(client, server.update(server.extended_size(1, 3, 500, 500))) == [Updated(())]
    assert client.framebuffer.shape == (48, 64, 4)


def story(server):
    """Server bytes with a bit of everything."""
    jpeg = simplejpeg.encode_jpeg(random_bgrx(32, 16)[:, :, :3].copy(), 80, "RGB")
    body = bytes((0x90,)) + server.length(len(jpeg)) + jpeg
    palette = bytes((0x50, 1, 3)) + bytes(range(12)) + server.packed(1, bytes([0, 1, 2, 3] * 20))
    gradient = bytes((0x60, 2)) + server.packed(2, bytes(range(120)))
    return (
        server.handshake()
        + server.update(
            server.fill(0, 0, 64, 48, 5, 6, 7),
            server.tight(0, 0, 32, 16, body),
            server.tight(4, 4, 10, 8, palette),
            server.tight(4, 14, 8, 5, gradient),
            server.rect(8, 8, 16, 16, COPY_RECT, struct.pack(">HH", 10, 12)),
            server.rect(3, 3, 5, 5, RAW, bytes(100)),
            server.rect(1, 1, 8, 8, CURSOR, bytes(8 * 8 * 4 + 8)),
            server.rect(1, 1, 8, 8, -314, bytes(4 + 8 * 8 * 4)),
            server.rect(0, 0, 0, 0, -307, struct.pack(">I", 4) + b"desk"),
            server.rect(0, 0, 0, 0, -261, b"\x05"),
            server.extended_size(0, 0, 80, 50),
            server.tight(0, 0, 20, 20, bytes((0x00,)) + server.packed(0, bytes(1200))),
        )
        + server.fence(0x80000001, b"ping")
        + server.end_of_continuous_updates()
    )


def test_a_cut_stream_waits_for_more(server, feed):
    data = story(server)
    for end in range(0, len(data), 7):
        events = feed(RfbClient(), data[:end])
        assert not any(isinstance(event, Failed) for event in events)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_mutated_bytes_end_in_an_event_never_in_an_exception(server, seed):
    choose = random.Random(seed)
    data = bytearray(story(type(server)()))
    for _ in range(choose.randint(1, 5)):
        data[choose.randrange(len(data))] = choose.randrange(256)
    client = RfbClient((Rect(0, 0, 640, 480),))
    place = 0
    while place < len(data):
        step = choose.randint(1, 400)
        client.receive_data(bytes(data[place : place + step]))
        place += step
        while client.next_event() is not None:
            pass
        client.data_to_send()


def test_what_a_hostile_header_allocates_is_bounded(client, server, feed):
    tracemalloc.start()
    try:
        feed(client, server.update(server.rect(0, 0, 64, 48, RAW)))
        hostile = server.update(server.tight(0, 0, 64, 48, bytes((0x90, 0xFF, 0xFF, 0xFF))))
        feed(client, bytes(64 * 48 * 4) + hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_fill_that_changes_nothing_is_told_apart(client, server, feed):
    whole = server.fill(0, 0, 64, 48, 9, 9, 9)
    # Until the owner has seen a whole frame nothing is the same.
    assert feed(client, server.update(whole, whole))[0].same == ()
    assert client.painted
    other = server.fill(10, 10, 5, 5, 1, 1, 1)
    assert feed(client, server.update(whole, other, whole)) == [
        Updated((Rect(10, 10, 5, 5), Rect(0, 0, 64, 48)), (Rect(0, 0, 64, 48),))
    ]
    # One pixel that differs, away from the corners, is found.
    feed(client, server.update(server.fill(30, 20, 1, 1, 1, 1, 1)))
    assert feed(client, server.update(whole))[0].rects == (Rect(0, 0, 64, 48),)
    assert (client.framebuffer[:, :, :3] == 9).all()
    nothing = server.fill(0, 0, 0, 48, 9, 9, 9)
    assert feed(client, server.update(nothing))[0].rects == (Rect(0, 0, 0, 48),)


def test_after_a_resize_nothing_is_the_same(client, server, feed):
    whole = server.fill(0, 0, 64, 48, 0, 0, 0)
    feed(client, server.update(whole))
    assert client.painted
    resize = server.rect(0, 0, 32, 16, DESKTOP_SIZE)
    events = feed(client, server.update(resize, server.fill(0, 0, 32, 16, 0, 0, 0)))
    assert events[-1] == Updated((Rect(0, 0, 32, 16),))


def test_very_many_rectangles_are_told_as_what_holds_them(client, server, feed):
    feed(client, server.update(server.fill(0, 0, 64, 48, 9, 9, 9)))
    assert client.painted
    dots = [server.fill(10 + n % 7, 5 + n % 11, 1, 1, n % 250, 0, 0) for n in range(5000)]
    (event,) = feed(client, server.update(*dots))
    assert len(event.rects) <= MAX_UPDATE_RECTS
    assert event.rects[0] == Rect(10, 5, 7, 11)
    again = [server.fill(0, 0, 1, 1, 9, 9, 9)] * 5000
    (event,) = feed(client, server.update(*again))
    assert len(event.same) == MAX_UPDATE_RECTS
    assert set(event.rects) == {Rect(0, 0, 1, 1)}


def test_tiny_pieces_take_no_more_memory_than_their_bytes(client, server, feed):
    length = bytes((0xFF, 0xFF, 0xFE))  # 4 MB, of which a twentieth comes
    feed(client, server.update(server.tight(0, 0, 64, 48, b"\x90" + length)))
    tracemalloc.start()
    try:
        for number in range(60_000):
            client.receive_data(struct.pack(">H", number))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
