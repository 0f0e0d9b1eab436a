"""RRE and Hextile against slow, plain encoders. Raw is with the updates."""

import struct

import numpy as np
import pytest

from dtu.core.rfb import Failed, Rect, RfbClient, Updated

RRE, HEXTILE = 2, 5
RAW, BACKGROUND, FOREGROUND, SUBRECTS, COLOURED = 1, 2, 4, 8, 16
BLUE, GREEN, RED = b"\xff\x00\x00\x00", b"\x00\xff\x00\x00", b"\x00\x00\xff\x00"


def failure(events):
    assert isinstance(events[-1], Failed), events
    return events[-1].error.reason


def part(client, rect):
    x, y, width, height = rect
    return client.framebuffer[y : y + height, x : x + width, :3]


def one_by_one(client, data):
    """Feed a byte at a time: each place at which a read can end."""
    events = []
    for byte in data:
        client.receive_data(bytes((byte,)))
        while (event := client.next_event()) is not None:
            events.append(event)
    return events


def test_rre(client, server, feed):
    body = struct.pack(">I", 2) + BLUE
    body += GREEN + struct.pack(">HHHH", 1, 2, 3, 4) + RED + struct.pack(">HHHH", 2, 2, 18, 1)
    assert feed(client, server.update(server.rect(5, 6, 20, 10, RRE, body))) == [
        Updated((Rect(5, 6, 20, 10),))
    ]
    expected = np.full((10, 20, 3), (255, 0, 0), np.uint8)
    expected[2:6, 1:4] = (0, 255, 0)
    expected[2, 2:20] = (0, 0, 255)
    assert (part(client, (5, 6, 20, 10)) == expected).all()
    assert client.framebuffer[:6].sum() == 0


def test_rre_of_more_rectangles_than_fit_in_a_piece(server, feed):
    client = RfbClient()
    feed(client, server.handshake(300, 100))
    places = [(x, y) for y in range(100) for x in range(300)]
    body = struct.pack(">I", len(places)) + BLUE
    for x, y in places:
        body += bytes((x & 255, y, 7, 0)) + struct.pack(">HHHH", x, y, 1, 1)
    assert isinstance(
        feed(client, server.update(server.rect(0, 0, 300, 100, RRE, body)))[0], Updated
    )
    y, x = np.mgrid[0:100, 0:300]
    assert (client.framebuffer[:, :, 0] == x & 255).all()
    assert (client.framebuffer[:, :, 1] == y).all()


@pytest.mark.parametrize(
    ("count", "place", "reason"),
    [
        (1, (0, 0, 21, 1), "rre-outside"),
        (1, (0, 9, 1, 2), "rre-outside"),
        (201, (0, 0, 1, 1), "rre-count"),
    ],
)
def test_rre_is_checked(client, server, feed, count, place, reason):
    body = struct.pack(">I", count) + BLUE + GREEN + struct.pack(">HHHH", *place)
    assert failure(feed(client, server.update(server.rect(0, 0, 20, 10, RRE, body)))) == reason


def hextile(picture):
    """Each kind of tile in turn, on a picture that fits: see `story`."""
    height, width = picture.shape[:2]
    out = b""
    for y in range(0, height, 16):
        for x in range(0, width, 16):
            tile = picture[y : y + 16, x : x + 16]
            out += bytes((RAW,)) + np.dstack([tile, tile[:, :, :1]]).tobytes()
    return out


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (40, 33), (17, 16)])
def test_hextile_of_raw_tiles(client, server, size):
    picture = np.random.default_rng(4).integers(0, 256, (size[1], size[0], 3), np.uint8)
    data = server.update(server.rect(3, 2, *size, HEXTILE, hextile(picture)))
    assert one_by_one(client, data) == [Updated((Rect(3, 2, *size),))]
    assert (part(client, (3, 2, *size)) == picture).all()


def test_hextile_keeps_colours_from_tile_to_tile(client, server):
    body = bytes((BACKGROUND | FOREGROUND | SUBRECTS,)) + BLUE + GREEN
    body += bytes((2, 0x00, 0x10, 0xFF, 0x00))  # 2x1 at the corner, 1x1 at (15, 15)
    body += bytes((SUBRECTS, 1, 0x23, 0x45))  # the same colours: 5x6 at (2, 3)
    body += bytes((0,))  # the background alone
    body += bytes((SUBRECTS | COLOURED, 1)) + RED + bytes((0x00, 0x00))
    data = server.update(server.rect(0, 0, 32, 32, HEXTILE, body))
    assert one_by_one(client, data) == [Updated((Rect(0, 0, 32, 32),))]
    expected = np.full((32, 32, 3), (255, 0, 0), np.uint8)
    expected[0, 0:2] = expected[15, 15] = (0, 255, 0)
    expected[3:9, 18:23] = (0, 255, 0)
    expected[16, 16] = (0, 0, 255)
    assert (part(client, (0, 0, 32, 32)) == expected).all()


def test_hextile_is_checked(client, server, feed):
    body = bytes((BACKGROUND | FOREGROUND | SUBRECTS,)) + BLUE + GREEN + bytes((1, 0x00, 0x40))
    data = server.update(server.rect(0, 0, 4, 4, HEXTILE, body))
    assert failure(feed(client, data)) == "hextile-outside"
