"""Paints a laid out page on a surface, with fonts and icons. What stands where is not here."""

import itertools
import os

from dtu.core.words import Icon
from dtu.drivers.display.icons import GRID, ICONS, Area, Point
from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.words_page import PANEL, Colour, Page, Picture

_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
)

_FINER = 4
"""Icons are drawn so many times larger and scaled down: pygame draws polygons without smoothing."""

_MAX_ICONS = 32
"""Icons kept drawn; there are fifteen, in one size and colour at a time."""


class WordsPainter:
    """Keeps each size of the font that was used; without a font file pygame's own is taken."""

    def __init__(self) -> None:
        pygame.font.init()
        self._fonts: dict[int, pygame.font.Font] = {}
        self._icons: dict[tuple[Icon, Colour, int], pygame.Surface] = {}
        self._file = next((path for path in _FONTS if os.path.exists(path)), None)

    def measure(self, text: str, size: int) -> tuple[int, int]:
        """Width and height in pixels of a text at a font size in pixels."""
        return self._font(size).size(text)

    def lacks(self, text: str) -> str:
        """The characters that the font has no shape for."""
        metrics = self._font(GRID).metrics(text)
        return "".join(letter for letter, known in zip(text, metrics, strict=True) if not known)

    def paint(self, page: Page, surface: "pygame.Surface") -> None:
        """The panel, its bars, icons and lines."""
        surface.fill(PANEL, (page.x, page.y, page.width, page.height))
        for bar in page.bars:
            surface.fill(bar.colour, (bar.x, bar.y, bar.width, bar.height))
        for picture in page.pictures:
            surface.blit(self._icon(picture), (picture.x, picture.y))
        for line in page.lines:
            drawn = self._font(line.size).render(line.text, True, line.colour)
            surface.blit(drawn, (line.x, line.y))

    def close(self) -> None:
        """Give the fonts back."""
        self._fonts.clear()
        self._icons.clear()
        pygame.font.quit()

    def _font(self, size: int) -> "pygame.font.Font":
        if size not in self._fonts:
            self._fonts[size] = pygame.font.Font(self._file, size)
        return self._fonts[size]

    def _icon(self, picture: Picture) -> "pygame.Surface":
        key = (picture.icon, picture.colour, picture.side)
        if key not in self._icons:
            if len(self._icons) >= _MAX_ICONS:
                self._icons.clear()
            self._icons[key] = draw_icon(*key)
        return self._icons[key]


def draw_icon(icon: Icon, colour: Colour, side: int) -> "pygame.Surface":
    """An icon on nothing, `side` pixels wide and high."""
    unit = side * _FINER / GRID
    large = pygame.Surface((side * _FINER, side * _FINER), pygame.SRCALPHA)
    # The colour without opacity, or scaling would mix black into the edges.
    large.fill((*colour, 0))
    for shape in ICONS[icon]:
        paint = (*colour, 0) if shape.hole else (*colour, 255)
        points = [(x * unit, y * unit) for x, y in shape.points]
        if isinstance(shape, Area):
            pygame.draw.polygon(large, paint, points)
        else:
            _stroke(large, paint, points, shape.width * unit)
    return pygame.transform.smoothscale(large, (side, side))


def _stroke(
    surface: "pygame.Surface", paint: tuple[int, ...], points: list[Point], width: float
) -> None:
    """Each piece as a rectangle, each point as a disc: pygame's thick lines have slanted ends."""
    half = width / 2
    for point in points:
        pygame.draw.circle(surface, paint, point, half)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-6)
        dx, dy = (y1 - y0) / length * half, (x0 - x1) / length * half
        corners = [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)]
        pygame.draw.polygon(surface, paint, corners)
