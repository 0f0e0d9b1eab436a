"""Every form of the Tight encoding against a slow, plain decoder. Sockets are not here."""

import zlib

import numpy as np
import pytest
import simplejpeg

from dtu.core.rfb import Failed, Rect, RfbClient, Updated

FILL, JPEG = 0x80, 0x90
COPY, PALETTE, GRADIENT = 0, 1, 2


def rgb(client, rect):
    x, y, width, height = rect
    return client.framebuffer[y : y + height, x : x + width, 2::-1]


def random_rgb(width, height, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth_rgb(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 3, y * 4, x + y], axis=-1).astype(np.uint8)


def shown(feed, client, server, rect, body):
    assert feed(client, server.update(server.tight(*rect, body))) == [Updated((Rect(*rect),))]
    return rgb(client, rect)


def failure(events):
    assert isinstance(events[-1], Failed), events
    return events[-1].error.reason


def test_fill(client, server, feed):
    picture = shown(feed, client, server, (3, 4, 10, 5), bytes((FILL, 10, 20, 30)))
    assert (picture == (10, 20, 30)).all()
    assert client.framebuffer.sum() == 10 * 5 * 60


@pytest.mark.parametrize("stream", range(4))
def test_copy_filter_on_each_stream(client, server, feed, stream):
    picture = random_rgb(20, 10)
    body = bytes((stream << 4,)) + server.packed(stream, picture.tobytes())
    assert (shown(feed, client, server, (1, 2, 20, 10), body) == picture).all()
    # The second rectangle needs what the stream remembers of the first.
    body = bytes((stream << 4 | 0x40, COPY)) + server.packed(stream, picture.tobytes())
    assert len(body) < 100
    assert (shown(feed, client, server, (30, 2, 20, 10), body) == picture).all()


def test_streams_are_reset_on_demand(client, server, feed):
    picture = random_rgb(20, 10)
    body = bytes((0,)) + server.packed(0, picture.tobytes())
    shown(feed, client, server, (0, 0, 20, 10), body)
    server.streams[0] = zlib.compressobj(9)
    body = bytes((0b0001,)) + server.packed(0, picture.tobytes())
    assert (shown(feed, client, server, (5, 5, 20, 10), body) == picture).all()
    server.streams[2] = zlib.compressobj(9)
    shown(feed, client, server, (0, 0, 1, 1), bytes((FILL | 0b0100, 1, 2, 3)))
    body = bytes((0x20,)) + server.packed(2, picture.tobytes())
    assert (shown(feed, client, server, (5, 5, 20, 10), body) == picture).all()


def test_small_pictures_are_not_compressed(client, server, feed):
    picture = random_rgb(3, 1)
    body = bytes((0,)) + picture.tobytes()
    assert (shown(feed, client, server, (0, 0, 3, 1), body) == picture).all()


@pytest.mark.parametrize("colours", [1, 3, 17, 256])
def test_palette_filter(client, server, feed, colours):
    palette = random_rgb(colours, 1)[0]
    indices = np.random.default_rng(2).integers(0, colours, (11, 13), np.uint8)
    body = bytes((0x50, PALETTE, colours - 1)) + palette.tobytes()
    body += server.packed(1, indices.tobytes())
    assert (shown(feed, client, server, (7, 9, 13, 11), body) == palette[indices]).all()


@pytest.mark.parametrize("width", [1, 7, 8, 9, 33])
def test_two_colours_take_one_bit_a_pixel(client, server, feed, width):
    palette = random_rgb(2, 1)[0]
    bits = np.random.default_rng(width).integers(0, 2, (13, width), np.uint8)
    body = bytes((0x50, PALETTE, 1)) + palette.tobytes()
    body += server.packed(1, np.packbits(bits, axis=1).tobytes())
    assert (shown(feed, client, server, (2, 3, width, 13), body) == palette[bits]).all()


def gradient_differences(picture):
    """The sender's side of the gradient filter, pixel by pixel."""
    height, width, _ = picture.shape
    whole = picture.astype(int)
    out = np.zeros_like(picture)
    for y in range(height):
        for x in range(width):
            left = whole[y, x - 1] if x else 0
            above = whole[y - 1, x] if y else 0
            corner = whole[y - 1, x - 1] if x and y else 0
            guess = np.clip(left + above - corner, 0, 255)
            out[y, x] = (whole[y, x] - guess) & 0xFF
    return out


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (16, 5), (5, 16), (12, 12)])
@pytest.mark.parametrize("make", [random_rgb, smooth_rgb])
def test_gradient_filter(client, server, feed, size, make):
    picture = make(*size)
    body = bytes((0x70, GRADIENT)) + server.packed(3, gradient_differences(picture).tobytes())
    assert (shown(feed, client, server, (4, 4, *size), body) == picture).all()


@pytest.mark.parametrize("grey", [False, True])
def test_jpeg(client, server, feed, grey):
    picture = smooth_rgb(40, 30)
    if grey:
        data = simplejpeg.encode_jpeg(picture[:, :, :1].copy(), 95, "GRAY")
        picture = np.repeat(picture[:, :, :1], 3, axis=2)
    else:
        data = simplejpeg.encode_jpeg(picture, 95, "RGB", "444")
    body = bytes((JPEG,)) + server.length(len(data)) + data
    got = shown(feed, client, server, (8, 8, 40, 30), body)
    assert np.abs(got.astype(int) - picture).mean() < 6


