"""Words on the screen: shown once, dimmed over a picture, gone with it; and every word's number."""

import pytest

from dtu.core import catalogue
from dtu.core.actions import Show
from dtu.core.face import Face
from dtu.core.words import Words
from roamwire.notices import NoticeCode

ONE, TWO = Words(1, "one", "One."), Words(2, "two", "Two.")


def test_words_are_shown_once_until_others_were():
    face = Face()
    assert face.show(ONE) == Show(ONE, dim=False)
    assert face.show(ONE) is None
    assert face.show(TWO) == Show(TWO, dim=False)
    assert face.show(ONE) == Show(ONE, dim=False)


def test_no_words_leave_the_screen_alone():
    face = Face()
    assert face.show(None) is None


def test_over_a_picture_words_are_dimmed_and_shown_anew():
    face = Face()
    face.show(ONE)
    face.opening = TWO
    face.first_frame()
    assert face.opening is None
    assert face.show(ONE) == Show(ONE, dim=True)
    assert face.show(ONE) is None


def test_a_wiped_screen_forgets_the_picture_and_the_words():
    face = Face()
    face.problem = face.held = face.opening = TWO
    face.first_frame()
    face.show(ONE)
    face.wiped()
    assert (face.picture, face.held, face.opening) == (False, None, None)
    assert face.problem == TWO
    assert face.show(ONE) == Show(ONE, dim=False)


def words():
    named = [value for value in vars(catalogue).values() if isinstance(value, Words)]
    return [*named, *catalogue.NOTICES.values()]


def test_every_sentence_has_a_number_of_its_own():
    numbers = [each.code for each in words()]
    assert len(numbers) == len(set(numbers))
    assert [each for each in words() if not (each.title and each.text)] == []


@pytest.mark.parametrize("code", NoticeCode)
def test_every_notice_of_a_server_has_words_under_its_number(code):
    found = catalogue.notice(int(code), "ignored")
    assert found.code == code
    assert "ignored" not in found.text


@pytest.mark.parametrize("code", [0, -1, 99, 2**60])
def test_an_unknown_notice_is_shown_with_the_servers_text(code):
    assert catalogue.notice(code, "Tea is ready") == Words(
        code, "Message from the server", "Tea is ready"
    )
