"""What the terminal says on its way to a session, and what the person may ask it for."""

import pytest

from dtu.core import catalogue
from dtu.core.actions import Blank, CloseDisplay, Offered, Show
from dtu.core.events import CardRemoved
from dtu.core.states import State
from fakes.bench import ALICE, READER, S2, Bench, bench_at, in_session
from roamwire import control
from roamwire.control import Browse, Insert, Offer, Remove, Select, SignOff
from roamwire.notices import NoticeCode
from roamwire.tokens import Token


@pytest.mark.parametrize("state", [State.NO_ADDRESS, State.SEEKING, State.CONNECTING])
def test_a_cable_that_is_out_is_said_first(state):
    bench = bench_at(state)
    before = bench.words
    bench.terminal.cable(False, bench.now)
    bench.act()
    assert bench.words == catalogue.CABLE_OUT.code
    bench.terminal.cable(True, bench.now)
    bench.act()
    assert bench.words == before


def test_a_pulled_cable_is_said_when_the_server_is_lost_and_not_before():
    bench = in_session()
    bench.terminal.cable(False, bench.now)
    assert bench.act() == []
    bench.run(2.0)
    assert bench.of(Show)[0] == Show(catalogue.CABLE_OUT, dim=True)


def test_the_server_that_is_tried_is_named():
    bench = bench_at(State.CONNECTING)
    assert bench.words == catalogue.CONNECTING.code
    bench = Bench()
    bench.lease("10.0.0.1")
    bench.due()
    assert bench.of(Show)[-1].message == catalogue.CONNECTING.about(server="10.0.0.1")


@pytest.mark.parametrize(("kind", "notes"), [("uid", ("uid",)), ("piv", ())])
def test_a_copyable_card_is_named_while_its_session_opens(kind, notes):
    bench = bench_at(State.CONNECTED, Token(kind, "1"))
    bench.hear(control.Notice(bench.seq, int(NoticeCode.STARTING)))
    bench.hear(control.Notice(bench.seq, int(NoticeCode.NO_SERVER_FREE)))
    assert [show.message.notes for show in bench.of(Show)] == [notes, notes]


def test_what_the_menu_asks_for_goes_to_the_server():
    bench = in_session()
    bench.terminal.browse()
    bench.terminal.choose("b2", bench.now)
    bench.terminal.choose("", bench.now)
    bench.terminal.sign_off(bench.now)
    bench.act()
    assert bench.said(Browse) == [Browse(bench.seq)]
    assert bench.said(Select) == [Select(bench.seq, "b2"), Select(bench.seq, "")]
    assert bench.said(SignOff) == [SignOff(bench.seq)]


def test_the_session_on_the_screen_is_not_chosen_again():
    bench = in_session()
    bench.terminal.choose("a1", bench.now)
    assert bench.act() == []


def test_without_a_session_there_is_nothing_to_ask_for():
    bench = bench_at(State.CONNECTED)
    bench.terminal.browse()
    bench.terminal.lock()
    bench.terminal.sign_off(bench.now)
    bench.terminal.choose("", bench.now)
    assert bench.act() == []


def test_while_a_choice_is_under_way_a_lost_picture_is_not_asked_for():
    bench = in_session()
    bench.terminal.choose("b2", bench.now)
    bench.act()
    bench.terminal.display_lost("a1", 1, "revoked", bench.now)
    bench.act()
    bench.alive(1.0)
    assert bench.said(Insert) == []
    bench.hear(control.Connect(bench.seq, "b2", 4, "t2", 7010, "alice"))
    assert bench.terminal.session == "b2"
    bench.alive(10.0)
    assert bench.said(Insert) == []


def test_a_choice_that_cannot_be_had_leaves_the_session_alone():
    bench = in_session()
    bench.terminal.choose("b2", bench.now)
    bench.act()
    bench.hear(control.Sessions(bench.seq, (Offer("a1", "s1", 0, True),)))
    bench.alive(10.0)
    assert bench.terminal.session == "a1"
    assert bench.said(Insert) == []


def test_a_choice_that_nobody_answers_ends_in_an_insert():
    bench = in_session()
    bench.terminal.sign_off(bench.now)
    bench.alive(6.0)
    assert len(bench.said(Insert)) == 1


def test_the_sessions_to_choose_from():
    bench = in_session()
    offers = (Offer("a1", "s1", 0, True), Offer("b2", "s2", 60, False))
    bench.hear(control.Sessions(bench.seq, offers))
    assert bench.of(Offered) == [Offered(offers)]
    bench.hear(control.Sessions(bench.seq + 1, offers))
    assert len(bench.of(Offered)) == 1


def test_locked_is_as_if_the_card_were_out():
    bench = in_session()
    seq = bench.seq
    bench.terminal.lock()
    done = bench.act()
    assert [type(action) for action in done[:2]] == [Blank, CloseDisplay]
    assert bench.said(Remove) == [Remove(seq + 1)]
    assert done[-1] == Show(catalogue.LOCKED, dim=False)
    bench.done.clear()
    bench.alive(10.0)
    assert bench.said(Insert) == []
    assert bench.words == catalogue.LOCKED.code
    bench.card(CardRemoved(READER, bench.now))
    assert bench.words == catalogue.INSERT_CARD.code
    bench.card_in()
    assert bench.said(Insert)[0].token == ALICE


def test_what_is_told_of_the_server():
    bench = bench_at(State.CONNECTING)
    assert bench.terminal.token is None
    bench.opened()
    bench.hear(control.Welcome("s1", 500, 1500, (S2,), "0.2.0"))
    assert bench.terminal.server_version == "0.2.0"
    assert bench.terminal.latency_s is None
    bench.due()
    number = bench.said(control.Keepalive)[-1].n
    bench.now += 0.012
    bench.hear(control.Alive(number - 1))
    assert bench.terminal.latency_s is None
    bench.hear(control.Alive(number))
    assert bench.terminal.latency_s == pytest.approx(0.012)
    bench.closed()
    assert bench.terminal.latency_s is None
