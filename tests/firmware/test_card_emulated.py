"""The emulated card, as a reader would see it; vpcd is in the contract tests of the drivers."""

import pytest

from roamtools.card.cards import Apdu, Card, contact_card, mute_card, normal_card

SELECT_GDO, READ = "00A4020C022F02", "00B0000000"


def ask(card, apdu):
    return card.answer(bytes.fromhex(apdu)).hex()


class Echo:
    """An applet that gives back what it is sent."""

    aid = bytes.fromhex("A000000308")

    def reset(self):
        pass

    def select(self):
        return b"\x61\x90\x00"

    def answer(self, apdu):
        return apdu.data + b"\x90\x00"


def test_a_contactless_card_has_a_uid_and_no_files():
    card = normal_card(b"\x04\x01\x02\x03")
    assert ask(card, "FFCA000000") == "040102039000"
    assert ask(card, "FFCA010000") == "6a81"
    assert ask(card, SELECT_GDO) == "6a82"


def test_a_contact_card_has_its_number_in_a_file():
    card = contact_card(b"\x01\x02")
    assert ask(card, "FFCA000000") == "6a81"
    assert ask(card, SELECT_GDO) == "9000"
    assert ask(card, READ) == "5a0201029000"
    assert ask(card, "00B0000200") == "01029000"
    card.reset()
    assert ask(card, READ) == "9000"


def test_an_applet_answers_while_it_is_selected():
    card = Card(uid=b"\x04\x01\x02\x03", applets=[Echo()])
    assert ask(card, "00A40400 02 AABB") == "6a82"
    assert ask(card, "00A40400 03 A00000") == "619000"
    assert ask(card, "00870000 01 55") == "559000"
    assert ask(card, "FFCA000000") == "040102039000"
    card.reset()
    assert ask(card, "00870000 01 55") == "6d00"


@pytest.mark.parametrize("raw", ["", "00", "00A402", "00A4020C05 2F02", "00A4020C022F020000"])
def test_what_is_no_short_apdu_is_the_wrong_length(raw):
    assert Apdu.parse(bytes.fromhex(raw)) is None
    assert ask(normal_card(b"\x04\x01\x02\x03"), raw) == "6700"


@pytest.mark.parametrize(("raw", "data"), [("00B00000", ""), ("00A4000C023F00", "3f00")])
def test_short_apdus(raw, data):
    apdu = Apdu.parse(bytes.fromhex(raw))
    assert apdu is not None
    assert apdu.data.hex() == data


def test_other_classes_are_refused_and_a_mute_card_has_no_atr_that_counts():
    assert ask(contact_card(b"\x01"), "80B0000000") == "6e00"
    assert mute_card().atr[0] not in (0x3B, 0x3F)
