"""The client of PIV cards against the emulated card, and against cards that answer nonsense."""

import gzip
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import piv

from dtu.core.piv import tlv
from dtu.core.piv.client import perform, read_card
from dtu.core.piv.commands import MAX_ANSWER, MAX_RESPONSES, OK
from dtu.core.piv.keys import public_key_info
from dtu.core.piv.results import (
    CardFault,
    ChangePin,
    CountTries,
    NoCertificate,
    NoPiv,
    PinBlocked,
    PinChanged,
    PinNeeded,
    PinUnusable,
    PinWrong,
    PivCard,
    Sign,
    Signed,
    Tries,
)
from dtu.drivers.card.reading import run
from fakes.odd_keys import compressed, replaced
from roamtools.card.cards import normal_card
from roamtools.card.holder import piv_card
from roamtools.card.piv import PivApplet
from roamtools.card.piv_make import Order, clone, make_authority, make_card
from roamwire.proof import Slot

MESSAGE = b"roamdesk\0what binds challenge, terminal and server"


def read(card):
    return run(read_card(), card.answer)


def ask(card, request, known=None):
    return run(perform(request, known or read(card)), lambda apdu: card.answer(bytes(apdu)))


def pin(text=piv.PIN):
    return bytearray(text, "ascii")


def sign_9a(card, text=piv.PIN):
    return ask(card, Sign(1, 1, Slot.PERSON, MESSAGE, pin(text)))


def change(card, old, new):
    return ask(card, ChangePin(1, 1, pin(old), pin(new)))


def tries(card):
    return ask(card, CountTries(1, 1))


def of(state):
    return piv_card(PivApplet(state))


@pytest.mark.parametrize("kind", piv.KEY_TYPES)
def test_a_card_says_who_it_is_and_proves_it(kind):
    card = piv.card(kind)
    found = read(card)
    assert (found.token, found.guid) == (piv.token_of(piv.state(kind)), piv.GUID.hex())
    assert (found.certificate.slot, found.certificate.key.value) == (Slot.CARD, kind)
    signed = ask(card, Sign(1, 1, Slot.CARD, MESSAGE))
    assert signed.certificate == found.certificate
    assert piv.verifies(signed.certificate.der, signed.signature, MESSAGE)
    assert not piv.verifies(signed.certificate.der, signed.signature, MESSAGE + b"!")


@pytest.mark.parametrize("kind", piv.KEY_TYPES)
def test_a_person_proves_the_pin(kind):
    card = piv.card(kind)
    signed = sign_9a(card)
    assert signed.certificate.slot is Slot.PERSON
    assert signed.certificate.der != read(card).certificate.der
    assert piv.verifies(signed.certificate.der, signed.signature, MESSAGE)


def test_wrong_pins_until_it_is_blocked():
    card = piv.card()
    assert tries(card) == Tries(3)
    assert sign_9a(card, piv.WRONG_PIN) == PinWrong(2)
    assert sign_9a(card, piv.WRONG_PIN) == PinWrong(1)
    assert tries(card) == Tries(1)
    assert isinstance(sign_9a(card), Signed)
    assert tries(card) == Tries(None)  # the PIN counts
    card.reset()
    assert tries(card) == Tries(3)
    for _ in range(2):
        sign_9a(card, piv.WRONG_PIN)
    assert sign_9a(card, piv.WRONG_PIN) == PinBlocked()
    assert sign_9a(card) == PinBlocked()
    assert tries(card) == PinBlocked()
    # The card itself still proves that it is there.
    assert isinstance(ask(card, Sign(1, 1, Slot.CARD, MESSAGE)), Signed)


def test_a_new_pin():
    card = piv.card()
    assert change(card, piv.WRONG_PIN, piv.NEW_PIN) == PinWrong(2)
    assert change(card, piv.PIN, piv.NEW_PIN) == PinChanged()
    card.reset()
    assert sign_9a(card, piv.PIN) == PinWrong(2)
    assert isinstance(sign_9a(card, piv.NEW_PIN), Signed)


@pytest.mark.parametrize("text", ["", "123", "123456789", "12 456", "12345\x7f"])
def test_a_pin_that_no_card_has_costs_no_try(text):
    card = piv.card()
    assert sign_9a(card, text) == PinUnusable()
    assert change(card, piv.PIN, text) == PinUnusable()
    assert tries(card) == Tries(3)


def test_a_pin_that_this_card_cannot_have_costs_no_try():
    card = piv.card()
    assert sign_9a(card, "1234") == PinUnusable()  # the card answers 6A80
    assert tries(card) == Tries(3)


