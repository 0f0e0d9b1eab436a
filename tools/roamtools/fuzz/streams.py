"""Good streams and how they are spoilt, all from one seed. Nothing is decoded here."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dtu.core.rfb import requests
from roamtools.fuzz.encoder import KINDS, Encoder

WIDTH, HEIGHT = 320, 200
HUGE = (7680, 4320)
HUGE_RECT = (2048, 1024)
HUGE_SHARE = 0.02
"""So many streams have the largest framebuffer and rectangles that a terminal takes."""

MOST_CHANGES = 6

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Stream:
    """What a server sends; the handshake's end, after which most changes are made."""

    data: bytes
    handshake: int


def good(rng: random.Random, huge_share: float = HUGE_SHARE) -> Stream:
    """A connection with every encoding and extension, in an order of its own."""
    encoder = Encoder(rng)
    start = encoder.handshake(WIDTH, HEIGHT)
    numbers = np.random.default_rng(rng.getrandbits(64))
    kinds = [*KINDS, "extensions"] * 2
    rng.shuffle(kinds)
    data = start
    if rng.random() < huge_share:
        data += _huge(encoder, rng)
    for kind in kinds:
        if kind == "extensions":
            data += encoder.extensions(WIDTH, HEIGHT)
            continue
        width, height = rng.randint(1, 120), rng.randint(1, 90)
        x, y = rng.randint(0, WIDTH - width), rng.randint(0, HEIGHT - height)
        small = numbers.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        picture = small.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
        data += encoder.update(encoder.picture(x, y, picture, kind))
    return Stream(data, len(start))


def _huge(encoder: Encoder, rng: random.Random) -> bytes:
    """The session becomes as large as it may, and paints as much at once as it may."""
    data = encoder.update(encoder.rect(0, 0, *HUGE, requests.DESKTOP_SIZE, b""))
    # All of the framebuffer is touched: what the process takes beyond it is then seen.
    data += encoder.update(encoder.rect(0, 0, *HUGE, requests.TIGHT, b"\x80\x01\x02\x03"))
    picture = np.full((HUGE_RECT[1], HUGE_RECT[0], 3), rng.randrange(256), np.uint8)
    for kind in ("jpeg", "copy", "gradient", "palette", "zrle"):
        data += encoder.update(encoder.picture(rng.randrange(5000), 9, picture, kind))
    return data


def spoilt(stream: Stream, rng: random.Random) -> bytes:
    """The stream with a few changes, of which each could make a decoder believe something."""
    data = bytearray(stream.data)
    for _ in range(rng.randint(1, MOST_CHANGES)):
        first = 0 if rng.random() < 0.05 else min(stream.handshake, len(data) - 1)
        at = rng.randrange(first, len(data))
        _change(data, at, rng)
    return bytes(data)


def _change(data: bytearray, at: int, rng: random.Random) -> None:
    match rng.randrange(6):
        case 0:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            data[at] = rng.randrange(256)
        case 2:
            size = rng.choice((1, 2, 4))
            number = rng.choice(_NUMBERS) & (1 << 8 * size) - 1
            data[at : at + size] = number.to_bytes(size, "big")
        case 3:
            del data[at : at + rng.randint(1, 40)]
            data.append(0)
        case 4:
            data[at:at] = rng.randbytes(rng.randint(1, 40))
        case _:
            size = rng.choice((1, 12, 40, 400))
            data[at:at] = data[at : at + size]


def cases(seed: int, recorded: list[Stream]) -> Iterator[tuple[bytes, random.Random]]:
    """Spoilt streams without end, and the generator that may go on choosing for each.

    A recording is used as often as a scripted stream, if there is any.
    """
    rng = random.Random(seed)
    while True:
        stream = rng.choice(recorded) if recorded and rng.random() < 0.5 else good(rng)
        yield spoilt(stream, rng), rng
