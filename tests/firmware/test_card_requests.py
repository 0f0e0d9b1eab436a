"""Requests to PIV cards on a fake PC/SC service: what is answered when the card or PC/SC fails."""

import queue
import threading

import pytest
from tests.fakes import piv
from tests.fakes.pcsc import FakeCard, FakePcsc

from dtu.core.piv.client import read_card
from dtu.core.piv.results import CardFault, CountTries, NoPiv, NotDone, Sign, Signed, Tries
from dtu.drivers.card import requests
from dtu.drivers.card.insertions import Held, Insertions
from dtu.drivers.card.reading import run
from dtu.drivers.card.requests import CardRequests
from dtu.drivers.card.service import Fault, PcscError
from roamwire.proof import Slot

READER = "reader 0"
PATIENCE_S = 5.0


class Desk:
    """A PIV card in a fake reader, and the thread that asks it."""

    def __init__(self) -> None:
        self.pcsc = FakePcsc()
        self.pcsc.add_reader(READER)
        self.card = piv.card()
        self.held = FakeCard(self.card.answer)
        self.pcsc.insert(READER, self.held)
        self.insertions = Insertions()
        found = run(read_card(), self.card.answer)
        self.insertion = self.insertions.begin(Held(READER, self.pcsc.states[READER], found))
        self.answers = queue.Queue()
        self.requests = CardRequests(self.pcsc, self.insertions, self.answers.put, lambda: 5.0)
        self.requests.start()
        self._number = 0

    def post(self, make, *arguments):
        self._number += 1
        request = make(self._number, self.insertion, *arguments)
        self.requests.ask(request)
        return request

    def ask(self, make, *arguments):
        request = self.post(make, *arguments)
        answer = self.answers.get(timeout=PATIENCE_S)
        assert (answer.number, answer.insertion) == (request.number, self.insertion)
        return answer.result


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.requests.stop()


def pin(text=piv.PIN):
    return bytearray(text, "ascii")


def test_each_request_is_a_transaction_and_the_connection_stays_until_the_card_is_out(desk):
    assert isinstance(desk.ask(Sign, Slot.CARD, b"x"), Signed)
    assert isinstance(desk.ask(Sign, Slot.PERSON, b"x", pin()), Signed)
    assert isinstance(desk.ask(Sign, Slot.PERSON, b"x"), Signed)
    held = desk.held
    assert (held.begun, held.ended, held.closed, desk.pcsc.established) == (3, 3, 0, 1)
    desk.insertions.end(READER)
    assert desk.ask(CountTries) == NotDone("gone")  # after this the thread has let go
    assert (held.closed, held.resets) == (1, 1)


def test_the_pin_does_not_outlive_the_driver():
    desk = Desk()
    assert isinstance(desk.ask(Sign, Slot.PERSON, b"x", pin()), Signed)
    desk.requests.stop()
    assert (desk.held.closed, desk.held.resets) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.PULLED, "gone"),
        (Fault.NO_SERVICE, "gone"),
        (Fault.BUSY, "busy"),
        (Fault.RESET, "busy"),
        (Fault.MUTE, "mute"),
        (Fault.OTHER, "mute"),
    ],
)
def test_a_fault_of_pcsc_is_an_answer(desk, fault, reason):
    desk.pcsc.cards[READER] = failing = FakeCard(desk.card.answer, fails=fault)
    secret = pin()
    assert desk.ask(Sign, Slot.PERSON, b"x", secret) == NotDone(reason)
    assert failing.closed == 1
    assert not any(secret)
    desk.pcsc.open_fault = fault
    assert desk.ask(CountTries) == NotDone(reason)
    desk.pcsc.open_fault = None
    desk.pcsc.cards[READER] = desk.held
    assert desk.ask(CountTries) == Tries(3)


def test_without_the_service_there_is_an_answer_too(desk):
    desk.pcsc.running = False
    assert desk.ask(CountTries) == NotDone("gone")


