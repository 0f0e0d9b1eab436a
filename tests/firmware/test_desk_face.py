"""Messages and menu on the headless screen, with keys and mouse through the real input router."""

import io
from typing import ClassVar

import numpy as np
import pytest

from dtu.app.config import SETTINGS, config_from_values
from dtu.app.desk_face import DeskFace, menu_chord
from dtu.app.input_desk import InputDesk
from dtu.core import catalogue
from dtu.core.actions import Blank, Offered, Show
from dtu.core.events import CardRemoved
from dtu.core.input.events import Key, Pointer
from dtu.core.rfb import Rect
from dtu.core.timing import LOW_TRUST_S
from dtu.drivers.display import pygame_screen
from dtu.drivers.display.menu_page import SELECTED
from dtu.drivers.display.words_page import BACKGROUND, FIELD, PANEL
from dtu.drivers.input.keysyms import strokes
from dtu.drivers.input.scripted import ScriptedInput
from dtu.drivers.input.xkb import XkbLayout
from fakes.bench import ALICE, READER, in_session
from roamwire.control import (
    Ask,
    Browse,
    Offer,
    Question,
    Select,
    Sessions,
    SignOff,
    encode_line,
)
from roamwire.tokens import Token

pygame = pygame_screen.pygame
MENU = "<ctrl-alt-home>"
RED = (0, 0, 255, 0)


class SessionKeys:
    """What the session got."""

    def __init__(self):
        self.keys, self.pointers = [], []

    def key(self, keysym, down, code=0):
        self.keys.append((keysym, down))

    def pointer(self, x, y, buttons):
        self.pointers.append((x, y, buttons))


class Sitting:
    """A terminal in a session, its screen, and a person's hands."""

    def __init__(self, tmp_path, screen, card=ALICE, driver=None):
        self.bench = in_session(card)
        self.screen = screen
        self.path = tmp_path / "look.png"
        values = SETTINGS.defaults() | {"name": "desk1"}
        config = config_from_values(values, tmp_path / "dtu.toml")
        self.session = SessionKeys()
        self.face = DeskFace(
            config, screen, self.bench.terminal, address=lambda: "10.0.0.99", carry_on=self.carry_on
        )
        chords = [menu_chord(config.menu_keys)]
        self.input = InputDesk(
            self.session, screen.move_pointer, screen.size, driver, chords, self.face.hotkey
        )
        self.face.use_input(self.input)
        self.input.attach()
        self.frame = np.empty((400, 640, 4), np.uint8)
        self.frame[...] = RED
        screen.show_session(self.frame, (), None)

    def carry_on(self):
        for action in self.bench.act():
            if isinstance(action, Show):
                self.face.show(action)
            elif isinstance(action, Blank):
                self.face.blank()
            elif isinstance(action, Offered):
                self.face.offered(action.offers)
        self.face.refresh()

    def type(self, text):
        for key in strokes(text):
            self.input.post(Key(key.keysym, key.down))

    def click(self, x, y):
        for buttons in (0, 1, 0):
            self.input.post(Pointer(x, y, buttons))

    def look(self):
        """What a person sees, (height, width, 3)."""
        self.screen.snapshot(self.path)
        picture = pygame.image.load(io.BytesIO(self.path.read_bytes()))
        return pygame.surfarray.array3d(picture).swapaxes(0, 1)

    def sees(self, colour):
        return bool((self.look() == colour).all(axis=2).any())


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    opened = pygame_screen.open_screen("headless", 640, 400)
    yield opened
    opened.close()


@pytest.fixture
def desk(tmp_path, screen, monkeypatch):
    # Timers of key repeat want a loop; none is needed here, nobody holds a key.
    monkeypatch.setattr("asyncio.get_running_loop", NoLoop)
    monkeypatch.setattr(NoLoop, "timers", [])
    return Sitting(tmp_path, screen)


class NoLoop:
    """A loop whose timers a test lets run out by hand: (seconds, call) each."""

    timers: ClassVar = []

    def call_later(self, delay, call, *arguments):
        self.timers.append((delay, lambda: call(*arguments)))
        return self

    def cancel(self):
        pass


