"""The menu on a surface: painted over what is there, with a mouse pointer of its own."""

from dtu.core.menu import MenuView
from dtu.drivers.display.menu_page import MenuLayout, lay_out_menu
from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.words_page import short_side
from dtu.drivers.display.words_painter import WordsPainter

_ARROW = ((0, 0), (0, 17), (4, 13), (7, 19), (10, 18), (7, 12), (12, 12))
"""The pointer, in 1/24 of its height."""

_ARROW_SHARE = 0.045
"""Of the short side: as high as the letters of a row."""

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


class MenuOverlay:
    """While `view` is set the menu is on the screen. The caller brings changes to the display."""

    def __init__(self, painter: WordsPainter) -> None:
        self.view: MenuView | None = None
        self._painter = painter
        self._layout: MenuLayout | None = None
        self._under: tuple[pygame.Surface, tuple[int, int]] | None = None

    def row_at(self, x: int, y: int) -> int:
        """The row of the menu under a pixel; -1 if none is."""
        if self.view is None or self._layout is None:
            return -1
        return self._layout.row_at(x, y)

    def paint(self, surface: "pygame.Surface", pointer: tuple[int, int] | None) -> None:
        """The menu over a surface that has just been painted anew; nothing without a view."""
        self._under = self._layout = None
        if self.view is None:
            return
        self._layout = lay_out_menu(self.view, surface.get_size(), self._painter.measure)
        self._painter.paint(self._layout.page, surface)
        if pointer is not None:
            self.move(surface, pointer)

    def move(self, surface: "pygame.Surface", pointer: tuple[int, int]) -> list["pygame.Rect"]:
        """Paint the pointer at another place; returns what changed."""
        changed = [surface.blit(*self._under)] if self._under is not None else []
        size = max(int(short_side(surface.get_size()) * _ARROW_SHARE), 16)
        area = pygame.Rect(*pointer, size, size).clip(surface.get_rect())
        self._under = (surface.subsurface(area).copy(), area.topleft)
        points = [(pointer[0] + x * size // 24, pointer[1] + y * size // 24) for x, y in _ARROW]
        pygame.draw.polygon(surface, _WHITE, points)
        pygame.draw.lines(surface, _BLACK, True, points, max(size // 24, 1))
        return [*changed, area]
