"""What every card driver promises of PIV cards: one body for scripted and PC/SC. No tests alone."""

import pytest
from tests.contracts.card import Listener
from tests.fakes import piv

from dtu.core.events import CardAnswered, CardPresented, CardRemoved, CardUnreadable
from dtu.core.piv.results import (
    ChangePin,
    CountTries,
    NoPiv,
    NotDone,
    PinBlocked,
    PinChanged,
    PinNeeded,
    PinWrong,
    Sign,
    Signed,
    Tries,
)
from roamwire.proof import Slot
from roamwire.tokens import Token

MESSAGE = b"to be signed"
UID_TOKEN = Token("uid", piv.UID)
READS = 6  # commands that reading takes: UID, SELECT, the certificate in three parts, CHUID


def pin(text=piv.PIN):
    return bytearray(text, "ascii")


class Desk(Listener):
    """A listener that asks the card which was presented last."""

    def __init__(self, rig):
        super().__init__(rig)
        self.card = None
        self._number = 0

    def present(self, **fields):
        self.card = self.wait(CardPresented, **fields)
        return self.card

    def post(self, make, *arguments):
        """Send a request; gives it."""
        self._number += 1
        request = make(self._number, self.card.insertion, *arguments)
        self._rig.driver.ask(request)
        return request

    def ask(self, make, *arguments):
        """Send a request and give what came of it."""
        request = self.post(make, *arguments)
        answer = self.wait(CardAnswered, number=request.number)
        assert answer.insertion == self.card.insertion
        return answer.result

    def sign(self):
        return self.ask(Sign, Slot.CARD, MESSAGE)

    def sign_with(self, text):
        secret = pin(text)
        result = self.ask(Sign, Slot.PERSON, MESSAGE, secret)
        assert not any(secret), "a PIN was not wiped"
        return result


