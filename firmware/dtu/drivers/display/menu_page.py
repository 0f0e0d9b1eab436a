"""Lays the menu out for a screen, and finds the row under the mouse. Fonts and pixels are not here.

The menu is for who sits at the desk: its letters are those of small print and up (`words_page`).
"""

from dataclasses import dataclass

from dtu.core.menu import MenuView, Row
from dtu.drivers.display.words_page import (
    CODE_COLOUR,
    NOTE_COLOUR,
    PANEL,
    TEXT_COLOUR,
    TITLE_COLOUR,
    Bar,
    Colour,
    Line,
    Measure,
    Page,
    inner_width,
    short_side,
    shorten,
    wrap,
)

ROW_SHARE, DETAIL_SHARE, HINT_SHARE, TITLE_SHARE = 0.045, 0.037, 0.03, 0.066
SELECTED: Colour = CODE_COLOUR
SELECTED_TEXT: Colour = (16, 24, 34)
DISABLED_TEXT: Colour = NOTE_COLOUR
"""Grey is still text that must be read: what sets such a row apart is that it is never selected."""

_LABEL_PART, _MOST_LABEL = 0.3, 0.5
"""Of a row's width, where a detail stands beside the label; a long label gets more."""


@dataclass(frozen=True)
class MenuLayout:
    """The page to paint and, for each row on it, its number and its upper and lower edge."""

    page: Page
    bands: tuple[tuple[int, int, int], ...]

    def row_at(self, x: int, y: int) -> int:
        """The row under a pixel; -1 if none is."""
        if not self.page.x <= x < self.page.x + self.page.width:
            return -1
        return next((row for row, top, bottom in self.bands if top <= y < bottom), -1)


def lay_out_menu(view: MenuView, screen: tuple[int, int], measure: Measure) -> MenuLayout:
    """Title, text, rows, hint; of more rows than fit those around the selected one."""
    unit, (width, height) = short_side(screen), screen
    inner = min(inner_width(screen), int(unit * 1.25))
    margin, left = unit // 24, (width - inner) // 2
    head = [(view.title, int(unit * TITLE_SHARE), TITLE_COLOUR)]
    size = int(unit * DETAIL_SHARE + 0.5)
    head += [(line, size, TEXT_COLOUR) for line in wrap(view.text, size, inner, measure)]
    hint_size = int(unit * HINT_SHARE + 0.5)
    hint = [(line, hint_size, NOTE_COLOUR) for line in wrap(view.hint, hint_size, inner, measure)]
    row_height = int(measure("Ág", int(unit * ROW_SHARE + 0.5))[1] * 1.3)
    fixed = sum(measure(text, size)[1] for text, size, _ in [*head, *hint]) + 4 * margin
    shown = _window(len(view.rows), view.selected, max(1, (height - fixed) // row_height))
    total = fixed + len(shown) * row_height
    panel_width = min(inner + 2 * margin, width)
    top = max((height - total) // 2, 0)
    lines: list[Line] = []
    y = top + margin
    for text, size, colour in head:
        lines.append(Line(shorten(text, size, inner, measure), size, colour, left, y))
        y += measure(text, size)[1]
    y += margin
    bands, bars = [], []
    for number in shown:
        bands.append((number, y, y + row_height))
        selected = number == view.selected
        if selected:
            bars.append(Bar(SELECTED, left - margin // 2, y, inner + margin, row_height))
        lines += _row(view.rows[number], selected, (left, y, inner, row_height), unit, measure)
        y += row_height
    y += margin
    for text, size, colour in hint:
        lines.append(Line(text, size, colour, left, y))
        y += measure(text, size)[1]
    corner = (width - panel_width) // 2
    page = Page(corner, top, panel_width, min(total, height), tuple(lines), (), tuple(bars))
    return MenuLayout(page, tuple(bands))


def _window(count: int, selected: int, room: int) -> range:
    """As many rows as there is room for, the selected one among them."""
    first = min(max(selected - room // 2, 0), max(count - room, 0))
    return range(first, min(first + room, count))


def _row(
    row: Row, selected: bool, place: tuple[int, int, int, int], unit: int, measure: Measure
) -> list[Line]:
    x, y, width, height = place
    size, small = int(unit * ROW_SHARE + 0.5), int(unit * DETAIL_SHARE + 0.5)
    plain = TITLE_COLOUR if row.enabled else DISABLED_TEXT
    colour = SELECTED_TEXT if selected else plain
    room = int(width * _MOST_LABEL) if row.detail else width
    label = shorten(row.label, size, room, measure)
    lines = [Line(label, size, colour, x, y + (height - measure(label, size)[1]) // 2)]
    if row.detail:
        colour = SELECTED_TEXT if selected else TEXT_COLOUR
        beside = x + max(int(width * _LABEL_PART), measure(label, size)[0]) + size // 2
        room = x + width - beside
        while small > unit * HINT_SHARE * 0.8 and measure(row.detail, small)[0] > room:
            small -= 1
        detail = shorten(row.detail, small, room, measure)
        lines.append(
            Line(detail, small, colour, beside, y + (height - measure(detail, small)[1]) // 2)
        )
    return lines


GROUNDS = {PANEL: (TITLE_COLOUR, TEXT_COLOUR, NOTE_COLOUR), SELECTED: (SELECTED_TEXT,)}
"""Which colours of text stand on which ground."""
