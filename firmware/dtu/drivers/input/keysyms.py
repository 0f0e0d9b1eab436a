"""Characters and key names as X keysyms (X11 protocol, appendix A). No device is read here."""

import re

from dtu.drivers.input.base import Key

BACKSPACE, TAB, RETURN, ESCAPE, DELETE = 0xFF08, 0xFF09, 0xFF0D, 0xFF1B, 0xFFFF
SHIFT, CONTROL, ALT, SUPER = 0xFFE1, 0xFFE3, 0xFFE9, 0xFFEB
ISO_LEVEL3_SHIFT = 0xFE03
KEYPAD_0 = 0xFFB0

NAMED = {
    "backspace": BACKSPACE,
    "tab": TAB,
    "enter": RETURN,
    "return": RETURN,
    "escape": ESCAPE,
    "delete": DELETE,
    "home": 0xFF50,
    "left": 0xFF51,
    "up": 0xFF52,
    "right": 0xFF53,
    "down": 0xFF54,
    "page up": 0xFF55,
    "page down": 0xFF56,
    "end": 0xFF57,
    "print screen": 0xFF61,
    "insert": 0xFF63,
    "menu": 0xFF67,
    "pause": 0xFF13,
    "break": 0xFF6B,
    "scroll lock": 0xFF14,
    "numlock": 0xFF7F,
    "caps lock": 0xFFE5,
    "space": 0x20,
    **{f"f{number}": 0xFFBD + number for number in range(1, 16)},
}
"""Keys without a character, by the names that SDL has for them (and `enter`)."""

_MODIFIERS = {"ctrl": CONTROL, "alt": ALT, "shift": SHIFT, "super": SUPER}

_SDL_MODIFIERS = {
    "left shift": SHIFT,
    "right shift": 0xFFE2,
    "left ctrl": CONTROL,
    "right ctrl": 0xFFE4,
    "left alt": ALT,
    "right alt": 0xFFEA,
    "alt gr": ISO_LEVEL3_SHIFT,
    "left meta": SUPER,
    "right meta": 0xFFEC,
}

# SDL's names of keypad keys: with NumLock they make the character, without it they move.
_KEYPAD_MOVES = {
    "[0]": 0xFF9E,
    "[1]": 0xFF9C,
    "[2]": 0xFF99,
    "[3]": 0xFF9B,
    "[4]": 0xFF96,
    "[5]": 0xFF9D,
    "[6]": 0xFF98,
    "[7]": 0xFF95,
    "[8]": 0xFF97,
    "[9]": 0xFF9A,
    "[.]": 0xFF9F,
}
_KEYPAD = {"enter": 0xFF8D, "[/]": 0xFFAF, "[*]": 0xFFAA, "[-]": 0xFFAD, "[+]": 0xFFAB}

_CONTROLS = {"\n": RETURN, "\r": RETURN, "\t": TAB, "\b": BACKSPACE, "\x1b": ESCAPE, "\x7f": DELETE}

_CHORD = re.compile(r"<((?:(?:ctrl|alt|shift|super)-)*)([a-z0-9 ]+|.)>", re.IGNORECASE)


def keysym_of(character: str) -> int | None:
    """The keysym of one character; None for control characters that no key makes."""
    if character in _CONTROLS:
        return _CONTROLS[character]
    code = ord(character)
    if 0x20 <= code < 0x7F or 0xA0 <= code <= 0xFF:
        return code
    # Appendix A: every other Unicode character is its number plus 0x01000000.
    return 0x01000000 | code if code > 0xFF else None


def keysym_of_sdl_key(name: str, character: str, code: int) -> int | None:
    """The keysym of a key press as SDL tells it: the key's name, its text and its key code."""
    if name in _KEYPAD_MOVES:
        if not character:
            return _KEYPAD_MOVES[name]
        return KEYPAD_0 + int(character) if character.isdecimal() else 0xFFAE
    for table in (_SDL_MODIFIERS, _KEYPAD, NAMED):
        if name in table:
            return table[name]
    if len(character) == 1 and character.isprintable():
        return keysym_of(character)
    # With Control held the text is a control character; the code is the key's letter.
    return code if 0x20 <= code < 0x7F else None


def strokes(text: str) -> list[Key]:
    """The key events that type a text.

    Newline is Enter; `<ctrl-s>`, `<alt-f4>`, `<enter>`, `<page up>` are keys; `<lt>` is a `<`
    where one would begin such a name. What looks like a name and is none is typed as it stands.
    """
    events: list[Key] = []
    place = 0
    while place < len(text):
        match = _CHORD.match(text, place)
        held, keysym = _chord(match) if match else ([], None)
        if match and keysym is not None:
            place = match.end()
        else:
            held, keysym = [], keysym_of(text[place])
            place += 1
        if keysym is None:
            continue
        keys = [*held, keysym]
        events += [Key(key, True) for key in keys]
        events += [Key(key, False) for key in reversed(keys)]
    return events


def chord(name: str) -> list[int]:
    """The keysyms of keys that are held together, such as `ctrl-alt-home`; empty if it is none."""
    events = strokes(f"<{name}>")
    keysyms = [event.keysym for event in events if event.down]
    # What is no name is typed letter by letter: then the first key comes up before the last.
    return keysyms if [event.down for event in events[: len(keysyms)]].count(False) == 0 else []


def chord_problem(name: str) -> str | None:
    """What is wrong with a chord for the menu; None if it is one that nobody presses by chance."""
    if len(chord(name)) < 3:
        return f"must be two of ctrl, alt, shift, super and a key, like ctrl-alt-home: {name!r}"
    return None


def _chord(match: re.Match[str]) -> tuple[list[int], int | None]:
    name = match[2].lower()
    held = [_MODIFIERS[modifier] for modifier in match[1].lower().split("-") if modifier]
    if name == "lt":
        return held, ord("<")
    if name in NAMED:
        return held, NAMED[name]
    # <x> alone is text, <ctrl-x> is a key.
    return held, keysym_of(match[2]) if held and len(match[2]) == 1 else None
