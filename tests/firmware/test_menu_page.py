"""The menu on screens of all sizes: nothing cut off, all readable, rows found by mouse."""

import itertools

import pytest

from dtu.app.languages import languages
from dtu.core.menu import Facts, Menu, MenuPage, MenuView, Row
from dtu.drivers.display.menu_page import GROUNDS, HINT_SHARE, SELECTED, lay_out_menu
from dtu.drivers.display.words_painter import WordsPainter
from fakes.eyes import LONG_NAME, SIZES, contrast
from roamwire.control import Offer
from roamwire.tokens import Token

FACTS = Facts(
    LONG_NAME, "192.168.100.200", f"{LONG_NAME} (192.168.100.200)", "0.1.0", "0.1.0", 0.123,
    Token("pseudo", "1"), "00112233445566aa", 100, (("en", "English"), ("de", "Deutsch")),
)  # fmt: skip
OFFERS = [Offer(f"{n:016x}", f"server{n}", 3600 * n, False) for n in range(12)]


@pytest.fixture(scope="module")
def painter():
    made = WordsPainter()
    yield made
    made.close()


def views():
    for language, page in itertools.product(languages().values(), MenuPage):
        menu = Menu()
        menu.open()
        menu.page = page
        menu.offered(OFFERS)
        yield menu.view(FACTS, language)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_page_fits_and_is_large_enough(size, painter):
    for view in views():
        layout = lay_out_menu(view, size, painter.measure)
        page = layout.page
        assert 0 <= page.x <= page.x + page.width <= size[0]
        assert 0 <= page.y <= page.y + page.height <= size[1]
        for line in page.lines:
            width, height = painter.measure(line.text, line.size)
            assert page.x <= line.x <= line.x + width <= page.x + page.width, line
            assert page.y <= line.y <= line.y + height <= page.y + page.height, line
            assert line.size >= int(min(size) * HINT_SHARE * 0.8), line
        assert len(page.bars) == 1
        assert page.bars[0].colour == SELECTED


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_only_names_are_shortened(size, painter):
    for view in views():
        layout = lay_out_menu(view, size, painter.measure)
        told = {line.text for line in layout.page.lines}
        rows = [view.rows[number] for number, _, _ in layout.bands]
        cut = {part for row in rows for part in (row.label, row.detail) if part} - told
        assert all(LONG_NAME in part for part in cut), cut


def test_the_selected_row_is_always_in_sight(painter):
    rows = tuple(Row(f"row {number}") for number in range(40))
    for selected in range(40):
        view = MenuView("Menu", "", rows, selected, "hint")
        layout = lay_out_menu(view, (640, 480), painter.measure)
        numbers = [number for number, _, _ in layout.bands]
        assert selected in numbers
        assert 4 < len(numbers) < 12
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_the_row_under_the_mouse(painter):
    view = next(views())
    layout = lay_out_menu(view, (1280, 800), painter.measure)
    x = layout.page.x + 5
    for number, top, bottom in layout.bands:
        assert layout.row_at(x, top) == layout.row_at(x, bottom - 1) == number
    assert layout.row_at(x, layout.page.y) == -1
    assert layout.row_at(layout.page.x - 1, layout.bands[0][1]) == -1


def test_every_pair_of_colours_has_seven_to_one():
    for ground, texts in GROUNDS.items():
        for text in texts:
            assert contrast(ground, text) >= 7


def test_an_absurd_screen_is_no_crash(painter):
    for size in ((1, 1), (64, 4000), (4000, 64)):
        for view in views():
            assert lay_out_menu(view, size, painter.measure).bands
