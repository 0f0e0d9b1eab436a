"""What every screen promises: one body for headless, window and console. No tests alone.

A rig opens a screen and looks at it from outside; each test says only what a person must see.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dtu.core.menu import MenuView
from dtu.core.rfb import Cursor, Rect
from dtu.core.words import Words
from dtu.drivers.display.pygame_screen import PygameScreen
from dtu.drivers.display.words_page import BACKGROUND, PANEL

WORDS = Words(41, "Looking for your session", "The server does not answer. Trying another one.")
RED, GREEN = (250, 10, 20), (10, 240, 30)

Picture = npt.NDArray[np.uint8]


class Rig(Protocol):
    """A screen of any size from 640x400, and an eye on it."""

    screen: PygameScreen

    def look(self, name: str) -> Picture:
        """What is really shown, (height, width, 3) RGB; the name is for whoever looks later."""

    def until(self, condition: object) -> None:
        """Pump until a condition holds; fails if it does not come."""


def frame(size: tuple[int, int], colour: tuple[int, int, int]) -> Picture:
    """A session's picture, BGRX."""
    picture = np.zeros((size[1], size[0], 4), np.uint8)
    picture[:, :, :3] = colour[::-1]
    return picture


def is_colour(picture: Picture, colour: tuple[int, int, int]) -> bool:
    """True if all of it has this colour."""
    return bool((picture == colour).all())


