"""The line that names a token of low trust: readable on all screens, small, and soon gone."""

import pytest

from dtu.app.languages import languages
from dtu.core.catalogue import LOW_TRUST
from dtu.drivers.display.badge import lay_out_badge
from dtu.drivers.display.words_page import CODE_COLOUR, NOTE_SHARE, PANEL, TITLE_COLOUR
from dtu.drivers.display.words_painter import WordsPainter
from fakes.eyes import SIZES, contrast

SENTENCES = [
    language.say(f"note.{kind}") for language in languages().values() for kind in LOW_TRUST
]


@pytest.fixture(scope="module")
def painter():
    made = WordsPainter()
    yield made
    made.close()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("text", SENTENCES)
def test_all_of_it_is_there_large_enough_and_on_little_room(size, text, painter):
    page = lay_out_badge(text, size, painter.measure)
    assert " ".join(line.text for line in page.lines) == text
    assert page.y == 0
    assert 0 <= page.x < page.x + page.width <= size[0]
    assert page.height <= min(size) * 0.13
    for line in page.lines:
        width, height = painter.measure(line.text, line.size)
        assert page.x <= line.x < line.x + width <= page.x + page.width
        assert 0 <= line.y < line.y + height <= page.height
        assert line.size >= int(min(size) * NOTE_SHARE)
    (sign,) = page.pictures
    assert page.x <= sign.x < sign.x + sign.side <= page.lines[0].x
    assert 0 <= sign.y < sign.y + sign.side <= page.height


def test_its_colours_have_seven_to_one():
    assert contrast(TITLE_COLOUR, PANEL) >= 7
    assert contrast(CODE_COLOUR, PANEL) >= 7


def test_an_absurd_screen_is_no_crash(painter):
    for size in ((1, 1), (64, 4000), (4000, 64)):
        assert lay_out_badge("a b c", size, painter.measure).lines
