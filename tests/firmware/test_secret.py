"""Lines to fill in: what is typed, seen and kept of it. Where it goes is not here."""

import pytest

from dtu.core.actions import AskCard
from dtu.core.input.events import Key
from dtu.core.piv.results import Sign
from dtu.core.secret import Entry, Form
from roamwire.proof import Slot


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        (Key(ord("5"), True), "•"),
        (Key(0xFFB5, True), "•"),
        (Key(0xFF9D, True), "•"),  # the keypad's 5 without NumLock
        (Key(ord("%"), True, 6), "•"),  # the upper row with shift, as French keyboards have it
        (Key(ord("a"), True, 30), ""),
        (Key(0xFFE1, True, 42), ""),
    ],
)
def test_what_is_a_digit(key, typed):
    form = Form([Entry("pin", 8, hidden=True, digits=True)])
    form.press(key)
    assert form.entries[0].seen == typed


def test_no_more_is_typed_than_there_is_room_for():
    entry = Entry("user", 3, hidden=False)
    for letter in "aß€😀":
        entry.add(letter)
    assert (entry.seen, len(entry)) == ("aß€", 3)
    entry.remove()
    assert entry.seen == "aß"
    taken = entry.take()
    assert (taken.decode(), entry.seen, any(entry._room)) == ("aß", "", False)
    entry.remove()
    assert len(entry) == 0


def test_a_request_shows_no_pin():
    assert "1234" not in repr(AskCard(Sign(1, 1, Slot.PERSON, b"m", bytearray(b"1234"))))
