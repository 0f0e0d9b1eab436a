"""The hotkey menu as a machine: pages, rows, keys, clicks, what they lead to."""

import pytest

from dtu.app.languages import languages
from dtu.core.menu import (
    AskSessions,
    ChooseSession,
    Facts,
    Lock,
    Menu,
    MenuKey,
    MenuPage,
    SetVolume,
    SignOff,
    Speak,
)  # fmt: skip
from roamwire.control import Offer
from roamwire.tokens import Token

ENGLISH, GERMAN = languages()["en"], languages()["de"]
LANGUAGES = tuple((code, each.name) for code, each in languages().items())
IN_SESSION = Facts(
    "desk1", "10.0.0.99", "s1 (10.0.0.1)", "0.1.0", "0.2.0", 0.0042, Token("uid", "04a1"), "a1",
    None, LANGUAGES,
)  # fmt: skip
ALONE = Facts("desk1", languages=LANGUAGES)
UP, DOWN, LEFT, RIGHT, ENTER, ESCAPE = MenuKey
SESSIONS, VOLUME, INFORMATION, LANGUAGE, LOCK, SIGN_OFF = range(6)


class Desk:
    """A menu that is open, and a person at it."""

    def __init__(self, facts=IN_SESSION, language=ENGLISH):
        self.facts, self.language = facts, language
        self.menu = Menu()
        self.menu.open()

    def press(self, *keys):
        return [self.menu.press(key, self.facts, self.language) for key in keys][-1]

    def go(self, row):
        return self.menu.click(row, self.facts, self.language)

    @property
    def view(self):
        return self.menu.view(self.facts, self.language)

    @property
    def rows(self):
        return [(row.label, row.detail) for row in self.view.rows]


def test_the_first_page():
    assert Desk().rows == [
        ("Sessions", ""),
        ("Volume", "no sound"),
        ("Information", ""),
        ("Language", "English"),
        ("Lock", "card goes in again to go on"),
        ("Sign off", "ends the session and its programs"),
    ]
    assert [row.label for row in Desk(language=GERMAN).view.rows][-2:] == ["Sperren", "Abmelden"]


@pytest.mark.parametrize(
    ("facts", "enabled"),
    [(IN_SESSION, [0, 2, 3, 4, 5]), (ALONE, [2, 3])],
)
def test_what_cannot_be_done_cannot_be_selected(facts, enabled):
    desk = Desk(facts)
    assert [n for n, row in enumerate(desk.view.rows) if row.enabled] == enabled
    seen = []
    for _ in range(2 * len(enabled)):
        seen.append(desk.view.selected)
        desk.press(DOWN)
    assert seen == enabled * 2
    desk.press(UP)
    assert desk.view.selected == enabled[-1]
    for row in set(range(6)) - set(enabled):
        assert desk.go(row) is None
        desk.menu.point(row, facts, ENGLISH)
        assert desk.view.selected in enabled


@pytest.mark.parametrize("page", [None, SESSIONS, INFORMATION, LANGUAGE, SIGN_OFF])
def test_escape_closes_wherever_one_is(page):
    desk = Desk()
    if page is not None:
        desk.go(page)
        assert desk.menu.page is not MenuPage.MAIN
    assert desk.press(ESCAPE) is None
    assert not desk.menu.is_open
    assert (desk.view.rows, desk.view.selected) == ((), -1)
    assert desk.press(ENTER) is None


def test_the_sessions_are_asked_for_and_one_is_chosen():
    desk = Desk()
    assert desk.press(ENTER) == AskSessions()
    assert desk.view.title == "Choose a session"
    assert desk.view.text == "Asking the servers …"
    assert desk.rows == [("Back", "")]
    desk.menu.offered([Offer("a1", "s1", 0, True), Offer("b2", "s2", 7300, False)])
    assert desk.view.text == ""
    assert desk.rows == [
        ("On s1", "on the screen now"),
        ("On s2", "last used 2 h ago"),
        ("New session", ""),
        ("Back", ""),
    ]
    assert desk.press(DOWN, ENTER) == ChooseSession("b2")
    assert not desk.menu.is_open


def test_the_session_on_the_screen_needs_no_choice_and_a_new_one_may_be_had():
    desk = Desk()
    desk.go(SESSIONS)
    desk.menu.offered([Offer("a1", "s1", 0, True)])
    assert desk.press(ENTER) is None
    assert not desk.menu.is_open
    desk.menu.open()
    desk.go(SESSIONS)
    assert desk.view.text != "", "an old list is not shown again"
    desk.menu.offered([Offer("a1", "s1", 0, True)])
    assert desk.press(DOWN, ENTER) == ChooseSession("")


def test_a_choice_that_cannot_be_had_opens_the_list_again():
    desk = Desk()
    offers = [Offer("a1", "s1", 0, True), Offer("b2", "s2", 60, False)]
    desk.go(SESSIONS)
    desk.menu.offered(offers)
    desk.go(1)
    desk.menu.offered(offers[:1])
    assert desk.menu.page is MenuPage.SESSIONS
    assert "cannot be had" in desk.view.text
    assert [label for label, _ in desk.rows] == ["On s1", "New session", "Back"]
    desk.press(ESCAPE)
    desk.menu.open()
    desk.go(SESSIONS)
    assert "Asking" in desk.view.text
    desk.menu.offered(offers)
    assert desk.view.text == ""


