"""evdev's numbers to input events: keys, wheels, tablets, fingers, dropped events. No device."""

import pytest

from dtu.core.input import decoder as d
from dtu.core.input.decoder import Abilities, Decoder
from dtu.core.input.events import Button, Key, Motion, Place, Wheel

KEYBOARD = Abilities(keys=frozenset(range(1, 120)))
MOUSE = Abilities(keys=frozenset({0x110, 0x111}), relative=frozenset({0, 1, 8}))
TABLET = Abilities(keys=frozenset({0x110}), absolute={0: (0, 100), 1: (100, 300)})
PEN = Abilities(keys=frozenset({0x14A, 0x14B}), absolute={0: (0, 100), 1: (0, 100)})
FINGERS = {47: (0, 9), 53: (0, 100), 54: (0, 100), 57: (0, 65535), 0: (0, 100), 1: (0, 100)}
SCREEN = Abilities(keys=frozenset({0x14A}), absolute=FINGERS)
PAD = Abilities(
    keys=frozenset({0x14A, 0x145, 0x110}), absolute=FINGERS, properties=frozenset({0, 2})
)
JOYSTICK = Abilities(keys=frozenset({0x120, 0x121}), absolute={0: (0, 255), 1: (0, 255)})


def play(decoder, *numbers, at=1.0):
    """Events of one packet: triples, then SYN_REPORT."""
    events = []
    for number in (*numbers, (0, 0, 0)):
        events += decoder.take(*number, at)
    return events


@pytest.mark.parametrize(
    ("abilities", "useful"),
    [
        (KEYBOARD, True), (MOUSE, True), (TABLET, True), (PEN, True), (SCREEN, True), (PAD, True),
        (JOYSTICK, False), (Abilities(), False),
        (Abilities(relative=frozenset({0, 1})), True),
        (Abilities(keys=frozenset({0x100})), False),
    ],
)  # fmt: skip
def test_what_is_worth_reading(abilities, useful):
    assert abilities.useful is useful


def test_keys_come_in_order_and_the_kernels_repeat_is_not_ours():
    decoder = Decoder("k", KEYBOARD)
    assert decoder.take(1, 30, 1, 0.0) == []
    assert play(decoder, (1, 30, 2), (4, 4, 99), (1, 31, 1), (1, 30, 0)) == [
        Key(0, True, 30, "k"),
        Key(0, True, 31, "k"),
        Key(0, False, 30, "k"),
    ]
    assert play(decoder) == []
    assert decoder.take(0, 2, 0, 0.0) == []


def test_a_mouse():
    decoder = Decoder("m", MOUSE)
    assert play(decoder, (2, 0, 3), (2, 1, -2), at=1.0) == [Motion(3, -2, 1.0, "m")]
    assert play(decoder, (1, 0x110, 1), (2, 0, 1), (2, 0, 1), at=1.25) == [
        Motion(2, 0, 0.25, "m"),
        Button(0, True, "m"),
    ]
    assert play(decoder, (1, 0x110, 0), (1, 0x113, 1), (1, 0x114, 1), (1, 0x120, 1)) == [
        Button(0, False, "m"),
        Button(7, True, "m"),
        Button(8, True, "m"),
    ]


def test_wheels_in_notches_and_finer():
    assert play(Decoder("m", MOUSE), (2, 8, -1), (2, 6, 2)) == [Wheel(240, -120, "m")]
    fine = Abilities(keys=MOUSE.keys, relative=frozenset({0, 1, 8, 11, 12}))
    numbers = ((2, 8, 1), (2, 11, 15), (2, 12, -30), (2, 9, 1))
    assert play(Decoder("m", fine), *numbers) == [Wheel(-30, 15, "m")]


def test_a_tablet_says_where_it_is_before_what_was_pressed():
    decoder = Decoder("t", TABLET)
    assert play(decoder, (3, 0, 50)) == []
    assert play(decoder, (1, 0x110, 1), (3, 1, 200), (3, 24, 1)) == [
        Place(0.5, 0.5, "t"),
        Button(0, True, "t"),
    ]
    assert play(decoder, (3, 0, 999), (3, 1, -5)) == [Place(1.0, 0.0, "t")]


