"""Characters, bench texts and SDL keys as keysyms. Keyboards are not here."""

import pytest

from dtu.drivers.input.base import Key
from dtu.drivers.input.keysyms import keysym_of, keysym_of_sdl_key, strokes
from dtu.drivers.input.scripted import ScriptedInput


@pytest.mark.parametrize(
    ("character", "keysym"),
    [
        ("a", 0x61),
        ("A", 0x41),
        (" ", 0x20),
        ("~", 0x7E),
        ("é", 0xE9),
        ("€", 0x010020AC),
        ("😀", 0x0101F600),
        ("\n", 0xFF0D),
        ("\t", 0xFF09),
        ("\x7f", 0xFFFF),
        ("\x01", None),
        ("\x85", None),
    ],
)
def test_characters(character, keysym):
    assert keysym_of(character) == keysym


def pressed(*keysyms):
    return [Key(keysym, True) for keysym in keysyms] + [
        Key(keysym, False) for keysym in reversed(keysyms)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n", pressed(0x61) + pressed(0xFF0D)),
        ("<ctrl-s>", pressed(0xFFE3, 0x73)),
        ("<Ctrl-Shift-T>", pressed(0xFFE3, 0xFFE1, 0x54)),
        ("<alt-f4>", pressed(0xFFE9, 0xFFC1)),
        ("<enter><page up>", pressed(0xFF0D) + pressed(0xFF55)),
        ("<lt>", pressed(0x3C)),
        ("<ctrl-lt>", pressed(0xFFE3, 0x3C)),
        ("<b>", pressed(0x3C) + pressed(0x62) + pressed(0x3E)),
        ("a<ctrl-nothing", [e for c in "a<ctrl-nothing" for e in pressed(ord(c))]),
        ("<ctrl-nothing>", [e for c in "<ctrl-nothing>" for e in pressed(ord(c))]),
        ("\x01", []),
        ("", []),
    ],
)
def test_texts_to_type(text, expected):
    assert strokes(text) == expected


@pytest.mark.parametrize(
    ("name", "character", "code", "keysym"),
    [
        ("a", "a", 97, 0x61),
        ("a", "A", 97, 0x41),
        ("s", "\x13", 115, 0x73),
        ("q", "@", 113, 0x40),
        ("return", "\r", 13, 0xFF0D),
        ("enter", "\r", 0x40000058, 0xFF8D),
        ("space", " ", 32, 0x20),
        ("left shift", "", 0x400000E1, 0xFFE1),
        ("alt gr", "", 0x40000101, 0xFE03),
        ("f12", "", 0x40000045, 0xFFC9),
        ("[7]", "", 0x4000005F, 0xFF95),
        ("[7]", "7", 0x4000005F, 0xFFB7),
        ("[.]", ".", 0x40000063, 0xFFAE),
        ("[+]", "+", 0x40000057, 0xFFAB),
        ("unknown key", "", 0x400000F0, None),
    ],
)
def test_sdl_keys(name, character, code, keysym):
    assert keysym_of_sdl_key(name, character, code) == keysym


def test_scripted_input_posts_between_start_and_stop():
    got = []
    scripted = ScriptedInput()
    scripted.feed(Key(1, True))
    scripted.start(got.append)
    scripted.feed(Key(2, True))
    scripted.stop()
    scripted.feed(Key(3, True))
    assert got == [Key(2, True)]
