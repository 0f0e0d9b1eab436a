"""Words on the screen: shown once, dimmed over a picture, gone with it; and every word's number."""

import pytest

from dtu.core import catalogue
from dtu.core.actions import Show
from dtu.core.face import Face
from dtu.core.words import Icon, Message
from roamwire.control import Disconnect
from roamwire.notices import NoticeCode
from roamwire.tokens import Token

ONE, TWO = Message(1, Icon.OK), Message(2, Icon.WARNING)


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


def test_every_message_has_a_number_of_its_own():
    numbers = [each.code for each in catalogue.everything()]
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers)
    assert set(NoticeCode) <= set(numbers)


@pytest.mark.parametrize("code", NoticeCode)
def test_every_notice_of_a_server_has_its_own_message(code):
    found = catalogue.notice(int(code), "ignored")
    assert found.code == code
    assert found.params == ()


@pytest.mark.parametrize("code", [0, -1, 99, 2**60])
def test_an_unknown_notice_is_shown_with_the_servers_text(code):
    found = catalogue.notice(code, "Tea is ready")
    assert (found.code, found.form) == (code, catalogue.OTHER)
    assert found.params == (("text", "Tea is ready"),)


def test_the_desk_that_took_a_session_over_is_named():
    assert catalogue.ended(Disconnect(1, "taken-over")) == catalogue.TAKEN_OVER
    named = catalogue.ended(Disconnect(1, "taken-over", desk="desk 7"))
    assert (named.code, named.form, named.params) == (43, "at", (("desk", "desk 7"),))
    assert catalogue.ended(Disconnect(1, "ended")) == catalogue.ENDED
    assert catalogue.ended(Disconnect(1, "drained", desk="x")) is None


@pytest.mark.parametrize(
    ("kind", "notes"), [("uid", ("uid",)), ("pseudo", ("pseudo",)), ("piv", ())]
)
def test_a_token_of_low_trust_is_named(kind, notes):
    assert catalogue.trusted(catalogue.OPENING, Token(kind, "1")).notes == notes
    assert catalogue.trusted(catalogue.OPENING, None) == catalogue.OPENING
