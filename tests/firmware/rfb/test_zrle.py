"""Every form of a ZRLE tile against slow, plain encoders. Other encodings are not here."""

import struct
import zlib

import numpy as np
import pytest

from dtu.core.rfb import Failed, Rect, RfbClient, Updated

ZRLE = 16


class Zrle:
    """Packs tiles as a server does: one zlib stream for all rectangles of a connection."""

    def __init__(self, server):
        self.server = server
        self.stream = zlib.compressobj(6)

    def rect(self, rect, tiles, cut=0):
        data = self.stream.compress(tiles) + self.stream.flush(zlib.Z_SYNC_FLUSH)
        if cut:
            data = data[:-cut]
        body = struct.pack(">I", len(data)) + data
        return self.server.rect(*rect, ZRLE, body)


@pytest.fixture
def zrle(server):
    return Zrle(server)


def colours(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, 3), np.uint8)


def run(length):
    return bytes([255] * ((length - 1) // 255)) + bytes(((length - 1) % 255,))


def raw(tile):
    return b"\x00" + tile.tobytes()


def packed(indices, palette):
    bits = 1 if len(palette) == 2 else 2 if len(palette) <= 4 else 4
    out = bytes((len(palette),)) + palette.tobytes()
    for row in indices:
        number = "".join(f"{index:0{bits}b}" for index in row)
        number += "0" * (-len(number) % 8)
        out += bytes(int(number[at : at + 8], 2) for at in range(0, len(number), 8))
    return out


def runs(values):
    found = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return found


def plain_rle(tile):
    pixels = [tuple(pixel) for pixel in tile.reshape(-1, 3).tolist()]
    return b"\x80" + b"".join(bytes(pixel) + run(length) for pixel, length in runs(pixels))


def palette_rle(indices, palette):
    out = bytes((128 + len(palette),)) + palette.tobytes()
    for index, length in runs(indices.reshape(-1).tolist()):
        out += bytes((index,)) if length == 1 else bytes((index | 0x80,)) + run(length)
    return out


def failure(events):
    assert isinstance(events[-1], Failed), events
    return events[-1].error.reason


def shown(client, feed, server, rect, data):
    assert feed(client, server.update(data)) == [Updated((Rect(*rect),))]
    x, y, width, height = rect
    return client.framebuffer[y : y + height, x : x + width, :3]


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (33, 7)])
def test_raw_tiles(client, server, feed, zrle, size):
    picture = np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for _ in range(2):  # the second needs what the stream remembers of the first
        got = shown(client, feed, server, (0, 0, *size), zrle.rect((0, 0, *size), raw(picture)))
        assert (got == picture).all()


def test_solid_tiles_and_tiles_at_the_edges(server, feed, zrle):
    client = RfbClient()
    feed(client, server.handshake(150, 100))
    tiles = b"".join(b"\x01" + bytes((number, 0, 9)) for number in range(6))
    got = shown(client, feed, server, (0, 0, 150, 100), zrle.rect((0, 0, 150, 100), tiles))
    for number, (x, y) in enumerate([(0, 0), (64, 0), (128, 0), (0, 64), (64, 64), (128, 64)]):
        assert (got[y : y + 64, x : x + 64] == (number, 0, 9)).all()


@pytest.mark.parametrize("size", [2, 3, 4, 5, 16])
@pytest.mark.parametrize("width", [1, 8, 13, 64])
def test_packed_palettes(client, server, feed, zrle, size, width):
    palette = colours(size)
    indices = np.random.default_rng(size).integers(0, size, (9, width))
    rect = (0, 3, width, 9)
    got = shown(client, feed, server, rect, zrle.rect(rect, packed(indices, palette)))
    assert (got == palette[indices]).all()


def long_runs(size, width, height):
    """Runs of every length up to a whole tile."""
    lengths = np.random.default_rng(size).integers(1, 700, width * height)
    values = np.random.default_rng(7).integers(0, size, width * height)
    return np.repeat(values, lengths)[: width * height].reshape(height, width)


def test_plain_runs(client, server, feed, zrle):
    tile = colours(5)[long_runs(5, 64, 48)]
    got = shown(client, feed, server, (0, 0, 64, 48), zrle.rect((0, 0, 64, 48), plain_rle(tile)))
    assert (got == tile).all()


@pytest.mark.parametrize("size", [2, 40, 127])
def test_palette_runs(client, server, feed, zrle, size):
    palette = colours(size)
    indices = long_runs(size, 64, 48)
    indices[0, :10] = np.arange(10) % size
    data = zrle.rect((0, 0, 64, 48), palette_rle(indices, palette))
    assert (shown(client, feed, server, (0, 0, 64, 48), data) == palette[indices]).all()


