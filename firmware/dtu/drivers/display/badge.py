"""One line at the upper edge of a session, for some seconds: it covers little and takes no input.

The sentence has the size of small print: it is for who sits at the desk (`words_page`).
"""

from dtu.core.rfb import Rect
from dtu.core.words import Icon
from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.words_page import (
    CODE_COLOUR,
    NOTE_SHARE,
    TITLE_COLOUR,
    Line,
    Measure,
    Page,
    Picture,
    balance,
    inner_width,
    short_side,
)
from dtu.drivers.display.words_painter import WordsPainter


def lay_out_badge(text: str, screen: tuple[int, int], measure: Measure) -> Page:
    """A warning sign and the text, in the middle of the upper edge; as few lines as fit."""
    size = int(short_side(screen) * NOTE_SHARE + 0.5)
    texts = balance(text, size, inner_width(screen) - 3 * size, measure)
    line_height = measure(text, size)[1]
    text_width = max(measure(each, size)[0] for each in texts)
    width = text_width + 4 * size
    above = size // 4
    height = len(texts) * line_height + 2 * above
    left = (screen[0] - width) // 2
    lines = tuple(
        Line(each, size, TITLE_COLOUR, left + 3 * size, above + number * line_height)
        for number, each in enumerate(texts)
    )
    side = line_height
    sign = Picture(Icon.WARNING, CODE_COLOUR, left + size, (height - side) // 2, side)
    return Page(left, 0, width, height, lines, (sign,))


class Badge:
    """While `text` is not empty it is there. The caller brings changes to the display."""

    def __init__(self, painter: WordsPainter) -> None:
        self.text = ""
        self._painter = painter
        self._laid: tuple[str, tuple[int, int], Page] | None = None

    def place(self, surface: "pygame.Surface") -> Rect:
        """Where on this surface it is."""
        page = self._page(surface)
        return Rect(page.x, page.y, page.width, page.height)

    def paint(self, surface: "pygame.Surface") -> None:
        """The badge over a surface that has just been painted; nothing without a text."""
        if self.text:
            self._painter.paint(self._page(surface), surface)

    def _page(self, surface: "pygame.Surface") -> Page:
        """Laid out once: every change of the session's picture asks for its place."""
        size = surface.get_size()
        if self._laid is None or self._laid[:2] != (self.text, size):
            self._laid = (self.text, size, lay_out_badge(self.text, size, self._painter.measure))
        return self._laid[2]
