"""What a person types at the terminal itself: lines of a form, some of them seen as dots only.

Nothing typed stands in a repr. PINs and passwords are kept in bytearrays that are overwritten; what
other code makes of a password on its way to the server is not reached (`roamwire.control.Answer`).
"""

from collections.abc import Sequence

from dtu.core.input.dead_keys import DEAD_KEYSYMS, composed, doubled
from dtu.core.input.events import Key

ENTER, ESCAPE, BACKSPACE, TAB = (0xFF0D, 0xFF8D), 0xFF1B, 0xFF08, 0xFF09
UP, DOWN = (0xFF52, 0xFE20), (0xFF54,)  # 0xFE20: what Shift makes of Tab (ISO_Left_Tab)
SHIFTS = frozenset({0xFFE1, 0xFFE2})
_MODIFIERS = frozenset({0, *range(0xFFE1, 0xFFEF), 0xFE03, 0xFE11, 0xFF7E, 0xFF7F, 0xFF14})
"""With locks, and keys that write nothing at all."""

_KEYPAD = range(0xFFAA, 0xFFBA)
_KEYPAD_CHARACTERS = 0xFF80
_DIGIT_CODES = {2 + place: digit for place, digit in enumerate("1234567890")}
_MOVES = dict(zip((0xFF9E, 0xFF9C, 0xFF99, 0xFF9B, 0xFF96, 0xFF9D, 0xFF98, 0xFF95, 0xFF97, 0xFF9A),
                  "0123456789", strict=True))  # fmt: skip
"""What the digits of a keypad are without NumLock; arrows mean nothing on a PIN pad."""

_UNICODE = 0x01000000
_MOST_UTF8 = 4


def character(key: Key) -> str:
    """What a key writes; "" if it writes nothing."""
    keysym = key.keysym
    if keysym in _KEYPAD:
        return chr(keysym - _KEYPAD_CHARACTERS)
    if 0x20 <= keysym < 0x7F or 0xA0 <= keysym <= 0xFF:
        return chr(keysym)
    if _UNICODE < keysym <= _UNICODE | 0x10FFFF:
        letter = chr(keysym & 0xFFFFFF)
        return letter if letter.isprintable() else ""
    return ""


def digit(key: Key) -> str:
    """The digit on a key; "" if it has none.

    The upper row counts by the key and not by what it writes: it is the same on all layouts, be
    there shift on the digits (French) or not.
    """
    if key.code in _DIGIT_CODES:
        return _DIGIT_CODES[key.code]
    written = character(key)
    return written if written in tuple("0123456789") else _MOVES.get(key.keysym, "")


class Entry:
    """One line of a form; `label` is its key in the languages, `most` its longest in characters.

    What is typed stays in one place of memory: a bytearray that grows leaves copies behind.
    """

    def __init__(self, label: str, most: int, *, hidden: bool, digits: bool = False) -> None:
        self.label = label
        self.digits = digits
        self._most = most
        self._hidden = hidden
        self._room = bytearray(most * _MOST_UTF8)
        self._used = 0

    def __len__(self) -> int:
        return sum(byte & 0xC0 != 0x80 for byte in memoryview(self._room)[: self._used])

    @property
    def seen(self) -> str:
        """What is on the screen: the text, or a dot for each character."""
        return "•" * len(self) if self._hidden else self._room[: self._used].decode("utf-8")

    def add(self, letter: str) -> None:
        """One more character, if there is room."""
        if len(self) < self._most:
            data = letter.encode("utf-8")
            self._room[self._used : self._used + len(data)] = data
            self._used += len(data)

    def remove(self) -> None:
        """The last character goes, all its bytes."""
        while self._used:
            self._used -= 1
            last, self._room[self._used] = self._room[self._used], 0
            if last & 0xC0 != 0x80:
                return

    def take(self) -> bytearray:
        """What was typed; it belongs to the caller, who wipes it, and this is empty."""
        taken = bytearray(memoryview(self._room)[: self._used])
        self.wipe()
        return taken

    def wipe(self) -> None:
        """Nothing was typed."""
        self._room[:] = bytes(len(self._room))
        self._used = 0


class Form:
    """Lines to fill in; Enter goes to the next one, and is done at the last."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self.place = 0
        self._dead = 0

    def press(self, key: Key) -> bool:
        """A key went down; whether the form is done with it."""
        entry, dead = self.entries[self.place], self._dead
        letter = digit(key) if entry.digits else self._letter(key)
        if letter:
            entry.add(letter)
        elif key.keysym in ENTER:
            if self.place == len(self.entries) - 1:
                return True
            self.place += 1
        elif key.keysym in (TAB, *DOWN):
            self.place = (self.place + 1) % len(self.entries)
        elif key.keysym in UP:
            self.place = (self.place - 1) % len(self.entries)
        elif key.keysym == BACKSPACE and not dead:
            entry.remove()
        return False

    def _letter(self, key: Key) -> str:
        """What a key writes after a dead one, or by itself; a dead one waits for the next.

        Any other key but a modifier undoes the dead one, as it does in sessions: an accent that
        nobody saw must not come to a later letter.
        """
        dead, letter = self._dead, character(key)
        if key.keysym in _MODIFIERS:
            return ""
        self._dead = 0
        if key.keysym in DEAD_KEYSYMS:
            if key.keysym == dead:
                return doubled(dead)
            self._dead = key.keysym if not dead else 0
            return ""
        return composed(dead, letter) if dead and letter else letter

    def wipe(self) -> None:
        """Nothing was typed."""
        self._dead = 0
        for entry in self.entries:
            entry.wipe()