def test_an_answer_that_comes_after_the_menu_was_closed_does_not_open_it():
    desk = Desk()
    desk.go(SESSIONS)
    desk.press(ESCAPE)
    desk.menu.offered([Offer("b2", "s2", 60, False)])
    assert not desk.menu.is_open
    desk.menu.open()
    desk.go(SESSIONS)
    assert desk.rows == [("Back", "")]


@pytest.mark.parametrize(
    ("age_s", "shown", "words"),
    [
        (0, False, "used just now"),
        (59, False, "used just now"),
        (60, False, "last used 1 min ago"),
        (7199, False, "last used 119 min ago"),
        (7200, False, "last used 2 h ago"),
        (86400 * 2 - 1, False, "last used 47 h ago"),
        (86400 * 30, False, "last used 30 days ago"),
        (5, True, "shown at another desk"),
    ],
)
def test_how_long_ago_a_session_was_used(age_s, shown, words):
    desk = Desk()
    desk.go(SESSIONS)
    desk.menu.offered([Offer("b2", "s2", age_s, shown)])
    assert desk.rows[0] == ("On s2", words)


def test_a_session_that_ended_meanwhile_leaves_nothing_to_choose():
    desk = Desk()
    desk.go(SESSIONS)
    desk.menu.offered([Offer("b2", "s2", 0, False)])
    desk.facts = ALONE
    assert desk.rows == [("Back", "")]


def test_signing_off_is_asked_twice_and_no_is_first():
    desk = Desk()
    assert desk.go(SIGN_OFF) is None
    assert desk.view.title == "Really sign off?"
    assert "not saved is lost" in desk.view.text
    assert desk.press(ENTER) is None
    assert not desk.menu.is_open
    desk.menu.open()
    desk.go(SIGN_OFF)
    assert desk.press(DOWN, ENTER) == SignOff()
    assert not desk.menu.is_open


def test_lock_closes_at_once():
    desk = Desk()
    assert desk.go(LOCK) == Lock()
    assert not desk.menu.is_open


def test_information():
    desk = Desk()
    desk.go(INFORMATION)
    assert desk.rows == [
        ("Terminal", "desk1"),
        ("Address", "10.0.0.99"),
        ("Server", "s1 (10.0.0.1)"),
        ("Versions", "terminal 0.1.0, server 0.2.0"),
        ("Latency", "4.2 ms"),
        ("Card", "uid: number only, can be copied (low trust)"),
        ("Session", "a1"),
        ("Back", ""),
    ]
    assert desk.view.selected == 7
    assert desk.press(UP, DOWN, ENTER) is None
    assert desk.menu.page is MenuPage.MAIN


@pytest.mark.parametrize("kind", ["piv", "uid", "pseudo"])
@pytest.mark.parametrize("language", languages().values())
def test_every_kind_of_token_is_told(kind, language):
    desk = Desk(Facts("d", token=Token(kind, "1"), languages=LANGUAGES), language)
    desk.go(INFORMATION)
    assert desk.rows[5][1].startswith(f"{kind}: ")


def test_information_without_anything():
    desk = Desk(ALONE)
    desk.go(INFORMATION)
    assert [detail for _, detail in desk.rows[4:7]] == ["none", "none", "none"]


def test_languages_are_shown_in_their_own_name():
    desk = Desk()
    desk.go(LANGUAGE)
    assert desk.rows == [("English", "●"), ("Deutsch", ""), ("Back", "")]
    assert desk.press(DOWN, ENTER) == Speak("de")
    assert desk.menu.page is MenuPage.MAIN


def test_left_goes_back_and_right_does_nothing():
    desk = Desk()
    desk.press(LEFT, RIGHT)
    assert desk.menu.page is MenuPage.MAIN
    desk.go(LANGUAGE)
    desk.press(RIGHT)
    assert desk.menu.page is MenuPage.LANGUAGE
    desk.press(LEFT)
    assert desk.menu.page is MenuPage.MAIN


@pytest.mark.parametrize(("volume", "key", "after"), [
    (50, RIGHT, 55), (50, LEFT, 45), (98, RIGHT, 100), (3, LEFT, 0),
])  # fmt: skip
def test_volume_with_a_sound_helper(volume, key, after):
    desk = Desk(Facts("d", volume=volume, languages=LANGUAGES))
    assert desk.rows[VOLUME] == ("Volume", f"◂ {volume} % ▸")
    assert desk.view.selected == VOLUME
    assert desk.press(key) == SetVolume(after)
    assert desk.press(ENTER) is None
    assert desk.menu.is_open


def test_the_mouse_selects_and_clicks():
    desk = Desk()
    desk.menu.point(LANGUAGE, IN_SESSION, ENGLISH)
    assert desk.view.selected == LANGUAGE
    desk.menu.point(-1, IN_SESSION, ENGLISH)
    desk.menu.point(17, IN_SESSION, ENGLISH)
    assert desk.view.selected == LANGUAGE
    assert desk.go(-1) is None
    assert desk.menu.page is MenuPage.MAIN
