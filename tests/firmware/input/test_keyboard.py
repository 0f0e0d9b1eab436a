"""Keys that are down, repeats, the US table, scan codes. Routes are not here."""

import pytest

from dtu.core.input.codes import SCAN_CODES
from dtu.core.input.events import Key, Leds
from dtu.core.input.keyboard import Keyboard
from dtu.core.input.us_layout import keysym_of_code
from dtu.core.input.usb_usages import CODES
from dtu.core.timing import KEY_REPEAT_DELAY_S, KEY_REPEAT_INTERVAL_S

A, B, SHIFT, CAPS = 30, 48, 42, 58


def down(code, source="k"):
    return Key(0, True, code, source)


def up(code, source="k"):
    return Key(0, False, code, source)


def told(keys):
    return [(key.code, key.keysym, key.down) for key in keys]


def test_a_press_and_its_release():
    keyboard = Keyboard()
    assert told(keyboard.key(down(A), 0)) == [(A, 0x61, True)]
    assert keyboard.key(down(A), 0) == []
    assert told(keyboard.key(up(A), 0)) == [(A, 0x61, False)]
    assert keyboard.key(up(A), 0) == []


def test_the_release_has_the_keysym_of_the_press():
    keyboard = Keyboard()
    keyboard.key(down(SHIFT), 0)
    assert told(keyboard.key(down(A), 0)) == [(A, 0x41, True)]
    keyboard.key(up(SHIFT), 0)
    assert told(keyboard.key(up(A), 0)) == [(A, 0x41, False)]


def test_keysyms_alone_are_keys_of_their_own():
    keyboard = Keyboard()
    keyboard.key(Key(0x61, True), 0)
    assert told(keyboard.key(Key(0x62, True), 0)) == [(0, 0x62, True)]
    assert told(keyboard.key(Key(0x61, False), 0)) == [(0, 0x61, False)]


def test_a_key_on_two_keyboards_is_down_until_both_let_go():
    keyboard = Keyboard()
    keyboard.key(down(A, "k1"), 0)
    assert keyboard.key(down(A, "k2"), 0) == []
    assert keyboard.key(up(A, "k1"), 0) == []
    assert told(keyboard.key(up(A, "k2"), 0)) == [(A, 0x61, False)]


def test_unplugging_lets_go_of_what_no_other_keyboard_holds():
    keyboard = Keyboard()
    for code in (A, B):
        keyboard.key(down(code, "k1"), 0)
    keyboard.key(down(B, "k2"), 0)
    assert told(keyboard.unplugged("k1")) == [(A, 0x61, False)]
    assert keyboard.unplugged("k1") == []
    assert told(keyboard.unplugged("k2")) == [(B, 0x62, False)]


def test_who_comes_later_hears_nothing_of_what_is_held():
    keyboard = Keyboard()
    keyboard.key(down(A), 0)
    keyboard.key(down(B), 0)
    assert told(keyboard.change_receiver()) == [(B, 0x62, False), (A, 0x61, False)]
    assert keyboard.next_deadline() is None
    assert keyboard.key(down(A), 1) == []  # a source that tells repeats itself
    assert keyboard.key(up(A), 2) == []
    assert told(keyboard.key(down(A), 3)) == [(A, 0x61, True)]
    assert told(keyboard.key(down(B, "k2"), 3)) == [(B, 0x62, True)]
    assert told(keyboard.key(up(B, "k2"), 3)) == [(B, 0x62, False)]
    assert told(keyboard.unplugged("k")) == [(A, 0x61, False)]
    assert keyboard.change_receiver() == []


def test_the_newest_key_repeats_once_a_time():
    keyboard = Keyboard()
    keyboard.key(down(A), 10)
    keyboard.key(down(B), 11)
    assert keyboard.next_deadline() == 11 + KEY_REPEAT_DELAY_S
    assert keyboard.handle_deadline(11) == []
    late = 11 + KEY_REPEAT_DELAY_S + 5
    assert told(keyboard.handle_deadline(late)) == [(B, 0x62, True)]
    assert keyboard.next_deadline() == late + KEY_REPEAT_INTERVAL_S
    keyboard.key(up(A), late)
    assert keyboard.next_deadline() is not None
    keyboard.key(up(B), late)
    assert keyboard.next_deadline() is None
    assert keyboard.handle_deadline(late + 9) == []


@pytest.mark.parametrize("key", [down(SHIFT), down(CAPS), Key(0xFFE9, True), Key(0xFE03, True)])
def test_modifiers_do_not_repeat(key):
    keyboard = Keyboard()
    keyboard.key(key, 0)
    assert keyboard.next_deadline() is None


def test_a_forgotten_press_has_no_release():
    keyboard = Keyboard()
    keyboard.key(down(A), 0)
    keyboard.forget(down(A))
    assert keyboard.next_deadline() is None
    assert keyboard.key(up(A), 0) == []
    keyboard.forget(down(A))


@pytest.mark.parametrize(
    ("key", "leds"),
    [
        (down(58), Leds(caps=True, num=True)),
        (Key(0xFFE5, True), Leds(caps=True, num=True)),
        (down(69), Leds()),
        (down(70), Leds(num=True, scroll=True)),
    ],
)
def test_lock_keys(key, leds):
    keyboard = Keyboard()
    keyboard.toggle(key)
    assert keyboard.leds == leds
    keyboard.toggle(key)
    assert keyboard.leds == Leds(num=True)


@pytest.mark.parametrize(
    ("code", "shift", "leds", "keysym"),
    [
        (2, False, Leds(), 0x31),
        (2, True, Leds(caps=True), 0x21),
        (30, False, Leds(caps=True), 0x41),
        (30, True, Leds(caps=True), 0x61),
        (41, True, Leds(), 0x7E),
        (53, False, Leds(), 0x2F),
        (86, False, Leds(), 0x3C),
        (79, False, Leds(num=True), 0xFFB1),
        (79, True, Leds(num=True), 0xFF9C),
        (79, False, Leds(), 0xFF9C),
        (28, True, Leds(), 0xFF0D),
        (240, False, Leds(), 0),
    ],
)
def test_a_us_keyboard(code, shift, leds, keysym):
    assert keysym_of_code(code, shift, leds) == keysym


def test_scan_codes_are_keys_of_their_own():
    assert len(set(SCAN_CODES.values())) == len(SCAN_CODES)
    assert (SCAN_CODES[30], SCAN_CODES[103], SCAN_CODES[97]) == (0x1E, 0xE048, 0xE01D)
    assert all(code < 0x80 or code >> 8 == 0xE0 for code in SCAN_CODES.values())


def test_usb_keys_have_scan_codes():
    assert (CODES[4], CODES[29], CODES[39], CODES[40], CODES[97]) == (30, 44, 11, 28, 73)
    assert [usage for usage, code in CODES.items() if code not in SCAN_CODES] == []
    assert len(set(CODES.values())) == len(CODES) - 1