def test_pins_are_wiped_whatever_happens():
    sent = []
    old, new = pin(), pin(piv.NEW_PIN)
    exchange = perform(ChangePin(1, 1, old, new), read(piv.card()))
    command = next(exchange)
    while not isinstance(command, bytearray):
        command = exchange.send(b"\x90\x00")
    sent.append(command)
    assert command[5:] == b"123456\xff\xff87654321"
    exchange.close()  # the card was pulled
    assert not any(command)
    assert not any(old)
    assert not any(new)
    for request in (
        Sign(1, 1, Slot.PERSON, MESSAGE, pin()),
        Sign(1, 1, Slot.PERSON, MESSAGE, pin(piv.WRONG_PIN)),
    ):
        ask(piv.card(), request)
        assert not any(request.pin)
        assert piv.PIN not in repr(request)


def test_no_pin_is_tried_for_a_key_that_cannot_be_used():
    state = piv.state()
    del state.objects["5fc105"]
    card = of(state)
    assert sign_9a(card, piv.WRONG_PIN) == NoCertificate(Slot.PERSON, "absent")
    assert tries(card) == Tries(3)


def test_9e_takes_no_pin():
    with pytest.raises(ValueError, match="9e"):
        Sign(1, 1, Slot.CARD, MESSAGE, pin())


def test_9a_signs_without_a_pin_while_the_card_remembers_it():
    card = piv.card()

    def silent():
        return ask(card, Sign(1, 1, Slot.PERSON, MESSAGE))

    assert silent() == PinNeeded(3)
    assert sign_9a(card, piv.WRONG_PIN) == PinWrong(2)
    assert silent() == PinNeeded(2)
    assert isinstance(sign_9a(card), Signed)
    assert isinstance(silent(), Signed)
    card.reset()
    assert silent() == PinNeeded(3)
    for _ in range(3):
        sign_9a(card, piv.WRONG_PIN)
    assert silent() == PinBlocked()


def test_a_card_that_forgets_the_pin_when_it_is_selected_keeps_it():
    """SP 800-73-4 wants it otherwise, and not every card is like that."""
    card, selected = piv.card(), []

    def forgetful(raw):
        if raw[1] == 0xA4:
            selected.append(raw)
            card.reset()
        return card.answer(raw)

    forgetting = piv.Answers(forgetful)
    known = read(forgetting)
    selected.clear()
    assert isinstance(ask(forgetting, Sign(1, 1, Slot.PERSON, MESSAGE, pin()), known), Signed)
    assert isinstance(ask(forgetting, Sign(1, 1, Slot.PERSON, MESSAGE), known), Signed)
    assert selected == []


@pytest.mark.parametrize(
    "discovery", ["", "7e024f00", "7e7f", "7e074f05a000000309", "534f05a000000308"]
)
def test_without_a_discovery_object_the_application_is_selected_again(discovery):
    state = piv.state()
    state.objects["7e"] = bytes.fromhex(discovery)
    if not discovery:
        del state.objects["7e"]
    card = piv.Answers(of(state).answer)
    known = read(card)
    before = card.asked
    assert isinstance(ask(card, Sign(1, 1, Slot.CARD, MESSAGE), known), Signed)
    assert card.asked == before + 3  # discovery, SELECT, GENERAL AUTHENTICATE


def test_a_clone_signs_and_its_signature_fits_the_certificate_of_nobody():
    original = piv.state()
    card = of(clone(original))
    found = read(card)
    assert found == read(of(original))
    signed = ask(card, Sign(1, 1, Slot.CARD, MESSAGE), found)
    assert not piv.verifies(signed.certificate.der, signed.signature, MESSAGE)


def with_key_info(change):
    """A card whose certificate of 9E has its key in another form."""
    state = piv.state("p256")
    der = piv.certificate_of(state).public_bytes(Encoding.DER)
    odd = replaced(der, change(public_key_info(der)))
    return replace(state, objects={**state.objects, "5fc101": tlv.encode(0x70, odd)})


def test_a_card_with_an_odd_key_has_the_token_of_its_key():
    usual = read(piv.card("p256"))
    found = read(of(with_key_info(compressed)))
    assert found.certificate.der != usual.certificate.der
    assert found.token == usual.token


def test_a_key_with_rubbish_after_it_is_unreadable():
    card = of(with_key_info(lambda info: tlv.encode(0x30, tlv.read(info).value + b"\x05")))
    assert read(card) == NoCertificate(Slot.CARD, "unreadable")


def test_a_card_without_piv():
    assert read(normal_card(b"\4\1\2\3")) == NoPiv()


