"""Composing, the words page and the headless screen. Real windows are not here."""

import io

import numpy as np
import pytest

from dtu.core.rfb import Cursor, Rect
from dtu.core.rfb.events import bounding_box
from dtu.core.words import Words
from dtu.drivers.display import pygame_screen, words_page
from dtu.drivers.display.base import ScreenError, origin
from dtu.drivers.display.composer import Composer
from dtu.drivers.input.base import Key, Pointer

WORDS = Words(26, "Looking for a server", "No server has answered yet. Trying again by itself.")
pygame = pygame_screen.pygame
RED, GREEN = 0xFF0000, 0x00FF00


def frame(width, height, colour):
    array = np.zeros((height, width, 4), np.uint8)
    array.view("<u4")[...] = colour
    return array


def cursor(side, colour=0xFFFFFFFF, hotspot=(0, 0)):
    return Cursor(*hotspot, frame(side, side, colour))


# -- composer


def composed(screen, picture):
    composer = Composer(screen)
    target = np.full(screen[::-1], 0x123456, np.uint32)
    dirty = composer.take_frame(picture, None, target)
    assert dirty == [Rect(0, 0, *screen)]
    return composer, target


def test_a_smaller_frame_is_centred_on_black():
    _, target = composed((20, 10), frame(10, 4, RED))
    assert (target[3:7, 5:15] == RED).all()
    assert np.count_nonzero(target) == 40


def test_a_larger_frame_loses_right_and_bottom():
    picture = frame(30, 20, GREEN)
    picture[:10, :20] = (0, 0, 255, 0)
    _, target = composed((20, 10), picture)
    assert (target == RED).all()
    assert origin((20, 10), (30, 20)) == (0, 0)


def test_an_update_paints_only_its_rectangles():
    picture = frame(10, 4, RED)
    composer, target = composed((20, 10), picture)
    picture[...] = (0, 255, 0, 0)
    assert composer.update([Rect(2, 1, 3, 2)], None, target) == [Rect(7, 4, 3, 2)]
    assert (target[4:6, 7:10] == GREEN).all()
    assert np.count_nonzero(target == GREEN) == 6


def test_an_update_outside_the_screen_paints_nothing():
    composer, target = composed((20, 10), frame(30, 20, RED))
    assert composer.update([Rect(25, 15, 2, 2)], None, target) == []


def test_many_rectangles_become_one():
    composer, target = composed((100, 100), frame(100, 100, RED))
    rects = [Rect(i, i, 1, 1) for i in range(70)]
    assert composer.update(rects, None, target) == [Rect(0, 0, 70, 70)]
    assert bounding_box([Rect(5, 6, 1, 1), Rect(1, 9, 2, 2)]) == Rect(1, 6, 5, 5)


def test_the_pointer_moves_and_leaves_nothing_behind():
    composer, target = composed((20, 10), frame(20, 10, RED))
    assert composer.move(4, 4, target) == []
    assert composer.update([], cursor(3, hotspot=(1, 1)), target) == [Rect(3, 3, 3, 3)]
    assert (target[3:6, 3:6] == 0xFFFFFF).all()
    assert composer.move(0, 9, target) == [Rect(3, 3, 3, 3), Rect(0, 8, 2, 2)]
    assert np.count_nonzero(target != RED) == 4
    composer.move(100, 100, target)
    assert (target == RED).all()


def test_the_pointer_stays_on_top_of_updates_and_takes_another_shape():
    composer, target = composed((20, 10), frame(20, 10, RED))
    composer.place_pointer(4, 4)
    shape = cursor(4)
    shape.image[2:] = 0
    composer.update([], shape, target)
    composer.update([Rect(0, 0, 20, 10)], shape, target)
    assert np.count_nonzero(target == 0xFFFFFF) == 8
    assert composer.update([], cursor(0), target) == [Rect(4, 4, 4, 4)]
    assert (target == RED).all()


def test_a_pointer_may_be_half_transparent():
    composer, target = composed((4, 1), frame(4, 1, 0x646464))
    composer.place_pointer(0, 0)
    image = np.array([[[0, 0, 0, 128], [100, 50, 0, 128], [9, 9, 9, 255]]], np.uint8)
    composer.update([], Cursor(0, 0, image), target)
    # 0x64 = 100, half of it stays below a shape whose colours carry their alpha already.
    assert target[0].tolist() == [0x323232, 0x326496, 0x090909, 0x646464]


def test_the_pointer_beside_the_frame():
    composer, target = composed((20, 10), frame(10, 4, RED))
    composer.update([], cursor(2), target)
    composer.move(4, 2, target)
    composer.move(18, 8, target)
    assert np.count_nonzero(target == RED) == 40
    assert np.count_nonzero(target) == 44


# -- the headless screen


@pytest.fixture
def screen():
    opened = pygame_screen.open_screen("headless", 640, 400)
    yield opened
    opened.close()


@pytest.fixture
def look(screen, tmp_path):
    """What a person would see, as (height, width, 3) RGB."""

    def take():
        screen.snapshot(tmp_path / "screen.png")
        picture = pygame.image.load(io.BytesIO((tmp_path / "screen.png").read_bytes()))
        return pygame.surfarray.array3d(picture).swapaxes(0, 1)

    return take