def test_a_large_rectangle_comes_in_pieces(server, feed, zrle):
    client = RfbClient()
    feed(client, server.handshake(700, 500))
    picture = np.random.default_rng(3).integers(0, 256, (500, 700, 3), np.uint8)
    tiles = b""
    for y in range(0, 500, 64):
        for x in range(0, 700, 64):
            tiles += raw(np.ascontiguousarray(picture[y : y + 64, x : x + 64]))
    data = server.update(zrle.rect((0, 0, 700, 500), tiles))
    assert len(data) > 900_000
    events = []
    for at in range(0, len(data), 50_000):
        events += feed(client, data[at : at + 50_000])
    assert events == [Updated((Rect(0, 0, 700, 500),))]
    assert (client.framebuffer[:, :, :3] == picture).all()


NOTHING = b"\x00\x00\x00\xff\xff" * 60_000
"""Empty blocks of zlib: more bytes than are asked for at a time, and no pixel in them."""


def test_what_follows_the_last_tile_is_read(client, server, feed, zrle):
    data = zrle.stream.compress(b"\x01\x01\x02\x03") + zrle.stream.flush(zlib.Z_SYNC_FLUSH)
    body = struct.pack(">I", len(data + NOTHING)) + data + NOTHING
    shown(client, feed, server, (0, 0, 4, 4), server.rect(0, 0, 4, 4, ZRLE, body))
    more = zrle.stream.compress(b"?") + zrle.stream.flush(zlib.Z_SYNC_FLUSH)
    data = zrle.stream.compress(b"\x01\x01\x02\x03") + zrle.stream.flush(zlib.Z_SYNC_FLUSH)
    body = struct.pack(">I", len(more + data + NOTHING)) + more + data + NOTHING
    assert failure(feed(client, server.update(server.rect(0, 0, 4, 4, ZRLE, body)))) == "zrle-tile"


def test_what_follows_the_last_tile_must_be_nothing(client, server, feed, zrle):
    data = zrle.stream.compress(b"\x01\x01\x02\x03") + zrle.stream.flush(zlib.Z_SYNC_FLUSH)
    more = zrle.stream.compress(b"?") + zrle.stream.flush(zlib.Z_SYNC_FLUSH)
    body = struct.pack(">I", len(data + NOTHING + more)) + data + NOTHING + more
    assert failure(feed(client, server.update(server.rect(0, 0, 4, 4, ZRLE, body)))) == "zrle-size"


@pytest.mark.parametrize(
    ("tiles", "reason"),
    [
        (b"\x11" + bytes(100), "zrle-tile"),
        (b"\x81" + bytes(100), "zrle-tile"),
        (b"\x01\x01\x02", "zrle-size"),
        (b"\x01\x01\x02\x03\x04", "zrle-size"),
        (b"\x01\x01\x02\x03" + bytes(10_000_000), "zrle-size"),
        (b"\x80" + b"abc" + run(257), "zrle-run"),
        (b"\x80" + b"abc" + bytes([255] * 5000), "zrle-run"),
        (b"\x03" + bytes(9) + b"\xff" * 64, "zrle-palette"),
        (b"\x82" + bytes(6) + b"\x02" * 256, "zrle-palette"),
    ],
)
def test_bytes_that_are_no_zrle(client, server, feed, zrle, tiles, reason):
    data = server.update(zrle.rect((0, 0, 16, 16), tiles))
    assert failure(feed(client, data)) == reason


def test_bytes_that_are_no_zlib(client, server, feed):
    body = struct.pack(">I", 20) + b"this is not zlib data"[:20]
    data = server.update(server.rect(0, 0, 16, 16, ZRLE, body))
    assert failure(feed(client, data)) == "zrle-zlib"


def test_nothing_is_kept_of_what_comes_after_the_end_of_the_stream(client, server, feed):
    ended = zlib.compress(b"\x01\x02\x03\x04")
    length = 64 * 48 * 5
    head = server.rect(0, 0, 64, 48, ZRLE, struct.pack(">I", length) + ended)
    events = feed(client, server.update(head + bytes(length - len(ended))))
    assert failure(events) == "zrle-zlib"


def test_more_bytes_than_the_pixels_can_take_are_refused_at_once(client, server, feed):
    head = server.rect(0, 0, 64, 48, ZRLE, struct.pack(">I", 0xFFFFFFFF))
    assert failure(feed(client, server.update(head))) == "zrle-size"