def test_a_card_that_proves_nothing_is_named_over_its_session_for_a_while(desk):
    assert desk.bench.terminal.token.kind == "uid"
    desk.face.session_shown()
    assert desk.sees(PANEL)
    desk.type("a")
    assert desk.session.keys == [(0x61, True), (0x61, False)], "it takes no key"
    (timer,) = (call for seconds, call in NoLoop.timers if seconds == LOW_TRUST_S)
    timer()
    assert not desk.sees(PANEL)
    desk.type("<ctrl-alt-home>")
    desk.type("<down><enter>")
    assert desk.face.menu_page == "information", "where it can be read at any time"


def test_a_card_that_proves_itself_needs_no_words(tmp_path, screen, monkeypatch):
    monkeypatch.setattr("asyncio.get_running_loop", NoLoop)
    desk = Sitting(tmp_path, screen, Token("piv", "1"))
    desk.face.session_shown()
    assert not desk.sees(PANEL)


def test_a_card_that_is_out_takes_the_line_with_it(desk):
    desk.face.session_shown()
    desk.face.blank()
    assert not desk.look().any()
    for _, call in NoLoop.timers:
        call()
    assert not desk.look().any()


def test_the_menu_covers_the_dimmed_session_and_takes_all_keys(desk):
    desk.type("a")
    assert desk.session.keys == [(0x61, True), (0x61, False)]
    desk.type(MENU)
    assert desk.face.menu_page == "menu"
    assert tuple(desk.look()[0, 0]) == (63, 0, 0)
    assert desk.sees(PANEL)
    desk.session.keys.clear()
    desk.type("secret\n<escape>")
    assert [key for key, down in desk.session.keys if down] == []
    assert desk.face.menu_page == ""
    assert (desk.look() == (255, 0, 0)).all()
    desk.type("b")
    assert (0x62, True) in desk.session.keys


def test_keys_that_are_held_are_released_when_the_menu_opens(desk):
    desk.type(MENU)
    held = set()
    for keysym, down in desk.session.keys:
        (held.add if down else held.discard)(keysym)
    assert held == set()


def test_the_same_keys_close_it(desk):
    desk.type(MENU + MENU)
    assert desk.face.menu_page == ""


def test_what_the_session_paints_under_the_menu_is_seen_afterwards(desk):
    desk.type(MENU)
    before = desk.look()
    desk.frame[...] = (0, 255, 0, 0)
    desk.screen.show_session(desk.frame, (Rect(0, 0, 640, 400),), None)
    assert np.array_equal(desk.look(), before)
    desk.type("<escape>")
    assert (desk.look() == (0, 255, 0)).all()


def test_words_and_a_new_session_under_the_menu(desk):
    desk.type(MENU)
    desk.face.show(Show(catalogue.SERVER_LOST, dim=True))
    desk.type("<escape>")
    assert desk.sees(PANEL)
    desk.type(MENU)
    desk.face.session_shown()
    desk.screen.show_session(desk.frame, (), None)
    desk.type("<escape>")
    assert (desk.look() == (255, 0, 0)).all()