def test_a_session_is_shown_and_changes(screen, look):
    picture = frame(640, 400, RED)
    screen.show_session(picture, (), None)
    assert (look() == (255, 0, 0)).all()
    picture[10:20, 10:20] = (0, 255, 0, 0)
    screen.show_session(picture, (Rect(10, 10, 10, 5),), None)
    assert np.count_nonzero((look() == (0, 255, 0)).all(axis=2)) == 50
    assert screen.size == (640, 400)
    assert screen.pump_interval_s is None


def test_blank_wipes_the_frame_for_good(screen, look):
    picture = frame(640, 400, RED)
    screen.show_session(picture, (), cursor(8))
    screen.blank()
    assert not look().any()
    assert not picture.any()
    screen.move_pointer(5, 5)
    assert not look().any()
    screen.show_words(WORDS, dim=True)
    assert not (look() == (63, 0, 0)).all(axis=2).any()


def test_words_dim_the_session_and_it_comes_back(screen, look):
    picture = frame(640, 400, RED)
    screen.show_session(picture, (), None)
    screen.show_words(WORDS, dim=True)
    screen.move_pointer(1, 1)
    seen = look()
    assert tuple(seen[0, 0]) == (63, 0, 0)
    assert (seen == words_page.PANEL).all(axis=2).any()
    assert (seen == words_page.CODE_COLOUR).all(axis=2).any()
    screen.show_words(WORDS, dim=True)
    assert tuple(look()[0, 0]) == (63, 0, 0)
    screen.show_session(picture, (), None)
    assert (look() == (255, 0, 0)).all()


def test_words_without_dim_forget_the_session(screen, look):
    screen.show_session(frame(640, 400, RED), (), None)
    screen.show_words(WORDS, dim=False)
    screen.show_words(WORDS, dim=True)
    assert tuple(look()[0, 0]) == words_page.BACKGROUND


def test_the_pointer_is_on_snapshots(screen, look):
    screen.move_pointer(100, 50)
    screen.show_session(frame(640, 400, RED), (), cursor(4, hotspot=(1, 1)))
    assert (look()[49:53, 99:103] == 255).all()
    screen.move_pointer(200, 50)
    seen = look()
    assert (seen[49:53, 199:203] == 255).all()
    assert tuple(seen[50, 100]) == (255, 0, 0)


def test_a_snapshot_that_cannot_be_written_is_an_os_error(screen, tmp_path):
    with pytest.raises(OSError, match="cannot write"):
        screen.snapshot(tmp_path / "nowhere" / "screen.png")


# -- the window


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    opened = pygame_screen.open_screen("window", 640, 400)
    yield opened
    opened.close()


def post(kind, **fields):
    pygame.event.post(pygame.event.Event(kind, **fields))


def test_window_input(window):
    post(pygame.KEYDOWN, key=pygame.K_a, unicode="A", scancode=4, mod=0)
    post(pygame.KEYDOWN, key=pygame.K_a, unicode="a", scancode=4, mod=0)
    post(pygame.KEYUP, key=pygame.K_a, unicode="a", scancode=4, mod=0)
    post(pygame.KEYUP, key=pygame.K_b, unicode="b", scancode=5, mod=0)
    post(pygame.MOUSEMOTION, pos=(5, 6), rel=(0, 0), buttons=(0, 0, 0))
    post(pygame.MOUSEMOTION, pos=(7, 8), rel=(0, 0), buttons=(0, 0, 0))
    post(pygame.MOUSEBUTTONDOWN, pos=(7, 8), button=3)
    post(pygame.MOUSEBUTTONDOWN, pos=(7, 8), button=4)
    post(pygame.MOUSEBUTTONUP, pos=(7, 9), button=3)
    window.pump()
    assert window.input_events() == [
        Key(0x41, True, 30, "window"),
        Key(0x41, True, 30, "window"),
        Key(0x41, False, 30, "window"),
        Key(0, False, 48, "window"),
        Pointer(7, 8, 0),
        Pointer(7, 8, 4),
        Pointer(7, 9, 0),
    ]
    assert window.input_events() == []


def test_buttons_beyond_the_third(window):
    for button in (6, 7):
        post(pygame.MOUSEBUTTONDOWN, pos=(7, 8), button=button)
    window.pump()
    assert [event.buttons for event in window.input_events()] == [1 << 7, 1 << 7 | 1 << 8]


def test_a_key_that_writes_nothing_known(window):
    post(pygame.KEYDOWN, key=0, unicode="", scancode=135, mod=0)
    post(pygame.KEYDOWN, key=0, unicode="", scancode=0, mod=0)
    window.pump()
    assert window.input_events() == [Key(0, True, 89, "window")]


def test_the_wheel_presses_buttons(window):
    post(pygame.MOUSEWHEEL, x=0, y=-1)
    post(pygame.MOUSEWHEEL, x=-1, y=1000)
    window.pump()
    buttons = [event.buttons for event in window.input_events()]
    assert buttons == [16, 0] + [8, 0] * 10 + [32, 0]


def test_closing_the_window_is_told(window):
    assert not window.close_requested
    post(pygame.QUIT)
    post(pygame.WINDOWEXPOSED)
    window.pump()
    assert window.close_requested


def test_a_screen_that_does_not_open_says_what_to_do(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no such driver")
    with pytest.raises(ScreenError, match=r"cannot open a window.*display=headless"):
        pygame_screen.open_screen("window", 640, 400)


def test_a_window_of_other_pixels_is_refused(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(pygame.display, "set_mode", lambda *_: pygame.Surface((4, 4), 0, 16))
    with pytest.raises(ScreenError, match="32-bit"):
        pygame_screen.open_screen("window", 640, 400)
