"""The menu's Lock: only a card that a reader has seen go out brings the session again."""

import pytest

from dtu.core import catalogue
from dtu.core.actions import Blank
from dtu.core.events import CardPresented, CardRemoved, CardUnreadable, ReaderMissing, ReaderReady
from dtu.core.piv.keys import KeyType
from dtu.core.piv.results import Certificate, PivCard
from fakes.bench import ALICE, BOB, READER, in_session
from roamwire.control import Insert
from roamwire.proof import Slot
from roamwire.tokens import Token

LOCKED, OTHER = catalogue.LOCKED.code, "reader 1"
PIV = PivCard(Token("piv", "ab" * 20), "", Certificate(Slot.CARD, KeyType.P256, b"c"))


def locked(card=ALICE):
    bench = in_session(card)
    bench.terminal.lock()
    bench.act()
    bench.done.clear()
    return bench


def presented(bench, token=ALICE, reader=READER, **more):
    bench.card(CardPresented(token, reader, bench.now, **more))


def restart_of_the_service(bench):
    """As the card's driver tells of it, until the reader is there again."""
    bench.card(CardRemoved(READER, bench.now, seen=False))
    bench.card(ReaderMissing("no_service"))
    assert bench.words == catalogue.NO_SERVICE.code
    bench.card(ReaderReady(READER))
    assert bench.words == LOCKED


def test_a_card_that_nobody_touched_stays_locked_when_the_service_begins_anew():
    bench = locked()
    restart_of_the_service(bench)
    presented(bench)
    bench.alive(60.0)
    assert (bench.words, bench.said(Insert), bench.terminal.token) == (LOCKED, [], None)
    bench.card_out()
    assert bench.words == catalogue.INSERT_CARD.code
    bench.card_in()
    assert bench.said(Insert)[0].token == ALICE


def test_also_where_the_service_does_not_say_that_the_card_is_out():
    bench = locked()
    bench.card(ReaderMissing("no_service"))
    presented(bench)
    assert (bench.words, bench.said(Insert)) == (LOCKED, [])


def test_a_reader_may_have_another_name_afterwards():
    bench = locked()
    restart_of_the_service(bench)
    presented(bench, reader="reader 0 anew")
    assert bench.said(Insert) == []
    bench.card(CardRemoved("reader 0 anew", bench.now))
    presented(bench, reader="reader 0 anew")
    assert len(bench.said(Insert)) == 1


def test_a_locked_card_is_not_let_in_by_its_number_either():
    number = Token("uid", "04a9")
    bench = locked()
    bench.card_out()
    presented(bench, PIV.token, uid=number, piv=PIV, insertion=1)
    bench.terminal.lock()
    bench.act()
    bench.done.clear()
    presented(bench, number)
    assert (bench.words, bench.said(Insert)) == (LOCKED, [])


@pytest.mark.parametrize(
    "event",
    [
        CardUnreadable(OTHER, "mute", 1.0),
        CardRemoved(OTHER, 1.0),
        ReaderReady(OTHER),
        ReaderReady(READER),
    ],
)
def test_another_reader_does_not_speak_over_it(event):
    bench = locked()
    bench.card(event)
    assert bench.words == LOCKED
    presented(bench)
    assert (bench.words, bench.said(Insert)) == (LOCKED, [])


def test_somebody_else_may_work_meanwhile_and_is_not_disturbed():
    bench = locked()
    presented(bench, BOB, OTHER)
    assert [line.token for line in bench.said(Insert)] == [BOB]
    assert bench.words == catalogue.OPENING.code
    bench.done.clear()
    presented(bench)
    assert bench.terminal.token == BOB
    assert bench.of(Blank) == []
    assert bench.words == catalogue.OPENING.code
    bench.card(CardRemoved(OTHER, bench.now))
    assert bench.words == LOCKED
    presented(bench)
    assert bench.said(Insert) == []


def test_it_may_go_while_somebody_else_works():
    bench = locked()
    presented(bench, BOB, OTHER)
    bench.card_out()
    assert bench.terminal.token == BOB
    bench.done.clear()
    presented(bench)
    assert [line.token for line in bench.said(Insert)] == [ALICE]


def test_another_card_in_its_reader_means_that_it_is_out():
    bench = locked()
    bench.card(ReaderMissing("no_service"))
    presented(bench, BOB)
    presented(bench, ALICE)
    assert [line.token for line in bench.said(Insert)] == [BOB, ALICE]


def test_who_signs_in_without_a_card_beside_it_stays():
    bench = locked()
    bench.terminal._face.login = True
    presented(bench, Token("pseudo", "desk1"), "")
    bench.done.clear()
    presented(bench)
    assert bench.terminal.token == Token("pseudo", "desk1")
    bench.terminal.leave()
    bench.act()
    assert bench.words == LOCKED
    bench.card_out()
    assert bench.words != LOCKED