def dimmed(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    return tuple(part >> 2 for part in colour)


def cursor() -> Cursor:
    return Cursor(2, 2, np.full((8, 8, 4), 255, np.uint8))


class ScreenContract:
    """Derive, and give a fixture `rig`."""

    def test_a_session_is_shown_and_only_changes_are_brought(self, rig):
        size = rig.screen.size
        session = frame(size, RED)
        rig.screen.show_session(session, (), None)
        rig.until(lambda: is_colour(rig.look("session"), RED))
        session[:, :, :3] = GREEN[::-1]
        rig.screen.show_session(session, (Rect(100, 60, 40, 30),), None)
        rig.until(lambda: is_colour(rig.look("change")[60:90, 100:140], GREEN))
        assert int((rig.look("change") == GREEN).all(axis=2).sum()) == 40 * 30

    def test_many_small_changes_all_arrive(self, rig):
        width, height = size = rig.screen.size
        session = frame(size, RED)
        rig.screen.show_session(session, (), None)
        rng = np.random.default_rng(5)
        for _ in range(300):
            x, y = int(rng.integers(width - 20)), int(rng.integers(height - 20))
            colour = rng.integers(256, size=3, dtype=np.uint8)
            session[y : y + 20, x : x + 20, :3] = colour
            rig.screen.show_session(session, (Rect(x, y, 20, 20),), None)
        rig.until(lambda: bool((rig.look("many") == session[:, :, 2::-1]).all()))

    def test_words_stand_on_the_dimmed_session_until_it_is_back(self, rig):
        session = frame(rig.screen.size, RED)
        rig.screen.show_session(session, (), None)
        rig.screen.show_words(WORDS, dim=True)
        rig.until(lambda: tuple(rig.look("dimmed")[2, 2]) == dimmed(RED))
        # A picture taken from outside may fall between the dimming and the words.
        rig.until(lambda: len(np.unique(rig.look("dimmed").reshape(-1, 3), axis=0)) > 10)
        session[:, :, :3] = GREEN[::-1]
        rig.screen.show_session(session, (Rect(0, 0, 1, 1),), None)
        rig.until(lambda: is_colour(rig.look("back"), GREEN))

    def test_words_alone_show_nothing_of_the_session(self, rig):
        rig.screen.show_session(frame(rig.screen.size, RED), (), None)
        rig.screen.show_words(WORDS, dim=False)
        rig.until(lambda: tuple(rig.look("words")[2, 2]) == BACKGROUND)
        picture = rig.look("words")
        assert not (picture == RED).all(axis=2).any()
        assert not (picture == dimmed(RED)).all(axis=2).any()

    def test_a_pulled_card_leaves_black_and_nothing_comes_back(self, rig):
        session = frame(rig.screen.size, RED)
        rig.screen.show_session(session, (), cursor())
        rig.screen.move_pointer(30, 30)
        rig.screen.show_session(session, (Rect(0, 0, 50, 50),), cursor())
        rig.screen.blank()
        rig.until(lambda: not rig.look("blank").any())
        assert not session.any(), "the frame is still in memory"
        for _ in range(5):
            rig.screen.pump()
            assert not rig.look("blank").any()
        rig.screen.move_pointer(60, 60)
        rig.screen.show_words(WORDS, dim=True)
        rig.until(lambda: tuple(rig.look("after")[2, 2]) == BACKGROUND)
        assert not (rig.look("after") == dimmed(RED)).all(axis=2).any()

    def test_the_pointer_leaves_nothing_behind(self, rig):
        rig.screen.show_session(frame(rig.screen.size, RED), (), cursor())
        for x in range(20, 220, 10):
            rig.screen.move_pointer(x, 40)
        rig.until(lambda: is_colour(rig.look("pointer")[38:46, 208:216], (255, 255, 255)))
        assert int((rig.look("pointer") != RED).any(axis=2).sum()) == 8 * 8

    def test_a_badge_stays_above_the_session_and_leaves_nothing_behind(self, rig):
        size = rig.screen.size
        session = frame(size, RED)
        rig.screen.show_session(session, (), cursor())
        rig.screen.show_badge("Low trust")
        rig.until(lambda: is_colour(rig.look("badge")[2, size[0] // 2], PANEL))
        covered = (rig.look("badge") != RED).any(axis=2)
        assert not covered[size[1] // 8 :].any(), "it covers too much"
        session[:, :, :3] = GREEN[::-1]
        rig.screen.show_session(session, (Rect(0, 0, *size),), cursor())
        rig.until(lambda: tuple(rig.look("below")[-1, -1]) == GREEN)
        assert ((rig.look("below") != GREEN).any(axis=2) == covered).all()
        rig.screen.show_badge("")
        rig.until(lambda: is_colour(rig.look("gone"), GREEN))

    @pytest.mark.parametrize("what", ["pointer", "menu", "words", "blank"])
    def test_a_badge_makes_room(self, rig, what):
        middle = rig.screen.size[0] // 2
        session = frame(rig.screen.size, RED)
        rig.screen.show_session(session, (), None)
        rig.screen.show_badge("Low trust")
        if what == "pointer":
            rig.screen.move_pointer(middle, 2)
        elif what == "menu":
            rig.screen.show_menu(MenuView("Menu", "", (), -1, ""))
            rig.screen.show_menu(None)
        elif what == "words":
            rig.screen.show_words(WORDS, dim=True)
            rig.screen.show_session(session, (), None)
        else:
            rig.screen.blank()
            rig.screen.show_badge("Low trust")
        expected = (0, 0, 0) if what == "blank" else RED
        rig.until(lambda: is_colour(rig.look("room"), expected))

    def test_what_was_shown_while_asleep_is_there_on_waking(self, rig):
        rig.screen.show_session(frame(rig.screen.size, RED), (), None)
        rig.screen.power(False)
        rig.screen.power(False)
        rig.screen.show_session(frame(rig.screen.size, GREEN), (), None)
        rig.screen.power(True)
        rig.until(lambda: is_colour(rig.look("awake"), GREEN))

    def test_a_card_pulled_while_asleep_leaves_black(self, rig):
        rig.screen.show_session(frame(rig.screen.size, RED), (), None)
        rig.screen.power(False)
        rig.screen.blank()
        rig.screen.power(True)
        rig.until(lambda: not rig.look("slept").any())

    def test_a_snapshot_is_what_a_person_sees(self, rig, tmp_path):
        rig.screen.show_words(WORDS, dim=False)
        rig.screen.snapshot(tmp_path / "shot.png")
        rig.until(lambda: bool((rig.look("words") == read(tmp_path / "shot.png")).all()))


def read(path: Path) -> Picture:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
