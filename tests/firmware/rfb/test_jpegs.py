"""JPEGs that wait for each other: order holds, with threads and without."""

import struct
import threading

import numpy as np
import pytest
import simplejpeg

from dtu.core.rfb import Failed, RfbClient, Updated, jpegs

WIDTH, HEIGHT = 400, 300


def crew_of(threads):
    """As the terminal's, with threads that end."""

    def together(work):
        others = [threading.Thread(target=work) for _ in range(threads)]
        for other in others:
            other.start()
        work()
        for other in others:
            other.join()

    return together


@pytest.fixture(params=[None, 1, 3], ids=["alone", "two threads", "four threads"])
def crew(request, monkeypatch):
    monkeypatch.setattr(jpegs, "_CREW_PIXELS", 0)
    return None if request.param is None else crew_of(request.param)


def jpeg(server, x, y, width, height, shade, change=lambda data: data):
    picture = np.full((height, width, 3), shade, np.uint8)
    data = change(simplejpeg.encode_jpeg(picture, 95, "RGB", "444"))
    return server.tight(x, y, width, height, b"\x90" + server.length(len(data)) + data)


def shown(server, crew, *rects):
    client = RfbClient(crew=crew)
    client.receive_data(server.handshake(WIDTH, HEIGHT))
    client.receive_data(server.update(server.fill(0, 0, WIDTH, HEIGHT, 5, 5, 5), *rects))
    events = []
    while (event := client.next_event()) is not None:
        events.append(event)
    assert isinstance(events[-1], Updated), events
    return client.framebuffer[:, :, 1].astype(int)


def test_many_side_by_side(server, crew):
    places = [(x, y) for y in range(0, 300, 30) for x in range(0, 400, 40)]
    rects = [jpeg(server, x, y, 40, 30, 1 + n) for n, (x, y) in enumerate(places)]
    assert len(rects) > 64  # more than may wait
    picture = shown(server, crew, *rects)
    for number, (x, y) in enumerate(places):
        assert np.abs(picture[y : y + 30, x : x + 40] - 1 - number).max() <= 1


def test_later_ones_cover_earlier_ones(server, crew):
    rects = [jpeg(server, n * 7, n * 5, 60, 50, 10 + 9 * n) for n in range(20)]
    picture = shown(server, crew, *rects)
    for number in range(20):
        assert abs(picture[number * 5 + 2, number * 7 + 2] - 10 - 9 * number) <= 1


def test_other_pictures_are_above_what_came_before_them(server, crew):
    below = jpeg(server, 0, 0, 200, 200, 200)
    fill = server.fill(50, 50, 20, 20, 80, 80, 80)
    copy = server.rect(300, 200, 30, 30, 1, struct.pack(">HH", 10, 10))
    raw = server.rect(100, 100, 10, 10, 0, b"\x30" * 400)
    picture = shown(server, crew, below, fill, copy, raw)
    assert (picture[50:70, 50:70] == 80).all()
    assert np.abs(picture[200:230, 300:330] - 200).max() <= 1
    assert (picture[100:110, 100:110] == 0x30).all()
    assert np.abs(picture[0:50, 0:200] - 200).max() <= 1


def test_a_resize_does_not_lose_its_way(server, crew):
    resize = server.rect(0, 0, 100, 80, -223)
    picture = shown(
        server, crew, jpeg(server, 0, 0, 300, 200, 99), resize, jpeg(server, 0, 0, 100, 80, 44)
    )
    assert picture.shape == (80, 100)
    assert np.abs(picture - 44).max() <= 1


def test_one_bad_jpeg_among_many_fails_the_client(server, crew):
    def cut(data):
        return data[: len(data) // 2]

    client = RfbClient(crew=crew)
    client.receive_data(server.handshake(WIDTH, HEIGHT))
    rects = [jpeg(server, 0, 30 * n, 300, 30, n) for n in range(8)]
    rects[3] = jpeg(server, 0, 90, 300, 30, 3, cut)
    client.receive_data(server.update(*rects))
    events = []
    while (event := client.next_event()) is not None:
        events.append(event)
    assert isinstance(events[-1], Failed)
    assert events[-1].error.reason == "jpeg"
    assert not client.connected
