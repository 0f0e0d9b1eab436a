"""Paints a laid out message on a surface, with fonts. What stands where is `words_page`'s."""

import os

from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.words_page import PANEL, Page

_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
)


class WordsPainter:
    """Keeps each size of the font that was used; without a font file pygame's own is taken."""

    def __init__(self) -> None:
        pygame.font.init()
        self._fonts: dict[int, pygame.font.Font] = {}
        self._file = next((path for path in _FONTS if os.path.exists(path)), None)

    def measure(self, text: str, size: int) -> tuple[int, int]:
        """Width and height in pixels of a text at a font size in pixels."""
        return self._font(size).size(text)

    def paint(self, page: Page, surface: "pygame.Surface") -> None:
        """The panel and its lines."""
        surface.fill(PANEL, (page.x, page.y, page.width, page.height))
        for line in page.lines:
            drawn = self._font(line.size).render(line.text, True, line.colour)
            surface.blit(drawn, (line.x, line.y))

    def close(self) -> None:
        """Give the fonts back."""
        self._fonts.clear()
        pygame.font.quit()

    def _font(self, size: int) -> "pygame.font.Font":
        if size not in self._fonts:
            self._fonts[size] = pygame.font.Font(self._file, size)
        return self._fonts[size]