def test_a_card_that_was_changed_unseen_is_not_asked(desk):
    """The watch has not looked yet; PC/SC's counter says that something went out and in."""
    asked = []
    desk.pcsc.pull(READER)
    desk.pcsc.insert(READER, FakeCard(lambda raw: asked.append(raw) or b"\x90\0"))
    assert desk.ask(Sign, Slot.PERSON, b"x", pin()) == NotDone("gone")
    assert asked == []


def test_a_card_that_leaves_in_the_middle_gets_no_pin(desk):
    asked = []

    def answer(raw):
        asked.append(raw)
        desk.insertions.end(READER)
        return desk.card.answer(raw)

    desk.pcsc.cards[READER] = FakeCard(answer)
    assert desk.ask(Sign, Slot.PERSON, b"x", pin()) == NotDone("gone")
    assert len(asked) == 1


def test_a_silent_card_is_given_up_and_gets_nothing_more(desk, monkeypatch):
    monkeypatch.setattr(requests, "ANSWER_S", 0.05)
    go_on, asked = threading.Event(), []

    def answer(raw):
        asked.append(raw)
        assert go_on.wait(PATIENCE_S)
        return desk.card.answer(raw)

    desk.pcsc.cards[READER] = FakeCard(answer)
    first, second = pin(), pin()
    assert desk.ask(Sign, Slot.PERSON, b"x", first) == NotDone("silent")
    # What waits behind it is answered in its time too, and is not sent later.
    assert desk.ask(Sign, Slot.PERSON, b"x", second) == NotDone("silent")
    go_on.set()
    desk.pcsc.cards[READER] = FakeCard(desk.card.answer)
    monkeypatch.setattr(requests, "ANSWER_S", PATIENCE_S)
    assert desk.ask(CountTries) == Tries(3)
    assert len(asked) == 1
    assert not any(first + second)
    assert desk.answers.empty()


def test_what_waits_is_bounded(desk):
    go_on = threading.Event()
    desk.pcsc.cards[READER] = FakeCard(lambda raw: go_on.wait(PATIENCE_S) and desk.card.answer(raw))
    for _ in range(requests.MAX_REQUESTS):
        desk.post(CountTries)
    secret = pin()
    assert desk.ask(Sign, Slot.PERSON, b"x", secret) == NotDone("busy")
    assert not any(secret)
    go_on.set()
    for _ in range(requests.MAX_REQUESTS):
        assert desk.answers.get(timeout=PATIENCE_S).result == Tries(3)


def test_stopping_gives_up_what_waits():
    desk = Desk()
    go_on = threading.Event()
    desk.pcsc.cards[READER] = FakeCard(lambda raw: go_on.wait(PATIENCE_S) and desk.card.answer(raw))
    secrets = [pin() for _ in range(3)]
    for secret in secrets:
        desk.post(Sign, Slot.PERSON, b"x", secret)
    later = threading.Timer(0.05, go_on.set)
    later.start()
    desk.requests.stop()
    later.join()
    assert desk.answers.empty()
    assert not any(b"".join(secrets))


def test_a_bug_costs_one_answer_and_not_the_thread(desk):
    desk.pcsc.cards[READER] = buggy = FakeCard(lambda raw: {}["a bug"])
    assert desk.ask(CountTries) == NotDone("mute")
    assert buggy.closed == 1
    desk.pcsc.cards[READER] = FakeCard(desk.card.answer)
    assert desk.ask(CountTries) == Tries(3)


def test_garbage_is_an_answer(desk):
    garbage = {0xCB: bytes(300), 0xA4: bytes(300)}
    desk.pcsc.cards[READER] = FakeCard(lambda raw: garbage.get(raw[1]) or desk.card.answer(raw))
    assert desk.ask(Sign, Slot.CARD, b"x") == NoPiv()
    garbage = {0x87: bytes(300)}
    assert desk.ask(Sign, Slot.CARD, b"x") == CardFault(0, "sign 9e")


def test_the_words_for_the_log_have_no_secret():
    request = Sign(1, 2, Slot.PERSON, b"challenge", pin())
    assert "1234" not in repr(request)
    assert "PC/SC" in str(PcscError(Fault.SILENT))