def test_a_compressed_certificate_and_a_bomb():
    state = make_card(Order(keys={0x9E: "p256"}, compressed=True))
    found = read(of(state))
    assert isinstance(found, PivCard)
    assert isinstance(ask(of(state), Sign(1, 1, Slot.CARD, MESSAGE)), Signed)
    bomb = gzip.compress(bytes(2_000_000))
    state.objects["5fc101"] = tlv.encode(0x70, bomb) + tlv.encode(0x71, b"\1")
    assert read(of(state)) == NoCertificate(Slot.CARD, "unreadable")
    state.objects["5fc101"] = tlv.encode(0x70, b"no gzip") + tlv.encode(0x71, b"\1")
    assert read(of(state)) == NoCertificate(Slot.CARD, "unreadable")


def test_a_card_without_9e_cannot_prove_itself():
    state = make_card(Order(keys={0x9A: "p256"}))
    assert read(of(state)) == NoCertificate(Slot.CARD, "absent")


@pytest.mark.parametrize("chuid", ["", "3410" + "00" * 16, "342001", "340101"])
def test_the_guid_is_only_a_number_for_people(chuid):
    state = piv.state()
    state.objects["5fc102"] = bytes.fromhex(chuid)
    if not chuid:
        del state.objects["5fc102"]
    found = read(of(state))
    assert (found.token, found.guid) == (piv.token_of(state), "")


def test_a_card_that_keeps_its_guid_to_itself():
    good = piv.card()
    card = piv.Answers(lambda raw: b"\x69\x82" if b"\x5f\xc1\x02" in raw else good.answer(raw))
    assert read(card) == replace(read(good), guid="")


def test_a_long_certificate_comes_in_parts():
    state = make_card(Order(keys={0x9E: "rsa2048"}, signed_by=make_authority("x" * 60)))
    counted = piv.Answers(of(state).answer)
    assert isinstance(read(counted), PivCard)
    assert counted.asked == 5  # SELECT, the certificate in three parts, CHUID


@pytest.mark.parametrize("size", [10, 256])
def test_an_answer_without_an_end_ends(size):
    card = piv.Answers(lambda raw: b"\x55" * size + b"\x61\x00")
    assert isinstance(read(card), CardFault)
    assert card.asked <= MAX_RESPONSES + 1
    assert card.asked * size <= MAX_ANSWER + 2 * size or size < 256


@pytest.mark.parametrize("response", [b"", b"\x90", b"\x69\x82", b"\x6c\x00", bytes(70_000)])
def test_nonsense_ends_with_a_value(response):
    found = read(piv.Answers(lambda raw: response))
    assert isinstance(found, CardFault | NoPiv | NoCertificate)


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=260),
            st.sampled_from([b"\x90\0", b"\x61\x20", b"\x6c\x05", b"\x63\xc1", b"\x69\x83"]),
        ),
        max_size=40,
    )
)
def test_any_answers_end_with_a_value(answers):
    known = read(piv.card())
    for request in (
        None,
        Sign(1, 1, Slot.PERSON, MESSAGE, pin()),
        Sign(1, 1, Slot.PERSON, MESSAGE),
        Sign(1, 1, Slot.CARD, MESSAGE),
        CountTries(1, 1),
    ):
        left = iter(answers)
        card = piv.Answers(lambda raw, left=left: b"".join(next(left, (b"", b"\x6f\0"))))
        result = read(card) if request is None else ask(card, request, known)
        assert not isinstance(result, Signed) or known.certificate.key.fits(result.signature)


@given(st.data())
def test_a_card_whose_answers_are_damaged(data):
    """One answer of a good card is another one: still a value, and no wrong signature is taken."""
    good = piv.card()
    at, where = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 400))
    value = data.draw(st.integers(0, 255))

    def damaged(raw):
        answer = bytearray(good.answer(bytes(raw)))
        if card.asked - 1 == at:
            answer[where % len(answer)] = value
        return bytes(answer)

    card = piv.Answers(damaged)
    found = read(card)
    if isinstance(found, PivCard):
        ask(card, Sign(1, 1, Slot.CARD, MESSAGE), found)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("6300", PinWrong(None)),
        ("63c0", PinBlocked()),
        ("6983", PinBlocked()),
        ("63cf", PinWrong(15)),
        ("6982", CardFault(0x6982, "verify")),
    ],
)
def test_what_cards_say_to_a_pin(status, expected):
    good = piv.card()
    verify = bytes.fromhex(status)
    card = piv.Answers(lambda raw: verify if raw[1] == 0x20 else good.answer(raw))
    assert sign_9a(card) == expected


def test_a_wrong_le_is_asked_again():
    good = piv.card()

    def picky(raw):
        return b"\x6c\x10" if raw[1] == 0xA4 and raw[-1] == 0 else good.answer(raw)

    assert isinstance(read(piv.Answers(picky)), PivCard)


def test_what_is_said_of_an_error():
    assert str(CardFault(0x6982, "sign 9a")) == "the card answers 6982 at sign 9a"
    assert OK == 0x9000
