"""What a session shows while the decoding bench records it: an X client. Recording is not here.

`python -m roamtools.bench.decode_scenes SCENE WIDTH HEIGHT` draws on DISPLAY until it is ended. The
same scene is the same picture every time: all of it comes from one seed.
"""

import argparse
import math
import os
import random
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

os.environ["SDL_VIDEODRIVER"] = "x11"
os.environ["SDL_VIDEO_WINDOW_POS"] = "0,0"
from dtu.drivers.display.sdl import pygame

SEED = 20261123
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
PAGE_HEIGHT = 9000
"""Pixels of a document or web page: some eight screens."""

SCROLL_HZ, SCROLL_STEP = 30, 54
"""A finger on the wheel: three lines a step."""

VIDEO_HZ = 60

SENTENCES = """the quarterly report shows that delivery of parts to the north has improved while
costs of transport rose by eleven per cent against the plan which was made before summer and nobody
had asked whether a second warehouse would pay for itself within three years or not"""
WORDS = SENTENCES.split()

Scene = Callable[["pygame.Surface", int], None]
"""Draws the frame of this number."""


def office(size: tuple[int, int]) -> Scene:
    """A text document under a toolbar: headings, paragraphs and tables on white."""
    rng = random.Random(SEED)
    page = pygame.Surface((size[0], PAGE_HEIGHT))
    page.fill((208, 212, 218))
    left, width = size[0] // 6, size[0] * 2 // 3
    page.fill((255, 255, 255), (left, 0, width, PAGE_HEIGHT))
    y = 40
    while y < PAGE_HEIGHT - 400:
        y = _text(page, rng, left + 80, y, width - 160, 40, 1, (31, 73, 125))
        for _ in range(rng.randint(2, 4)):
            y = _text(page, rng, left + 80, y + 14, width - 160, 19, rng.randint(4, 9), (0, 0, 0))
        y = _table(page, rng, left + 80, y + 20, width - 160) + 30
    bar = pygame.Surface((size[0], 96))
    bar.fill((240, 240, 244))
    for number in range(24):
        bar.fill(_colour(rng), (20 + number * 62, 40, 36, 36))
    return _scrolled(page, bar)


def web(size: tuple[int, int]) -> Scene:
    """A news page: photographs, cards with soft colours, text."""
    rng = random.Random(SEED)
    photo = _photo(1600, 1000)
    page = pygame.Surface((size[0], PAGE_HEIGHT))
    page.fill((250, 250, 247))
    column = size[0] // 3
    for x in range(3):
        y = 30 + x * 90
        while y < PAGE_HEIGHT - 800:
            height = rng.randint(220, 420)
            source = (rng.randrange(1600 - column), rng.randrange(1000 - height))
            page.blit(photo, (x * column + 20, y), (*source, column - 40, height))
            y = _text(page, rng, x * column + 24, y + height + 12, column - 48, 30, 2, (20, 20, 20))
            page.fill(_colour(rng), (x * column + 24, y + 6, 120, 26))
            y = _text(page, rng, x * column + 24, y + 40, column - 48, 18, 5, (70, 70, 70)) + 40
    bar = pygame.Surface((size[0], 72))
    bar.fill((24, 34, 60))
    return _scrolled(page, bar)


def video(size: tuple[int, int]) -> Scene:
    """A camera that moves over a photograph, with grain, and things that move by themselves."""
    rng = np.random.default_rng(SEED)
    wide, high = size[0] + 600, size[1] + 400
    still = pygame.surfarray.array3d(_photo(wide, high)).astype(np.int16)
    takes = []
    for _ in range(4):
        grain = rng.integers(-2, 3, still.shape[:2], np.int16)[:, :, None]
        takes.append(pygame.surfarray.make_surface(np.clip(still + grain, 0, 255).astype(np.uint8)))
    ball = pygame.transform.smoothscale(takes[0].subsurface((0, 0, 400, 400)), (260, 260))

    def draw(surface: "pygame.Surface", number: int) -> None:
        x = int(300 + 299 * math.sin(number / 50))
        y = int(200 + 199 * math.sin(number / 37))
        surface.blit(takes[number % 4], (0, 0), (x, y, *size))
        for index in range(3):
            phase = number / 30 + index * 2
            where = (math.sin(phase), math.sin(phase * 1.3))
            place = [int((side - 260) * (1 + w) / 2) for side, w in zip(size, where, strict=True)]
            surface.blit(ball, place)

    return draw