def test_the_mouse_moves_an_arrow_and_selects(desk):
    desk.type(MENU)
    before = desk.look()
    desk.input.post(Pointer(5, 5, 0))
    assert not np.array_equal(desk.look(), before)
    desk.input.post(Pointer(630, 390, 0))
    assert np.array_equal(desk.look()[:300], before[:300])
    rows = np.where((before == SELECTED).all(axis=2).any(axis=1))[0]
    height = len(rows)
    desk.input.post(Pointer(320, int(rows[0]) + 3 * height + height // 2, 0))
    after = np.where((desk.look() == SELECTED).all(axis=2).any(axis=1))[0]
    assert after[0] - rows[0] == 3 * height
    assert desk.session.pointers == []
    desk.click(320, int(rows[0]) + 3 * height + height // 2)
    assert desk.face.menu_page == "language"


def test_a_button_that_was_held_when_it_opened_does_not_click(desk):
    desk.type(MENU)
    rows = np.where((desk.look() == SELECTED).all(axis=2).any(axis=1))[0]
    desk.input.post(Pointer(320, int(rows[5]), 1))
    assert desk.face.menu_page == "sessions"
    desk.input.post(Pointer(320, int(rows[5]), 1))
    assert desk.face.menu_page == "sessions"


def test_sessions_are_asked_for_and_chosen(desk):
    desk.type(MENU + "\n")
    (browse,) = desk.bench.said(Browse)
    desk.bench.terminal.receive_line(
        desk.bench.attempt,
        b"sessions seq=%d offer=a1,s1,0,1 offer=b2,s2,60,0" % browse.seq,
        desk.bench.now,
    )
    desk.carry_on()
    desk.type("<down>\n")
    assert desk.bench.said(Select) == [Select(browse.seq, "b2")]
    assert desk.face.menu_page == ""


def test_a_choice_that_cannot_be_had_is_told_and_keys_stay_away_from_the_session(desk):
    test_sessions_are_asked_for_and_chosen(desk)
    desk.session.keys.clear()
    desk.bench.hear(Sessions(desk.bench.seq, (Offer("a1", "s1", 0, True),)))
    for action in desk.bench.of(Offered)[-1:]:
        desk.face.offered(action.offers)
    desk.face.refresh()
    assert desk.face.menu_page == "sessions"
    desk.type("x<escape>")
    assert [key for key, down in desk.session.keys if down] == []
    assert desk.face.menu_page == ""


def test_signing_off(desk):
    desk.type(MENU + "<down><down><down><down>\n\n")
    assert desk.bench.said(SignOff) == []
    desk.type(MENU + "<down><down><down><down>\n<down>\n")
    assert len(desk.bench.said(SignOff)) == 1


def test_lock_wipes_and_says_so(desk):
    desk.type(MENU + "<down><down><down>\n")
    assert desk.face.words.code == catalogue.LOCKED.code
    assert not desk.frame.any()
    assert tuple(desk.look()[0, 0]) == BACKGROUND
    desk.session.keys.clear()


def test_another_language_until_the_screen_is_wiped(desk):
    desk.face.show(Show(catalogue.RESTARTING, dim=True))
    desk.type(MENU + "<down><down>\n<down>\n")
    assert desk.face.words.title == "Einen Moment"
    desk.face.blank()
    assert desk.face.menu_page == ""
    desk.face.show(Show(catalogue.INSERT_CARD, dim=False))
    assert desk.face.words.title == "Insert your card"
    assert desk.face.words.note == "Ctrl+Alt+Home: menu"


def test_a_wiped_screen_has_no_menu_and_keys_go_where_they_went(desk):
    desk.type(MENU)
    desk.bench.card_out()
    desk.face.blank()
    assert not desk.look().any()
    desk.session.keys.clear()
    desk.type("b")
    assert (0x62, True) in desk.session.keys
    assert desk.screen.menu_row_at(320, 200) == -1


def test_volume_is_for_whoever_has_sound(desk):
    asked = []
    desk.face.volume, desk.face.set_volume = 50, asked.append
    desk.type(MENU + "<down><right>")
    assert asked == [55]
    desk.face.set_volume = None
    desk.type("<left>")
    assert asked == [55]


def test_the_volume_is_asked_for_each_time_the_menu_opens(desk):
    looks = []
    desk.face.look_at_volume = lambda: looks.append(desk.face.menu_page)
    desk.type(MENU)
    assert looks == ["menu"]
    desk.type(MENU)
    assert looks == ["menu"], "it closed"
    desk.type(MENU)
    assert len(looks) == 2
    desk.face.hotkey("menu")
    ask(desk)
    desk.type(MENU)
    assert len(looks) == 2, "over a form there is no menu"


def test_nothing_new_is_painted_for_nothing(desk, monkeypatch):
    desk.type(MENU)
    painted = []
    monkeypatch.setattr(desk.screen, "show_menu", painted.append)
    desk.face.refresh()
    assert painted == []
    desk.face.offered((Offer("a", "s", 0, False),))
    desk.face.refresh()
    assert painted == []


def test_the_chord_of_the_setting():
    found = menu_chord("Super-Shift-F12")
    assert (found.name, found.modifiers, found.keysym) == ("menu", {"super", "shift"}, 0xFFC9)


# What the terminal asks for while a session is behind it


def ask(desk):
    desk.bench.terminal.receive_line(
        desk.bench.attempt,
        encode_line(Ask(desk.bench.seq, Question.LOGIN, "", 3)).rstrip(b"\n"),
        desk.bench.now,
    )
    desk.carry_on()


def fields(desk):
    return [field.seen for field in desk.face.words.fields]


def test_what_is_typed_into_a_form_reaches_no_session(desk):
    ask(desk)
    desk.session.keys.clear()
    desk.type("al\tpass")
    assert desk.session.keys == []
    assert fields(desk) == ["al", "••••"]
    assert desk.face.asks == "user,password"


@pytest.mark.parametrize("layout", ["de", "us"])
def test_a_form_names_the_layout_by_which_its_letters_are_read(
    tmp_path, screen, monkeypatch, layout
):
    monkeypatch.setattr("asyncio.get_running_loop", NoLoop)
    driver = ScriptedInput()
    driver.layout = XkbLayout(layout)
    desk = Sitting(tmp_path, screen, driver=driver)
    ask(desk)
    assert f"Keyboard layout: {layout}." in desk.face.words.note
    for code in (21, 26):
        desk.input.post(Key(0, True, code, "k"))
        desk.input.post(Key(0, False, code, "k"))
    assert fields(desk)[0] == {"de": "zü", "us": "y["}[layout]


def test_a_form_in_a_window_has_the_desktops_layout(desk):
    ask(desk)
    assert "Keyboard layout: as on this desktop." in desk.face.words.note


def test_a_key_held_when_the_form_opens_is_not_typed_into_it(desk):
    desk.input.post(Key(ord("x"), True))
    ask(desk)
    assert desk.session.keys == [(ord("x"), True), (ord("x"), False)]
    desk.input.post(Key(ord("x"), True))  # some drivers repeat
    desk.input.post(Key(ord("x"), False))
    assert fields(desk) == ["", ""]
    assert len(desk.session.keys) == 2


def test_a_key_held_when_the_form_closes_does_not_reach_the_session(desk):
    ask(desk)
    desk.session.keys.clear()
    desk.type("alice\tp")
    desk.input.post(Key(0xFF0D, True))  # sends it off, and is still down
    assert desk.face.asks == ""
    desk.input.post(Key(0xFF0D, True))
    desk.input.post(Key(0xFF0D, False))
    assert [key for key, down in desk.session.keys if down] == []
    desk.type("b")
    assert (0x62, True) in desk.session.keys


def test_no_menu_over_a_form_and_no_form_under_a_menu(desk):
    desk.type(MENU)
    assert desk.face.menu_page == "menu"
    ask(desk)
    assert desk.face.menu_page == ""
    desk.type(MENU)
    assert desk.face.menu_page == ""
    desk.type("x")
    assert fields(desk)[0] == "x"


def test_enter_that_opens_the_form_does_not_send_it_off(desk):
    bench = desk.bench
    bench.terminal.card(CardRemoved(READER, bench.now), bench.now)
    desk.carry_on()
    bench.terminal._face.login = True
    desk.carry_on()
    desk.input.post(Key(0xFF0D, True))
    assert desk.face.words.code == catalogue.OPENING.code
    ask(desk)
    desk.input.post(Key(0xFF0D, True))
    assert [field.active for field in desk.face.words.fields] == [True, False]
    desk.input.post(Key(0xFF0D, False))
    desk.type("\n")
    assert [field.active for field in desk.face.words.fields] == [False, True]


def test_the_pad_is_wiped_from_the_screen_with_the_card(desk):
    ask(desk)
    desk.type("alice\tsecret")
    assert desk.sees(FIELD)
    desk.bench.terminal.card(CardRemoved(READER, desk.bench.now), desk.bench.now)
    desk.carry_on()
    assert not desk.sees(FIELD)
    assert desk.face.words.code == catalogue.INSERT_CARD.code
    desk.session.keys.clear()
    desk.input.detach(session_lives=False)
    desk.type("1234")
    assert desk.session.keys == []
