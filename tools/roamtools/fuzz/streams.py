"""Good streams and how they are spoilt, all from one seed. Nothing is decoded here."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dtu.core.rfb import requests
from roamtools.fuzz.encoder import KINDS, Encoder
from roamtools.fuzz.heavy import heavy

WIDTH, HEIGHT = 320, 200
HUGE = (7680, 4320)
HUGE_RECT = (2048, 1024)
HUGE_SHARE = 0.02
"""So many streams have the largest framebuffer and rectangles that a terminal takes."""

HEAVY_SHARE = 0.04
USES = 4

MOST_CHANGES = 6
LONGEST_CHANGE_DIGITS = 4.5
"""Changes have 1 to 30,000 bytes, each order of magnitude as often as the others."""

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
    # A first frame that is whole: only then anything is shown.
    data = start + encoder.update(
        encoder.rect(0, 0, WIDTH, HEIGHT, requests.TIGHT, b"\x80" + rng.randbytes(3))
    )
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
    # All of it moves by a few pixels: source and target overlap.
    data += encoder.update(
        encoder.rect(7, 5, HUGE[0] - 7, HUGE[1] - 5, requests.COPY_RECT, bytes(4))
    )
    picture = np.full((HUGE_RECT[1], HUGE_RECT[0], 3), rng.randrange(256), np.uint8)
    for kind in ("jpeg", "copy", "gradient", "palette", "zrle"):
        data += encoder.update(encoder.picture(rng.randrange(5000), 9, picture, kind))
    return data


@dataclass(frozen=True)
class Spoilt:
    """A stream with changes; `runs` are where bytes stand that the good one has not there."""

    data: bytes
    runs: tuple[tuple[int, int], ...]

    def mutated(self, taken: int) -> int:
        """How many of the first so many bytes were changed or put in."""
        return sum(max(min(end, taken) - start, 0) for start, end in self.runs)


def spoilt(stream: Stream, rng: random.Random) -> Spoilt:
    """The stream with a few changes, of which each could make a decoder believe something."""
    data = bytearray(stream.data)
    marks = bytearray(len(data))
    for _ in range(rng.randint(1, MOST_CHANGES)):
        first = 0 if rng.random() < 0.05 else min(stream.handshake, len(data) - 1)
        at = rng.randrange(first, len(data))
        start, end, new = _change(data, at, rng)
        data[start:end] = new
        marks[start:end] = b"\1" * len(new)
    runs = tuple(match.span() for match in re.finditer(rb"\x01+", marks))
    return Spoilt(bytes(data), runs)


def _change(data: bytearray, at: int, rng: random.Random) -> tuple[int, int, bytes]:
    """From where to where to put which bytes instead."""
    many = int(10 ** rng.uniform(0, LONGEST_CHANGE_DIGITS))
    kind = rng.randrange(7)
    if kind == 0:
        new = bytes((data[at] ^ 1 << rng.randrange(8),))
    elif kind == 1:
        size = rng.choice((1, 2, 4))
        new = (rng.choice(_NUMBERS) & (1 << 8 * size) - 1).to_bytes(size, "big")
    elif kind == 2:
        new = rng.randbytes(1)
    else:
        new = rng.randbytes(many)
    match kind:
        case 4:
            return at, at + rng.randint(1, 40), b""
        case 5:
            return at, at, new
        case 6:
            return at, at, bytes(data[at : at + many])
    return at, at + len(new), new


def cases(seed: int, recorded: list[Stream]) -> Iterator[tuple[Spoilt, random.Random]]:
    """Spoilt streams without end, and the generator that may go on choosing for each.

    A recording is used as often as a scripted stream, if there is any; each scripted one a few
    times, because making it takes longer than decoding it.
    """
    rng = random.Random(seed)
    while True:
        made = Stream(*heavy(rng)) if rng.random() < HEAVY_SHARE else good(rng)
        for _ in range(USES):
            stream = rng.choice(recorded) if recorded and rng.random() < 0.5 else made
            yield spoilt(stream, rng), rng
