"""Dead keys: an accent, then the letter that it is for. Composed by Unicode's own rules."""

import unicodedata

DEAD_KEYSYMS = range(0xFE50, 0xFEA0)
"""Keysyms of dead keys, also of those that are not composed here (keysymdef.h)."""

_ACCENTS = {
    # keysym: what Unicode composes with, the accent by itself (twice), with a blank
    0xFE50: ("\u0300", "`", "`"),  # grave
    0xFE51: ("\u0301", "\u00b4", "'"),  # acute
    0xFE52: ("\u0302", "^", "^"),  # circumflex
    0xFE53: ("\u0303", "~", "~"),  # tilde
    0xFE54: ("\u0304", "\u00af", "\u00af"),  # macron
    0xFE55: ("\u0306", "\u02d8", "\u02d8"),  # breve
    0xFE56: ("\u0307", "\u02d9", "\u02d9"),  # dot above
    0xFE57: ("\u0308", "\u00a8", '"'),  # diaeresis
    0xFE58: ("\u030a", "\u00b0", "\u00b0"),  # ring above
    0xFE59: ("\u030b", "\u02dd", "\u02dd"),  # double acute
    0xFE5A: ("\u030c", "\u02c7", "\u02c7"),  # caron
    0xFE5B: ("\u0327", "\u00b8", "\u00b8"),  # cedilla
    0xFE5C: ("\u0328", "\u02db", "\u02db"),  # ogonek
}


def composed(dead: int, letter: str) -> str:
    """What a dead key (by its keysym) and the letter after it write; "" if they write nothing."""
    accent = _ACCENTS.get(dead)
    if accent is None:
        return ""
    if letter == " ":
        return accent[2]
    whole = unicodedata.normalize("NFC", letter + accent[0])
    return whole if len(whole) == 1 else ""


def doubled(dead: int) -> str:
    """What a dead key writes that is pressed twice; "" if nothing."""
    return _ACCENTS[dead][1] if dead in _ACCENTS else ""