def test_a_long_picture_takes_a_length_of_three_bytes(server, feed):
    client = RfbClient()
    feed(client, server.handshake(400, 200))
    picture = random_rgb(400, 200)
    body = bytes((0,)) + server.packed(0, picture.tobytes())
    assert len(body) > 1 << 14
    assert (shown(feed, client, server, (0, 0, 400, 200), body) == picture).all()


def test_pictures_without_area_are_harmless(client, server, feed):
    for body in (bytes((0,)), bytes((0x40, GRADIENT)), bytes((0x40, PALETTE, 2)) + bytes(9)):
        assert feed(client, server.update(server.tight(5, 5, 0, 7, body)))
        assert feed(client, server.update(server.tight(5, 5, 7, 0, body)))
    assert client.connected


BOMB = zlib.compress(bytes(10_000_000))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bytes((0xA0,)), "tight-control"),
        (bytes((0xF0,)), "tight-control"),
        (bytes((0x40, 3)), "tight-filter"),
        (bytes((0x00, 20)) + b"this is not zlib data", "tight-zlib"),
        (bytes((0x00, 0)), "tight-size"),
        (bytes((0x00, 20)) + zlib.compress(bytes(100)).ljust(20, b"\0"), "tight-size"),
        (bytes((0x00, len(BOMB) & 0x7F | 0x80, len(BOMB) >> 7)) + BOMB, "tight-size"),
        (bytes((JPEG, 0)), "jpeg"),
        (bytes((JPEG, 5)) + b"JPEG?", "jpeg"),
    ],
)
def test_bytes_that_are_no_tight(client, server, feed, body, reason):
    body = body.ljust(40, b"\0")
    assert failure(feed(client, server.update(server.tight(0, 0, 20, 10, body)))) == reason


def test_palette_indices_are_checked(client, server, feed):
    body = bytes((0x40, PALETTE, 2)) + bytes(9) + server.packed(0, bytes([3] * 100))
    assert failure(feed(client, server.update(server.tight(0, 0, 10, 10, body)))) == "tight-palette"


def test_a_jpeg_must_have_the_size_of_its_rectangle(client, server, feed):
    data = simplejpeg.encode_jpeg(random_rgb(39, 30), 50, "RGB")
    body = bytes((JPEG,)) + server.length(len(data)) + data
    assert failure(feed(client, server.update(server.tight(0, 0, 40, 30, body)))) == "jpeg-size"


def test_a_cut_jpeg_is_refused(client, server, feed):
    data = simplejpeg.encode_jpeg(random_rgb(40, 30), 90, "RGB")[:-200]
    body = bytes((JPEG,)) + server.length(len(data)) + data
    assert failure(feed(client, server.update(server.tight(0, 0, 40, 30, body)))) == "jpeg"


def jpeg_of(server, width, height, change=lambda data: data):
    data = change(simplejpeg.encode_jpeg(random_rgb(width, height), 90, "RGB"))
    return bytes((JPEG,)) + server.length(len(data)) + data


def at_marker(marker, offset, value):
    """Another byte in the segment of this marker."""

    def change(data):
        at = data.index(bytes((0xFF, marker))) + offset
        return data[:at] + bytes((value,)) + data[at + 1 :]

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (at_marker(0xC0, 1, 0xC2), "jpeg-kind"),  # progressive
        (at_marker(0xC0, 1, 0xC9), "jpeg-kind"),  # arithmetic coding
        (at_marker(0xC0, 9, 1), "jpeg-scans"),
        (at_marker(0xDA, 4, 1), "jpeg-scans"),
        (at_marker(0xC0, 6, 0), "jpeg-size"),
        (at_marker(0xDB, 0, 0xAA), "jpeg"),  # garbage between segments
        (at_marker(0xDB, 1, 0xD0), "jpeg"),  # a marker without a length
        (lambda data: data[:300], "jpeg"),
        (lambda data: b"\xff\xd8\xff", "jpeg"),
    ],
)
def test_jpegs_that_cost_too_much_or_are_none(client, server, feed, change, reason):
    good, bad = jpeg_of(server, 40, 30), jpeg_of(server, 40, 30, change)
    # After a good one too, whose header is known by then.
    first = server.update(server.tight(0, 0, 40, 30, good))
    events = feed(client, first + server.update(server.tight(0, 0, 40, 30, bad)))
    assert failure(events[-1:]) == reason


@pytest.mark.parametrize("size", [(0, 30), (40, 0), (0, 0)])
def test_a_jpeg_for_a_rectangle_without_area_is_refused(client, server, feed, size):
    """To libturbojpeg a width of 0 means: as wide as the JPEG says."""
    body = jpeg_of(server, 40, 30)
    assert failure(feed(client, server.update(server.tight(0, 0, *size, body)))) == "jpeg-size"


def test_a_jpeg_writes_nothing_beside_its_rectangle(client, server, feed):
    before = client.framebuffer.copy()
    feed(client, server.update(server.tight(11, 7, 40, 30, jpeg_of(server, 40, 30))))
    changed = (client.framebuffer != before).any(axis=2)
    assert changed[7:37, 11:51].any(axis=0).all()
    changed[7:37, 11:51] = False
    assert not changed.any()
