"""Dead keys, against the rules of X's own library for sessions (libx11-data)."""

import re
from pathlib import Path

import pytest

from dtu.core.input.dead_keys import DEAD_KEYSYMS, composed, doubled

COMPOSE = Path("/usr/share/X11/locale/en_US.UTF-8/Compose")
RULE = re.compile(r'^<dead_(\w+)> <(\w+)>\s*: "((?:[^"\\]|\\.)+)"', re.MULTILINE)
KEYSYMS = {
    "grave": 0xFE50, "acute": 0xFE51, "circumflex": 0xFE52, "tilde": 0xFE53, "macron": 0xFE54,
    "breve": 0xFE55, "abovedot": 0xFE56, "diaeresis": 0xFE57, "abovering": 0xFE58,
    "doubleacute": 0xFE59, "caron": 0xFE5A, "cedilla": 0xFE5B, "ogonek": 0xFE5C,
}  # fmt: skip


@pytest.fixture(scope="module")
def rules():
    """(dead key, letter or `dead`) to what sessions write."""
    found = {}
    for dead, second, text in RULE.findall(COMPOSE.read_text(encoding="utf-8")):
        if dead not in KEYSYMS:
            continue
        if second == f"dead_{dead}":
            found[dead, "dead"] = text
        elif len(second) == 1 or second == "space":
            found[dead, " " if second == "space" else second] = re.sub(r"\\(.)", r"\1", text)
    assert len(found) > 200
    return found


def test_what_is_written_is_what_sessions_write(rules):
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "
    wrong = {
        (dead, letter): (here, rules.get((dead, letter)))
        for dead, keysym in KEYSYMS.items()
        for letter in letters
        if (here := composed(keysym, letter)) and here != rules.get((dead, letter))
    }
    assert wrong == {}


def test_twice_is_the_accent_itself(rules):
    for dead, keysym in KEYSYMS.items():
        assert doubled(keysym) == rules.get((dead, "dead"), doubled(keysym))


def test_what_is_not_known_writes_nothing():
    assert composed(0xFE52, "x") == ""
    assert composed(0xFE63, "o") == ""  # stroke
    assert doubled(0xFE63) == ""
    assert set(KEYSYMS.values()) <= set(DEAD_KEYSYMS)
