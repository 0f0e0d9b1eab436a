"""Lays a message out for a screen: lines, sizes, places. Fonts and pixels are not here."""

from collections.abc import Callable
from dataclasses import dataclass

from dtu.core.words import Words

BACKGROUND = (16, 24, 34)
PANEL = (24, 36, 52)
CODE_COLOUR = (255, 196, 84)
TITLE_COLOUR = (255, 255, 255)
TEXT_COLOUR = (208, 218, 230)

_MAX_TEXT_LINES = 8
"""A sentence for a person has at most 512 characters."""

Measure = Callable[[str, int], tuple[int, int]]
"""Width and height in pixels of a text at a font size in pixels."""


@dataclass(frozen=True)
class Line:
    """One line of text with its font size, colour and top left corner, in pixels."""

    text: str
    size: int
    colour: tuple[int, int, int]
    x: int
    y: int


@dataclass(frozen=True)
class Page:
    """The panel's corner and size, and the lines on it, in pixels of the screen."""

    x: int
    y: int
    width: int
    height: int
    lines: tuple[Line, ...]


def lay_out(words: Words, screen: tuple[int, int], measure: Measure) -> Page:
    """The code number large, then title and text, all centred on a panel in the middle."""
    width, height = screen
    unit = max(min(width * 10 // 16, height), 160)
    inner = width * 7 // 10
    rows: list[tuple[str, int, tuple[int, int, int], int]] = [
        (str(words.code), unit // 5, CODE_COLOUR, unit // 60)
    ]
    for line in wrap(words.title, unit // 14, inner, measure):
        rows.append((line, unit // 14, TITLE_COLOUR, unit // 60))
    for line in wrap(words.text, unit // 26, inner, measure):
        rows.append((line, unit // 26, TEXT_COLOUR, unit // 120))
    margin = unit // 14
    total = sum(measure(text, size)[1] + gap for text, size, _, gap in rows)
    panel_width = min(inner + 2 * margin, width)
    panel_height = min(total + 2 * margin, height)
    y = (height - panel_height) // 2
    page_y, y = y, y + margin
    lines = []
    for text, size, colour, gap in rows:
        line_width, line_height = measure(text, size)
        lines.append(Line(text, size, colour, (width - line_width) // 2, y))
        y += line_height + gap
    return Page((width - panel_width) // 2, page_y, panel_width, panel_height, tuple(lines))


def wrap(text: str, size: int, width: int, measure: Measure) -> list[str]:
    """Break a text at spaces into lines that fit; a word that does not fit stays whole."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measure(longer, size)[0] <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > _MAX_TEXT_LINES:
        lines[_MAX_TEXT_LINES - 1 :] = [lines[_MAX_TEXT_LINES - 1] + " …"]
    return lines
