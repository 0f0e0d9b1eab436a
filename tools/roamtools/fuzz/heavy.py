"""Few bytes that cost a decoder much: a session could freeze a terminal with them. All are good."""

import random
import struct
import zlib
from collections.abc import Callable

from dtu.core.rfb import requests
from roamtools.fuzz.encoder import Encoder

WIDTH, HEIGHT = 7680, 4320
"""The largest framebuffer that a terminal takes."""


def fills(encoder: Encoder, rng: random.Random) -> bytes:
    """All of the screen in one colour, again and again: 16 bytes each."""
    body = b"\x80" + rng.randbytes(3)
    return encoder.update(*[encoder.rect(0, 0, WIDTH, HEIGHT, requests.TIGHT, body)] * 1000)


def rre(encoder: Encoder, rng: random.Random) -> bytes:
    """Subrectangles of 12 bytes, each as large as the screen."""
    subrect = rng.randbytes(4) + struct.pack(">HHHH", 0, 0, WIDTH, HEIGHT)
    body = struct.pack(">I4x", 2000) + subrect * 2000
    return encoder.update(encoder.rect(0, 0, WIDTH, HEIGHT, requests.RRE, body))


def hextile(encoder: Encoder, rng: random.Random) -> bytes:
    """Tiles with 255 subrectangles each."""
    tile = b"\x0e" + rng.randbytes(8) + b"\xff" + b"\x00\xff" * 255
    return encoder.update(encoder.rect(0, 0, 1024, 1024, requests.HEXTILE, tile * 64 * 64))


def copies(encoder: Encoder, rng: random.Random) -> bytes:
    """The screen, moved by a few pixels, again and again."""
    x, y = rng.randint(0, 9), rng.randint(0, 9)
    rects = []
    for number in range(1000):
        source = struct.pack(">HH", *((0, 0) if number % 2 else (x, y)))
        place = (x, y) if number % 2 else (0, 0)
        rects.append(
            encoder.rect(*place, WIDTH - x, HEIGHT - y, requests.COPY_RECT, source),
        )
    return encoder.update(*rects)


def gradients(encoder: Encoder, rng: random.Random) -> bytes:
    """The largest rectangles with the filter that numpy is slowest at."""
    width, height = rng.choice(((2048, 1024), (4096, 512), (485, 4320)))
    packed = zlib.compress(bytes(width * height * 3), 1)
    length = len(packed)
    head = bytes((0x7F, 2, length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14))
    return encoder.update(*[encoder.rect(0, 0, width, height, 7, head + packed)] * 3)


def runs(encoder: Encoder, rng: random.Random) -> bytes:
    """ZRLE tiles of runs of one pixel, which zlib packs to next to nothing."""
    tile = b"\x80" + (rng.randbytes(3) + b"\0") * 64 * 64
    packed = zlib.compress(tile * 30 * 30)
    body = struct.pack(">I", len(packed)) + packed
    return encoder.update(encoder.rect(0, 0, 1920, 1920, requests.ZRLE, body))


def nothings(encoder: Encoder, rng: random.Random) -> bytes:
    """Rectangles without pixels, updates without rectangles, bells."""
    rects = [encoder.rect(rng.randrange(99), 0, 0, 0, requests.TIGHT, b"\x80abc")] * 15_000
    return encoder.update(*rects) + encoder.update() * 10_000 + b"\x02" * 60_000


def sizes(encoder: Encoder, rng: random.Random) -> bytes:
    """The screen's size changes all the time."""
    rects = [
        encoder.rect(0, 0, WIDTH - number % 2, HEIGHT, requests.DESKTOP_SIZE, b"")
        for number in range(15_000)
    ]
    return encoder.update(*rects)


def pointers(encoder: Encoder, rng: random.Random) -> bytes:
    """Pointers of the largest shape, and lamps."""
    shape = encoder.rect(0, 0, 256, 256, requests.CURSOR, rng.randbytes(256 * 256 * 4 + 8192))
    lamps = [encoder.rect(0, 0, 0, 0, requests.QEMU_LEDS, b"\x05")] * 10_000
    return encoder.update(*[shape] * 3, *lamps)


HEAVY: tuple[Callable[[Encoder, random.Random], bytes], ...] = (
    fills, rre, hextile, copies, gradients, runs, nothings, sizes, pointers,
)  # fmt: skip


def heavy(rng: random.Random) -> tuple[bytes, int]:
    """One of these after a handshake and a whole first frame, and where the handshake ends."""
    encoder = Encoder(rng)
    start = encoder.handshake(WIDTH, HEIGHT)
    whole = encoder.rect(0, 0, WIDTH, HEIGHT, requests.TIGHT, b"\x80\x01\x02\x03")
    return start + encoder.update(whole) + rng.choice(HEAVY)(encoder, rng), len(start)
