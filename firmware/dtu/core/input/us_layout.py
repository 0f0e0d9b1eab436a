"""What the keys of a US keyboard write, as X keysyms. Sessions get scan codes, not this.

It is for what the terminal itself asks (PIN, menu) and for RFB servers that know no scan codes.
"""

from collections.abc import Collection

from dtu.core.input.codes import SHIFTS
from dtu.core.input.events import Leds

_ROWS = {
    2: ("1234567890-=", "!@#$%^&*()_+"),
    16: ("qwertyuiop[]", "QWERTYUIOP{}"),
    30: ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
    43: ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
    57: (" ", " "),
    86: ("<", ">"),
}
"""Key code of a row's first key, and what it writes without and with shift."""

_CHARACTERS = {
    first + place: (ord(low), ord(high))
    for first, (plain, shifted) in _ROWS.items()
    for place, (low, high) in enumerate(zip(plain, shifted, strict=True))
}

_KEYPAD = {
    # key code: what it writes with NumLock, what it does without
    71: ("7", 0xFF95), 72: ("8", 0xFF97), 73: ("9", 0xFF9A),
    75: ("4", 0xFF96), 76: ("5", 0xFF9D), 77: ("6", 0xFF98),
    79: ("1", 0xFF9C), 80: ("2", 0xFF99), 81: ("3", 0xFF9B),
    82: ("0", 0xFF9E), 83: (".", 0xFF9F),
}  # fmt: skip

# Keysyms of the keypad's characters are those of ASCII plus this.
_KEYPAD_CHARACTERS = 0xFF80

_NAMED = {
    1: 0xFF1B, 14: 0xFF08, 15: 0xFF09, 28: 0xFF0D,
    29: 0xFFE3, 42: 0xFFE1, 54: 0xFFE2, 56: 0xFFE9, 58: 0xFFE5,
    **{59 + number: 0xFFBE + number for number in range(10)},  # F1 to F10
    69: 0xFF7F, 70: 0xFF14, 87: 0xFFC8, 88: 0xFFC9,
    55: 0xFFAA, 74: 0xFFAD, 78: 0xFFAB, 96: 0xFF8D, 98: 0xFFAF, 117: 0xFFBD,
    97: 0xFFE4, 99: 0xFF61, 100: 0xFFEA,
    102: 0xFF50, 103: 0xFF52, 104: 0xFF55, 105: 0xFF51, 106: 0xFF53, 107: 0xFF57,
    108: 0xFF54, 109: 0xFF56, 110: 0xFF63, 111: 0xFFFF, 119: 0xFF13,
    125: 0xFFEB, 126: 0xFFEC, 127: 0xFF67,
    183: 0xFFCA, 184: 0xFFCB, 185: 0xFFCC,
}  # fmt: skip
"""Keys without a character; appendix A of the X11 protocol has the keysyms."""


class UsLayout:
    """A US keyboard: where no layout is set, or the set one cannot be loaded."""

    name = "us"

    def keysym(self, code: int, held: Collection[int], leds: Leds) -> int:
        """As `Layout` has it."""
        return keysym_of_code(code, any(key in SHIFTS for key in held), leds)


def keysym_of_named(code: int) -> int:
    """The keysym of a key that writes no character on any keyboard, like Enter; 0 for others."""
    return _NAMED.get(code, 0)


def keysym_of_code(code: int, shift: bool, leds: Leds) -> int:
    """The keysym that a US keyboard makes of a key code; 0 if it makes none."""
    if code in _CHARACTERS:
        plain, shifted = _CHARACTERS[code]
        letter = ord("a") <= plain <= ord("z")
        return shifted if shift != (letter and leds.caps) else plain
    if code in _KEYPAD:
        character, move = _KEYPAD[code]
        return _KEYPAD_CHARACTERS + ord(character) if leds.num != shift else move
    return _NAMED.get(code, 0)