SCENES = {"office": (office, SCROLL_HZ), "web": (web, SCROLL_HZ), "video": (video, VIDEO_HZ)}


def _scrolled(page: "pygame.Surface", bar: "pygame.Surface") -> Scene:
    """A page that is scrolled down and up again under a bar; all is painted again each time."""

    def draw(surface: "pygame.Surface", number: int) -> None:
        width, height = surface.get_size()
        way = page.get_height() - height
        offset = number * SCROLL_STEP % (2 * way)
        surface.blit(page, (0, 0), (0, min(offset, 2 * way - offset), width, height))
        surface.blit(bar, (0, 0))

    return draw


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(60, 240), rng.randrange(60, 240), rng.randrange(60, 240)


def _text(
    page: "pygame.Surface", rng: random.Random, x: int, y: int, width: int,
    size: int, lines: int, colour: tuple[int, int, int],
) -> int:  # fmt: skip
    """Lines of words that fill a column; gives the y below them."""
    font = _font(size)
    for _ in range(lines):
        line = rng.choice(WORDS).capitalize()
        while font.size(line)[0] < width - 4 * size:
            line += f" {rng.choice(WORDS)}"
        page.blit(font.render(line, True, colour), (x, y))
        y += size * 3 // 2
    return y


_FONTS: dict[int, "pygame.font.Font"] = {}


def _font(size: int) -> "pygame.font.Font":
    if size not in _FONTS:
        _FONTS[size] = pygame.font.Font(FONT, size)
    return _FONTS[size]


def _table(page: "pygame.Surface", rng: random.Random, x: int, y: int, width: int) -> int:
    font = _font(17)
    cell = width // 6
    for row in range(rng.randint(4, 9)):
        for column in range(6):
            place = (x + column * cell, y, cell, 28)
            page.fill((220, 230, 241) if row == 0 else (255, 255, 255), place)
            pygame.draw.rect(page, (140, 150, 160), place, 1)
            number = font.render(f"{rng.uniform(0, 9999):.2f}", True, (0, 0, 0))
            page.blit(number, (place[0] + 8, y + 4))
        y += 28
    return y


def _photo(width: int, height: int) -> "pygame.Surface":
    """Colours whose spectrum falls with frequency as that of photographs does."""
    rng = np.random.default_rng(SEED)
    frequency = np.hypot(np.fft.fftfreq(width)[:, None], np.fft.rfftfreq(height)[None, :])
    frequency[0, 0] = 1
    layers: list[npt.NDArray[np.float64]] = []
    for spread in (64.0, 22.0, 22.0):
        noise = np.fft.rfft2(rng.standard_normal((width, height))) / frequency**1.5
        layer = np.fft.irfft2(noise, (width, height))
        layers.append((layer - layer.mean()) / layer.std() * spread)
    light, warm, green = layers
    picture = np.stack([light + warm, light + green, light - warm], axis=-1) + 120
    return pygame.surfarray.make_surface(np.clip(picture, 0, 255).astype(np.uint8))


def main(arguments: list[str] | None = None) -> int:
    """Draws until the X server or a signal ends it."""
    parser = argparse.ArgumentParser(prog="decode_scenes")
    parser.add_argument("scene", choices=sorted(SCENES))
    parser.add_argument("width", type=int)
    parser.add_argument("height", type=int)
    options = parser.parse_args(arguments)
    pygame.display.init()
    pygame.font.init()
    size = (options.width, options.height)
    surface = pygame.display.set_mode(size, pygame.NOFRAME)
    make, rate_hz = SCENES[options.scene]
    draw = make(size)
    clock = pygame.time.Clock()
    number = 0
    while not pygame.event.get(pygame.QUIT):
        draw(surface, number)
        pygame.display.flip()
        number += 1
        clock.tick(rate_hz)
    return 0


if __name__ == "__main__":
    sys.exit(main())
