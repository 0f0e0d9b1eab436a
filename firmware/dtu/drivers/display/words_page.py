"""Lays a message out for a screen: icon, lines, sizes, places. Fonts and pixels are not here.

Sizes are shares of the screen's short side, since a screen is turned, not stretched. The smallest
screen that a desk is likely to have is 15 inches, 229 mm high. ISO 9241-303 wants capitals of 16
minutes of arc at the least: at 2 m that is 9.3 mm, 4.1 % of 229 mm. A capital of DejaVu Sans is
0.73 of the font's size, so a sentence needs a font of 5.6 % of the short side.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dtu.core.words import Field, Icon, Words

Colour = tuple[int, int, int]

BACKGROUND: Colour = (16, 24, 34)
PANEL: Colour = (24, 36, 52)
CODE_COLOUR: Colour = (255, 196, 84)
TITLE_COLOUR: Colour = (255, 255, 255)
TEXT_COLOUR: Colour = (208, 218, 230)
NOTE_COLOUR: Colour = (176, 190, 206)

FIELD: Colour = (52, 70, 94)
"""Ground of a line to fill in."""

CODE_SHARE, TITLE_SHARE, TEXT_SHARE = 0.14, 0.086, 0.056
NOTE_SHARE, FIELD_SHARE = 0.037, 0.07
"""Small print is for who sits at the desk: 16 minutes of arc at 1.3 m."""

INNER_SHARE, LONGEST_LINE = 0.86, 1.55
"""Text takes this much of the width, and never more than so many short sides: some 50 letters."""

_SCALES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""A server's own text may have 512 characters: it is set smaller rather than cut off."""

Measure = Callable[[str, int], tuple[int, int]]
"""Width and height in pixels of a text at a font size in pixels."""


@dataclass(frozen=True)
class Line:
    """One line of text with its font size, colour and top left corner, in pixels."""

    text: str
    size: int
    colour: Colour
    x: int
    y: int


@dataclass(frozen=True)
class Picture:
    """An icon's kind, colour, top left corner and side, in pixels."""

    icon: Icon
    colour: Colour
    x: int
    y: int
    side: int


@dataclass(frozen=True)
class Bar:
    """A filled rectangle behind lines, in pixels."""

    colour: Colour
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Page:
    """The panel's corner and size, and what is on it, in pixels of the screen."""

    x: int
    y: int
    width: int
    height: int
    lines: tuple[Line, ...]
    pictures: tuple[Picture, ...] = ()
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True)
class _Row:
    """A line before it has a place: text, font size, colour, gap below.

    `field`: it is to be filled in, and stands in a box. `active`: the next key goes here, so the
    box has a line below.
    """

    text: str
    size: int
    colour: Colour
    gap: int
    field: bool = False
    active: bool = False


def short_side(screen: tuple[int, int]) -> int:
    """What all sizes are shares of; never so small that a font would have no pixels."""
    return max(min(screen), 160)


def inner_width(screen: tuple[int, int]) -> int:
    """How wide a line of text may be."""
    return int(min(screen[0] * INNER_SHARE, short_side(screen) * LONGEST_LINE))


