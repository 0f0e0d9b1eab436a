"""The watch over PC/SC, one step at a time on a fake service; no thread and no pcscd here."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.fakes import piv
from tests.fakes.pcsc import FakeCard, FakePcsc

from dtu.core.events import (
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.drivers.card.insertions import Insertions
from dtu.drivers.card.reading import STORAGE_CARD
from dtu.drivers.card.service import Fault, PcscError
from dtu.drivers.card.watch import MAX_PIV_READS, MAX_READERS, MAX_READS, READ_S, CardWatch
from roamtools.card.cards import foreign_card, normal_card
from roamtools.card.holder import piv_card
from roamtools.card.piv import PivApplet
from roamwire.tokens import Token

READER = "reader 0"
NUMBER = bytes.fromhex("04a1b2c3d4e5f6")
TOKEN = Token("uid", NUMBER.hex())
OTHER = bytes.fromhex("04000000000001")


class Desk:
    """A watch on a fake service, with a clock that moves one second a step."""

    def __init__(self, readers: int = 1) -> None:
        self.pcsc = FakePcsc()
        for number in range(readers):
            self.pcsc.add_reader(f"reader {number}")
        self.now = 0.0
        self.events: list[object] = []
        self.insertions = Insertions()
        self.watch = CardWatch(self.pcsc, self.events.append, lambda: self.now, self.insertions)

    def step(self) -> list[object]:
        """What one step posts."""
        self.now += 1.0
        self.events.clear()
        self.pause_ms = self.watch.step()
        return list(self.events)


def card(number: bytes = NUMBER) -> FakeCard:
    return FakeCard(normal_card(number).answer)


def test_a_card_in_and_out():
    desk = Desk()
    assert desk.step() == [ReaderReady(READER)]
    assert desk.step() == []
    held = card()
    desk.pcsc.insert(READER, held)
    assert desk.step() == [CardPresented(TOKEN, READER, 3.0)]
    assert held.closed == 1
    assert desk.step() == []
    desk.pcsc.pull(READER)
    assert desk.step() == [CardRemoved(READER, 5.0)]
    assert desk.pause_ms == 0


def test_a_card_that_is_in_at_start():
    desk = Desk()
    desk.pcsc.insert(READER, card())
    assert desk.step() == [ReaderReady(READER), CardPresented(TOKEN, READER, 1.0)]


def test_bounce_that_ends_empty_ends_with_removed():
    desk = Desk()
    desk.pcsc.insert(READER, card())
    desk.step()
    desk.pcsc.pull(READER)
    desk.pcsc.insert(READER, card())
    desk.pcsc.pull(READER)
    assert desk.step() == [CardRemoved(READER, 2.0)]
    assert desk.step() == []


def test_bounce_that_ends_with_another_card():
    desk = Desk()
    desk.pcsc.insert(READER, card())
    desk.step()
    desk.pcsc.pull(READER)
    desk.pcsc.insert(READER, card(OTHER))
    other = Token("uid", OTHER.hex())
    assert desk.step() == [CardRemoved(READER, 2.0), CardPresented(other, READER, 2.0)]


def test_bounce_of_an_empty_reader_is_nothing():
    desk = Desk()
    desk.step()
    desk.pcsc.insert(READER, card())
    desk.pcsc.pull(READER)
    assert desk.step() == []


def test_a_mute_card_is_not_even_opened():
    desk = Desk()
    desk.step()
    desk.pcsc.open_fault = Fault.NO_SERVICE
    desk.pcsc.insert(READER, card(), mute=True)
    assert desk.step() == [CardUnreadable(READER, "mute", 2.0)]
    desk.pcsc.pull(READER)
    assert desk.step() == [CardRemoved(READER, 3.0)]


def test_a_foreign_card():
    desk = Desk()
    desk.step()
    desk.pcsc.insert(READER, FakeCard(foreign_card().answer))
    assert desk.step() == [CardUnreadable(READER, "foreign", 2.0)]
    assert desk.step() == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.MUTE, "mute"), (Fault.PULLED, "pulled"), (Fault.OTHER, "mute")],
)
def test_a_card_that_fails_while_it_is_read(fault, reason):
    desk = Desk()
    desk.step()
    held = FakeCard(normal_card(NUMBER).answer, fails=fault)
    desk.pcsc.insert(READER, held)
    assert desk.step() == [CardUnreadable(READER, reason, 2.0)]
    assert held.closed == 1
    desk.pcsc.pull(READER)
    assert desk.step() == [CardRemoved(READER, 3.0)]


def test_a_card_pushed_in_again_before_the_reader_saw_it_out_is_read_after_all():
    desk = Desk()
    desk.step()
    desk.pcsc.insert(READER, FakeCard(normal_card(NUMBER).answer, fails=Fault.PULLED))
    assert desk.step() == [CardUnreadable(READER, "pulled", 2.0)]
    assert desk.step() == []
    desk.pcsc.cards[READER] = card()
    assert desk.step() == [CardPresented(TOKEN, READER, 4.0)]
    desk.pcsc.pull(READER)
    assert desk.step() == [CardRemoved(READER, 5.0)]


def test_a_busy_card_is_tried_again_and_then_read():
    desk = Desk()
    desk.step()
    desk.pcsc.open_fault = Fault.BUSY
    desk.pcsc.insert(READER, card())
    assert desk.step() == []
    desk.pcsc.open_fault = None
    assert desk.step() == [CardPresented(TOKEN, READER, 3.0)]


def test_a_card_that_stays_busy_is_given_up():
    desk = Desk()
    desk.step()
    desk.pcsc.open_fault = Fault.BUSY
    desk.pcsc.insert(READER, card())
    for _ in range(MAX_READS - 1):
        assert desk.step() == []
    assert [type(event) for event in desk.step()] == [CardUnreadable]
    assert desk.step() == []


def test_a_busy_card_that_is_pulled_was_never_there():
    desk = Desk()
    desk.step()
    desk.pcsc.open_fault = Fault.BUSY
    desk.pcsc.insert(READER, card())
    desk.step()
    desk.pcsc.pull(READER)
    assert desk.step() == []


def test_without_pcscd_the_card_counts_as_out_and_comes_back_with_it():
    desk = Desk()
    desk.pcsc.insert(READER, card())
    desk.step()
    desk.pcsc.running = False
    assert desk.step() == [CardRemoved(READER, 2.0, seen=False), ReaderMissing("no_service")]
    assert desk.pause_ms > 0
    assert desk.step() == []
    desk.pcsc.running = True
    assert desk.step() == [ReaderReady(READER), CardPresented(TOKEN, READER, 4.0)]
    assert desk.pcsc.established == 2


def test_no_reader_is_told_once_and_then_its_arrival():
    desk = Desk(readers=0)
    assert desk.step() == [ReaderMissing("no_reader")]
    assert desk.pause_ms > 0
    assert desk.step() == []
    desk.pcsc.add_reader(READER)
    assert desk.step() == [ReaderReady(READER)]


def test_no_service_and_then_no_reader_are_two_messages():
    desk = Desk(readers=0)
    desk.pcsc.running = False
    assert desk.step() == [ReaderMissing("no_service")]
    desk.pcsc.running = True
    assert desk.step() == [ReaderMissing("no_reader")]


def test_a_reader_that_is_unplugged_takes_its_card_along():
    desk = Desk()
    desk.pcsc.insert(READER, card())
    desk.step()
    del desk.pcsc.states[READER]
    assert desk.step() == [CardRemoved(READER, 2.0, seen=False), ReaderMissing("no_reader")]


def test_a_reader_that_is_listed_and_gone_is_not_asked_without_a_pause():
    desk = Desk()
    desk.step()
    desk.pcsc.readers = lambda: [READER]  # type: ignore[method-assign]
    del desk.pcsc.states[READER]
    assert desk.step() == []
    assert desk.pause_ms > 0


def test_one_of_two_readers_unplugged():
    desk = Desk(readers=2)
    assert desk.step() == [ReaderReady("reader 0"), ReaderReady("reader 1")]
    del desk.pcsc.states["reader 1"]
    assert desk.step() == []
    desk.pcsc.insert(READER, card())
    assert desk.step() == [CardPresented(TOKEN, READER, 3.0)]


def test_the_number_of_readers_is_bounded():
    desk = Desk(readers=MAX_READERS + 4)
    assert len(desk.step()) == MAX_READERS


def test_close_lets_go_of_the_service_even_if_it_is_gone():
    desk = Desk()
    desk.step()
    desk.pcsc.running = False
    desk.watch.close()
    desk.watch.close()


def piv_desk(uid: str = "", **changes) -> Desk:
    desk = Desk()
    desk.step()
    desk.pcsc.insert(READER, FakeCard(piv.card(uid=uid).answer))
    desk.pcsc.states[READER] = replace(desk.pcsc.states[READER], **changes)
    return desk


def test_a_piv_card_is_told_with_its_number_and_its_certificate():
    desk = piv_desk(uid=NUMBER.hex())
    (event,) = desk.step()
    assert (event.token, event.uid) == (piv.token_of(piv.state()), TOKEN)
    assert event.piv.certificate.key.value == "p256"
    assert desk.pcsc.cards[READER].begun == 1
    assert "DER" not in repr(event)
    assert len(repr(event)) < 500


def test_each_insertion_has_a_number_of_its_own():
    desk = piv_desk()
    (first,) = desk.step()
    assert desk.insertions.find(first.insertion).piv == first.piv
    desk.pcsc.pull(READER)
    desk.pcsc.insert(READER, FakeCard(piv.card().answer))
    removed, second = desk.step()
    assert isinstance(removed, CardRemoved)
    assert second.insertion != first.insertion
    assert desk.insertions.find(first.insertion) is None


def test_a_memory_card_is_not_sent_a_select():
    asked: list[bytes] = []
    desk = Desk()
    desk.step()

    def answer(raw: bytes) -> bytes:
        asked.append(raw)
        return normal_card(NUMBER).answer(raw)

    desk.pcsc.insert(READER, FakeCard(answer))
    atr = b"\x3b\x8f\x80\x01" + STORAGE_CARD + bytes(8)
    desk.pcsc.states[READER] = replace(desk.pcsc.states[READER], atr=atr)
    assert desk.step() == [CardPresented(TOKEN, READER, 2.0)]
    assert len(asked) == 1


def test_a_reader_that_fails_at_select_still_gives_the_number():
    desk = Desk()
    desk.step()

    def answer(raw: bytes) -> bytes:
        if raw[1] == 0xA4:
            raise PcscError(Fault.OTHER)
        return normal_card(NUMBER).answer(raw)

    desk.pcsc.insert(READER, FakeCard(answer))
    assert desk.step() == [CardUnreadable(READER, "mute", 2.0)]
    for _ in range(MAX_PIV_READS - 1):
        assert desk.step() == []
    assert desk.step() == [CardPresented(TOKEN, READER, 3.0 + MAX_PIV_READS - 1)]


@pytest.mark.parametrize("fault", [Fault.OTHER, Fault.PULLED, Fault.RESET])
def test_a_piv_card_that_fails_after_select_is_never_its_number(fault):
    """Whoever moves it in and out until it fails must not get the weaker token of the two."""
    whole = piv.card(uid=NUMBER.hex())

    def answer(raw: bytes) -> bytes:
        if raw[1] == 0xCB:
            raise PcscError(fault)
        return whole.answer(raw)

    desk = piv_desk(uid=NUMBER.hex())
    desk.pcsc.cards[READER] = FakeCard(answer)
    told = [event for _ in range(2 * MAX_READS) for event in desk.step()]
    assert [type(event) for event in told] == [CardUnreadable]


def test_a_piv_card_is_never_its_number_when_it_answers_select_once_only():
    whole = piv.card(uid=NUMBER.hex())
    selects: list[bytes] = []

    def answer(raw: bytes) -> bytes:
        if raw[1] == 0xA4 and b"\xa0\x00\x00\x03\x08" in raw:
            selects.append(raw)
            if len(selects) > 1:
                return b"\x6a\x82"
        if raw[1] == 0xCB:
            raise PcscError(Fault.OTHER)
        return whole.answer(raw)

    desk = piv_desk(uid=NUMBER.hex())
    desk.pcsc.cards[READER] = FakeCard(answer)
    assert desk.step() == [CardUnreadable(READER, "mute", 2.0)]
    assert desk.step() == [CardUnreadable(READER, "foreign", 3.0)]
    assert desk.step() == []
    desk.pcsc.pull(READER)
    desk.pcsc.insert(READER, card())
    assert desk.step()[-1] == CardPresented(TOKEN, READER, 5.0), "the next card is another one"


@pytest.mark.parametrize(
    ("certificate", "taken"),
    [(None, True), (b"\x70\x03abc", False), (b"\x70\x82", False), (b"\x69\x82", False)],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_a_piv_card_without_a_usable_9e(certificate, taken, allowed, caplog):
    """As delivered it is its number where the terminal's settings say so, a broken one never."""
    state = piv.state()
    state.objects["5fc101"] = certificate or b""
    if certificate is None:
        del state.objects["5fc101"]
    applet = piv_card(PivApplet(state), NUMBER)

    def answer(raw: bytes) -> bytes:
        if certificate == b"\x69\x82" and raw[1] == 0xCB:
            return certificate
        return applet.answer(raw)

    desk = piv_desk()
    desk.watch = CardWatch(desk.pcsc, desk.events.append, lambda: desk.now, blank_by_number=allowed)
    desk.pcsc.cards[READER] = FakeCard(answer)
    (_, event) = desk.step()
    if allowed and taken:
        assert event == CardPresented(TOKEN, READER, 2.0)
    else:
        assert event == CardUnreadable(READER, "foreign", 2.0)
    assert "a PIV card without a key that can prove it" in caplog.text


def test_a_card_that_is_read_for_too_long_is_mute():
    desk = Desk()
    late: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def limit(seconds, act):
        assert seconds == READ_S
        late.append(act)
        yield

    desk.watch = CardWatch(desk.pcsc, desk.events.append, lambda: desk.now, limit=limit)
    desk.step()
    asked: list[bytes] = []

    def answer(raw: bytes) -> bytes:
        asked.append(raw)
        late[-1]()  # the time is up while the card computes
        return piv.card().answer(raw)

    held = FakeCard(answer)
    desk.pcsc.insert(READER, held)
    assert desk.step() == [CardUnreadable(READER, "mute", 2.0)]
    assert len(asked) == 1
    assert held.closed == 1
    assert desk.step() == []
    desk.pcsc.pull(READER)
    assert desk.step() == [CardRemoved(READER, 4.0)]