class PivContract:
    """Subclasses give the fixture `rig`, which has `insert_piv(state, number, pull_after)`."""

    @pytest.mark.parametrize("number", ["", piv.UID])
    def test_a_piv_card_is_told_as_one_with_its_number(self, rig, number):
        desk = Desk(rig)
        state = piv.state()
        rig.insert_piv(state, number)
        card = desk.present()
        assert card.token == card.piv.token == piv.token_of(state)
        assert card.uid == (UID_TOKEN if number else None)
        assert card.piv.certificate.der in state.objects["5fc101"]
        rig.pull()
        desk.wait(CardRemoved, reader=card.reader)

    @pytest.mark.parametrize("kind", piv.KEY_TYPES)
    def test_a_card_signs_without_and_with_pin(self, rig, kind):
        desk = Desk(rig)
        rig.insert_piv(piv.state(kind), piv.UID)
        card = desk.present(token=piv.token_of(piv.state(kind)))
        for signed in (desk.sign(), desk.sign_with(piv.PIN)):
            assert isinstance(signed, Signed), signed
            assert signed.certificate.key.value == kind
            assert piv.verifies(signed.certificate.der, signed.signature, MESSAGE)
        assert desk.sign().certificate == card.piv.certificate
        assert desk.settle() == [card]

    def test_pins_that_are_wrong_until_it_is_blocked(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        desk.present()
        assert desk.sign_with(piv.WRONG_PIN) == PinWrong(2)
        assert desk.ask(CountTries) == Tries(2)
        assert desk.sign_with(piv.WRONG_PIN) == PinWrong(1)
        assert desk.sign_with(piv.WRONG_PIN) == PinBlocked()
        assert desk.sign_with(piv.PIN) == PinBlocked()
        assert isinstance(desk.sign(), Signed)

    def test_a_card_remembers_the_pin_until_it_is_out(self, rig):
        desk = Desk(rig)
        for _ in range(2):
            rig.insert_piv(piv.state())
            desk.present()
            assert desk.ask(Sign, Slot.PERSON, MESSAGE) == PinNeeded(3)
            assert isinstance(desk.sign_with(piv.PIN), Signed)
            desk.settle()
            signed = desk.ask(Sign, Slot.PERSON, MESSAGE)
            assert piv.verifies(signed.certificate.der, signed.signature, MESSAGE)
            rig.pull()
            desk.wait(CardRemoved)

    def test_a_card_forgets_the_pin_with_the_driver(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        desk.present()
        assert isinstance(desk.sign_with(piv.PIN), Signed)
        rig.driver.stop()
        desk = Desk(rig)
        desk.present()
        assert desk.ask(Sign, Slot.PERSON, MESSAGE) == PinNeeded(3)

    def test_a_new_pin(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        desk.present()
        old, new = pin(), pin(piv.NEW_PIN)
        assert desk.ask(ChangePin, old, new) == PinChanged()
        assert not any(old + new)
        assert desk.sign_with(piv.PIN) == PinWrong(2)
        assert isinstance(desk.sign_with(piv.NEW_PIN), Signed)

    def test_a_card_pulled_while_it_is_asked(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state(), piv.UID, pull_after=READS + 2)
        desk.present(uid=UID_TOKEN)
        secret = pin()
        request = desk.post(Sign, Slot.PERSON, MESSAGE, secret)
        answer = desk.wait(CardAnswered, number=request.number)
        assert answer.result == NotDone("gone")
        assert not any(secret)
        rig.pull()
        assert isinstance(desk.settle()[-1], CardRemoved)

    @pytest.mark.parametrize("after", range(1, READS))
    def test_a_card_pulled_while_it_is_read_is_no_uid_card(self, rig, after):
        """It has a UID, which would be a weaker token than the card is."""
        desk = Desk(rig)
        rig.insert_piv(piv.state(), piv.UID, pull_after=after)
        desk.wait(CardUnreadable, reason="pulled")
        rig.pull()
        events = desk.settle()
        assert isinstance(events[-1], CardRemoved)
        assert not any(isinstance(event, CardPresented) for event in events)

    def test_another_card_is_not_asked_what_was_meant_for_the_first(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        first = desk.present()
        rig.pull()
        desk.wait(CardRemoved)
        second = piv.state()
        rig.insert_piv(second)
        now = desk.wait(CardPresented)
        assert desk.card is first
        assert desk.sign_with(piv.WRONG_PIN) == NotDone("gone")
        desk.card = now
        assert desk.ask(CountTries) == Tries(3)

    def test_a_card_that_is_out(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        desk.present()
        rig.pull()
        desk.wait(CardRemoved)
        assert desk.sign_with(piv.PIN) == NotDone("gone")

    def test_a_card_without_piv(self, rig):
        desk = Desk(rig)
        rig.insert(piv.UID)
        desk.present(token=UID_TOKEN, uid=None, piv=None)
        assert desk.sign() == NoPiv()

    @pytest.mark.parametrize("number", ["", piv.UID])
    def test_a_piv_card_that_nobody_gave_a_key(self, rig, number):
        desk = Desk(rig)
        state = piv.state()
        state.objects.clear()
        rig.insert_piv(state, number)
        desk.wait(CardUnreadable, reason="foreign")  # its number could be copied

    def test_a_card_that_answers_nonsense(self, rig):
        desk = Desk(rig)
        state = piv.state()
        state.objects |= {"5fc101": b"\x70\x82\xff\xff\x30", "5fc105": b"\x00" * 4000}
        rig.insert_piv(state, piv.UID)
        desk.wait(CardUnreadable, reason="foreign")
        rig.pull()
        desk.wait(CardRemoved)

    def test_many_requests_at_once_get_one_answer_each(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        desk.present()
        numbers = {desk.post(CountTries).number for _ in range(20)}
        results = []
        while numbers:
            answer = desk.wait(CardAnswered)
            numbers.remove(answer.number)
            results.append(answer.result)
        assert Tries(3) in results
        assert all(result in (Tries(3), NotDone("busy")) for result in results)
        assert desk.sign_with(piv.PIN).certificate.slot is Slot.PERSON

    def test_no_answer_after_stop_and_the_pin_is_wiped(self, rig):
        desk = Desk(rig)
        rig.insert_piv(piv.state())
        desk.present()
        rig.driver.stop()
        secret = pin()
        desk.post(Sign, Slot.PERSON, MESSAGE, secret)
        assert not any(secret)
        assert not any(isinstance(event, CardAnswered) for event in desk.rest())