def lay_out(words: Words, screen: tuple[int, int], measure: Measure) -> Page:
    """Icon and number, then title, text and small print, centred on a panel in the middle."""
    width, height = screen
    margin = short_side(screen) // 16
    for scale in _SCALES:
        rows = _rows(words, screen, measure, scale)
        total = sum(measure(row.text, row.size)[1] + row.gap for row in rows) + 2 * margin
        if total <= height:
            break
    panel_width = min(inner_width(screen) + 2 * margin, width)
    panel_height = min(total, height)
    left, top = (width - panel_width) // 2, (height - panel_height) // 2
    lines: list[Line] = []
    bars: list[Bar] = []
    y = top + margin
    for row in rows:
        line_width, line_height = measure(row.text, row.size)
        if row.field:
            bars += _box(row, screen, y, line_height)
        lines.append(Line(row.text, row.size, row.colour, (width - line_width) // 2, y))
        y += line_height + row.gap
    first, picture = _beside(lines[0], words.icon, measure)
    return Page(left, top, panel_width, panel_height, (first, *lines[1:]), (picture,), tuple(bars))


def _box(row: _Row, screen: tuple[int, int], y: int, height: int) -> list[Bar]:
    """The ground of a line to fill in, and the line below it if the next key goes there."""
    width = _field_width(screen)
    left, edge = (screen[0] - width) // 2, max(height // 12, 2)
    box = [Bar(FIELD, left, y, width, height + edge)]
    return [*box, Bar(CODE_COLOUR, left, y + height, width, edge)] if row.active else box


def _field_width(screen: tuple[int, int]) -> int:
    return inner_width(screen) * 2 // 3


def _rows(words: Words, screen: tuple[int, int], measure: Measure, scale: float) -> list[_Row]:
    unit, inner = short_side(screen) * scale, inner_width(screen)
    rows = [_Row(str(words.code), int(unit * CODE_SHARE), CODE_COLOUR, int(unit / 60))]
    for text, share, colour in (
        (words.title, TITLE_SHARE, TITLE_COLOUR),
        (words.text, TEXT_SHARE, TEXT_COLOUR),
        (words.note, NOTE_SHARE, NOTE_COLOUR),
    ):
        if share == NOTE_SHARE:
            for field in words.fields:
                rows += _field_rows(field, screen, unit, measure)
        size = int(unit * share + 0.5)
        rows += [
            _Row(line, size, colour, size // 8) for line in balance(text, size, inner, measure)
        ]
        # Between a title, its text and the small print: half a line.
        rows[-1] = replace(rows[-1], gap=size // 2)
    return rows


def _field_rows(field: Field, screen: tuple[int, int], unit: float, measure: Measure) -> list[_Row]:
    """The label and the box below; of a text that is too long, its end is seen."""
    small, size = int(unit * NOTE_SHARE + 0.5), int(unit * FIELD_SHARE + 0.5)
    seen, room = field.seen, _field_width(screen) - size
    while seen and measure(seen, size)[0] > room:
        seen = seen[1:]
    return [
        _Row(field.label, small, NOTE_COLOUR, small // 8),
        _Row(seen, size, TITLE_COLOUR, size // 2, True, field.active),
    ]


def _beside(number: Line, icon: Icon, measure: Measure) -> tuple[Line, Picture]:
    """The number with its icon to the left, both centred as one."""
    side = measure(number.text, number.size)[1]
    shift = (side + side // 3) // 2
    moved = Line(number.text, number.size, number.colour, number.x + shift, number.y)
    return moved, Picture(icon, number.colour, number.x - shift, number.y, side)


def wrap(text: str, size: int, width: int, measure: Measure) -> list[str]:
    """Break a text into lines that fit: at spaces, and inside of a word that is too long."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measure(longer, size)[0] <= width:
            lines[-1] = longer
        else:
            lines += _pieces(word, size, width, measure)
    return lines


def balance(text: str, size: int, width: int, measure: Measure) -> list[str]:
    """As `wrap`, with lines of about the same length: no last line of one word."""
    lines = wrap(text, size, width, measure)
    # Never narrower than a word: nothing is broken for the looks.
    widest = max((measure(word, size)[0] for word in text.split()), default=0)
    narrow, wide = max(width // 2, widest - 1), width
    while wide - narrow > max(size // 4, 1):
        middle = (narrow + wide) // 2
        narrower = wrap(text, size, middle, measure)
        if len(narrower) == len(lines):
            lines, wide = narrower, middle
        else:
            narrow = middle
    return lines


def _pieces(word: str, size: int, width: int, measure: Measure) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and measure(pieces[-1] + letter, size)[0] > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def shorten(text: str, size: int, width: int, measure: Measure) -> str:
    """A text that has one line only, cut at its end with an ellipsis if it must be."""
    if measure(text, size)[0] <= width:
        return text
    while text and measure(text + "…", size)[0] > width:
        text = text[:-1]
    return text.rstrip() + "…"
