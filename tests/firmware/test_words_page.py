"""Messages on screens of all sizes: nothing cut off, readable at two metres, in contrast."""

import itertools
import math

import pytest

from dtu.app.languages import languages
from dtu.core import catalogue
from dtu.core.words import Icon, Words
from dtu.drivers.display import words_page
from dtu.drivers.display.icons import GRID, ICONS
from dtu.drivers.display.words_page import (
    BACKGROUND,
    CODE_COLOUR,
    NOTE_COLOUR,
    NOTE_SHARE,
    PANEL,
    TEXT_COLOUR,
    TEXT_SHARE,
    TITLE_COLOUR,
    lay_out,
)  # fmt: skip
from dtu.drivers.display.words_painter import WordsPainter, draw_icon
from fakes.eyes import LONG_NAME, SIZES, contrast

PLACES = dict.fromkeys(("server", "desk", "terminal"), LONG_NAME)
PLACES |= {"time": "1970-01-01 00:00", "percent": "100", "tries": "10", "dots": "•" * 16}
PLACES |= {"layout": "us(altgr-intl)"}
PLACES |= {"fingerprint": "3f2a-91c0-77de-05ab"}
WIDEST = PLACES | dict.fromkeys(("server", "desk", "terminal", "fingerprint"), "W" * 63)
CAPITAL = 0.73
"""Height of a capital of DejaVu Sans, of the font's size."""


@pytest.fixture(scope="module")
def painter():
    made = WordsPainter()
    yield made
    made.close()


def sentences(places=PLACES):
    both = (catalogue.OPENING.noting("uid"), catalogue.OPENING.noting("pseudo"))
    for message in (*catalogue.everything(), *catalogue.VARIANTS, *both):
        for language in languages().values():
            yield language.words(message.about(**places), hotkey="Umschalt+Super+Einfg")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("places", "share"), [(PLACES, 1.0), (WIDEST, 0.7)], ids=["long", "wide"])
def test_nothing_is_cut_off_and_all_is_large_enough(size, places, share, painter):
    for words in sentences(places):
        page = lay_out(words, size, painter.measure)
        assert 0 <= page.x <= page.x + page.width <= size[0]
        assert 0 <= page.y <= page.y + page.height <= size[1]
        told = "".join(line.text for line in page.lines).replace(" ", "")
        whole = f"{words.code}{words.title}{words.text}{words.note}"
        assert told == whole.replace(" ", "")
        for line in page.lines:
            width, height = painter.measure(line.text, line.size)
            assert page.x <= line.x <= line.x + width <= page.x + page.width, words
            assert page.y <= line.y <= line.y + height <= page.y + page.height, words
            small = NOTE_SHARE if line.colour == NOTE_COLOUR else TEXT_SHARE
            assert line.size >= int(min(size) * small * share), words
        assert page.pictures[0].x >= 0
        below = [line.y for line in page.lines[1:]]
        assert below == sorted(below)


def minutes_of_arc(height_mm, distance_mm):
    return math.degrees(math.atan2(height_mm, distance_mm)) * 60


def test_sentences_are_read_at_two_metres_on_a_15_inch_screen():
    screen_mm = 15 * 25.4 * 3 / 5  # height of 4:3
    assert minutes_of_arc(screen_mm * TEXT_SHARE * CAPITAL, 2000) >= 16
    assert minutes_of_arc(screen_mm * NOTE_SHARE * CAPITAL, 1300) >= 16


def test_the_formula_of_contrast():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("text", [CODE_COLOUR, TITLE_COLOUR, TEXT_COLOUR, NOTE_COLOUR])
@pytest.mark.parametrize("ground", [PANEL, BACKGROUND])
def test_every_pair_of_colours_has_seven_to_one(text, ground):
    assert contrast(text, ground) >= 7


def test_a_servers_512_characters_are_set_smaller_but_not_cut(painter):
    words = Words(99, "Message from the server", "much to say " * 42 + "and end")
    for size in SIZES:
        page = lay_out(words, size, painter.measure)
        assert page.lines[-1].text.endswith("end")
        assert page.height <= size[1]


def test_an_absurd_screen_is_no_crash(painter):
    for size in ((1, 1), (64, 4000), (4000, 64)):
        assert lay_out(Words(1, "a", "b c"), size, painter.measure).lines


def test_a_word_too_long_is_broken():
    def measure(text, size):
        return len(text), 1

    assert words_page.wrap("a " + "x" * 25 + " b", 1, 10, measure) == [
        "a", "x" * 10, "x" * 10, "x" * 5 + " b",
    ]  # fmt: skip
    assert words_page.wrap("", 2, 10, measure) == []
    assert words_page.balance("", 1, 10, measure) == []
    assert words_page.balance("aaa bbb ccc d", 1, 11, measure) == ["aaa bbb", "ccc d"]
    assert words_page.balance("aaa bbb", 1, 11, measure) == ["aaa bbb"]
    assert words_page.shorten("a b c", 1, 5, measure) == "a b c"
    assert words_page.shorten("a b c d", 1, 4, measure) == "a b…"
    assert words_page.shorten("abc", 1, 0, measure) == "…"


def test_icons_stay_on_their_grid():
    assert set(ICONS) == set(Icon)
    for shapes in ICONS.values():
        for x, y in itertools.chain.from_iterable(shape.points for shape in shapes):
            assert 0 <= x <= GRID
            assert 0 <= y <= GRID


def test_icons_differ_and_leave_room():
    seen = {}
    for icon in Icon:
        pixels = draw_icon(icon, CODE_COLOUR, 48).get_view("2").raw
        opaque = sum(byte > 128 for byte in pixels[3::4])
        assert 48 * 48 * 0.08 < opaque < 48 * 48 * 0.75, icon
        assert seen.setdefault(pixels, icon) is icon
