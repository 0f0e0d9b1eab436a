"""The number of a card, read from emulated cards; no reader here."""

import pytest

from dtu.drivers.card.number import GET_UID, READ_BINARY, SELECT_GDO, find_tag, read_number
from roamtools.card.cards import contact_card, foreign_card, normal_card
from roamwire.tokens import Token

NUMBER = bytes.fromhex("04a1b2c3d4e5f6")


def test_the_uid_of_a_contactless_card():
    assert read_number(normal_card(NUMBER).answer) == Token("uid", NUMBER.hex())


def test_the_serial_number_of_a_contact_card():
    assert read_number(contact_card(NUMBER).answer) == Token("uid", NUMBER.hex())


def test_a_card_without_a_number():
    assert read_number(foreign_card().answer) is None


def test_a_random_uid_is_no_number():
    assert read_number(normal_card(bytes.fromhex("08a1b2c3")).answer) is None


@pytest.mark.parametrize("uid", ["", "0102", "00000000", "01" * 33])
def test_what_is_too_short_too_long_or_empty_is_no_number(uid):
    def answer(apdu: bytes) -> bytes:
        return (bytes.fromhex(uid) if apdu == GET_UID else b"") + b"\x90\x00"

    assert read_number(answer) is None


def test_a_reader_that_wants_the_right_length():
    gdo = b"\x5a\x04\x01\x02\x03\x04"

    def answer(apdu: bytes) -> bytes:
        if apdu == READ_BINARY:
            return b"\x6c\x06"
        if apdu == READ_BINARY[:-1] + b"\x06":
            return gdo + b"\x90\x00"
        return b"\x90\x00" if apdu == SELECT_GDO else b"\x6a\x82"

    assert read_number(answer) == Token("uid", "01020304")


@pytest.mark.parametrize("response", [b"", b"\x90", b"\x90\x00", b"\x6a", b"\xff" * 300])
def test_nonsense_from_a_card_is_no_number(response):
    assert read_number(lambda _apdu: response) is None


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("5a0401020304", "01020304"),
        ("990155 5a0101", "01"),
        ("5a8102aabb", "aabb"),
        ("5a04010203", ""),
        ("5a", ""),
        ("5a81", ""),
        ("5a820001aa", ""),
        ("990155", ""),
    ],
)
def test_find_tag(data, value):
    assert find_tag(bytes.fromhex(data), 0x5A).hex() == value