def test_a_pen_touches_and_has_a_button():
    decoder = Decoder("p", PEN)
    assert play(decoder, (3, 0, 0), (3, 1, 0), (1, 0x14A, 1), (1, 0x14B, 1)) == [
        Place(0.0, 0.0, "p"),
        Button(0, True, "p"),
        Button(2, True, "p"),
    ]


def test_the_first_finger_is_the_pointer():
    decoder = Decoder("s", SCREEN)
    first = ((3, 57, 7), (3, 53, 50), (3, 54, 25), (3, 0, 50), (1, 0x14A, 1))
    assert play(decoder, *first) == [Place(0.5, 0.25, "s"), Button(0, True, "s")]
    second = ((3, 47, 1), (3, 57, 8), (3, 53, 90), (3, 54, 90))
    assert play(decoder, *second) == []
    assert play(decoder, (3, 47, 0), (3, 53, 60)) == [Place(0.6, 0.25, "s")]
    assert play(decoder, (3, 57, -1)) == [Button(0, False, "s")]
    # The second finger is still there: it is not suddenly the pointer, nor is a third.
    assert play(decoder, (3, 47, 1), (3, 53, 10)) == []
    assert play(decoder, (3, 47, 2), (3, 57, 9), (3, 53, 10)) == []
    assert play(decoder, (3, 57, -1), (3, 47, 1), (3, 57, -1)) == []
    assert play(decoder, (3, 57, 10), (3, 53, 0), (3, 54, 0)) == [
        Place(0.0, 0.0, "s"),
        Button(0, True, "s"),
    ]
    # Another finger in the same slot: up, then down.
    assert play(decoder, (3, 57, 11)) == [Button(0, False, "s"), Button(0, True, "s")]


def test_slots_that_no_screen_has():
    decoder = Decoder("s", SCREEN)
    assert play(decoder, (3, 47, 1000), (3, 57, 1), (3, 53, 1)) == []
    assert play(decoder, (3, 47, -3), (3, 57, 1)) == []


def test_a_touchpad_moves_the_pointer():
    decoder = Decoder("p", PAD)
    assert play(decoder, (3, 57, 1), (3, 53, 10), (3, 54, 10), (1, 0x14A, 1)) == []
    assert play(decoder, (3, 53, 20), (1, 0x110, 1), at=2.0) == [
        Motion(160, 0, 2.0, "p"),
        Button(0, True, "p"),
    ]
    assert play(decoder, (3, 57, -1)) == []


def test_dropped_events_are_asked_for():
    decoder = Decoder("k", KEYBOARD)
    play(decoder, (1, 30, 1), (1, 31, 1))
    gap = play(decoder, (1, 32, 1), (2, 0, 5), (0, 3, 0), (1, 30, 0))
    assert gap == [Key(0, True, 32, "k")]
    assert decoder.stale
    assert decoder.resync({31, 32, 33}) == [Key(0, False, 30, "k"), Key(0, True, 33, "k")]
    assert not decoder.stale
    assert play(decoder, (1, 33, 0)) == [Key(0, False, 33, "k")]


def test_a_finger_is_up_after_dropped_events():
    decoder = Decoder("s", SCREEN)
    play(decoder, (3, 57, 7), (3, 53, 50), (3, 54, 25), (1, 0x14A, 1))
    play(decoder, (0, 3, 0))
    assert decoder.resync({0x14A}) == [Button(0, False, "s")]
    assert play(decoder, (3, 53, 51)) == []


def test_a_finger_needs_both_axes():
    decoder = Decoder("s", SCREEN)
    assert play(decoder, (3, 57, 7), (3, 53, 50)) == [Button(0, True, "s")]
    assert d.BUTTONS[0x110] == 0
