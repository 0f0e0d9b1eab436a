"""A terminal on its way to a server: power on, candidates, serverQ, DHCP, redirects."""

import random
from itertools import pairwise

import pytest

from dtu.core import catalogue, timing
from dtu.core.actions import (
    Blank,
    Broadcast,
    CloseDisplay,
    Connect,
    Hangup,
    Lookup,
    OpenDisplay,
    RememberServers,
    Show,
)
from dtu.core.finder import Finder
from dtu.core.lease import NoLease
from dtu.core.lookups import Addresses, AddressesOf
from dtu.core.states import State
from dtu.core.terminal import Terminal
from fakes.bench import ALICE, BOB, S1, S2, S3, Bench, answer, bench_at, in_session, targets
from roamwire import control
from roamwire.control import Cause, Disconnect, Insert, Redirect, Server
from roamwire.datagrams import parse_datagram

# Power on: 901, 902, 907-910


def test_power_on_waits_for_an_address():
    bench = Bench()
    assert bench.words == catalogue.POWERED_UP.code
    assert bench.terminal.next_deadline() is None
    bench.lease("10.0.0.1")
    bench.due()
    assert bench.of(Connect)[0].server == Server("", "10.0.0.1", 7009)


def test_it_says_who_it_is_and_how_big_its_screen_is():
    bench = bench_at(State.CONNECTING)
    bench.opened()
    (hello,) = bench.said(control.Hello)
    assert (hello.dtu, hello.width, hello.height) == ("desk1", 1280, 800)


def test_it_says_what_keyboard_it_has():
    finder = Finder("desk1", random.Random(1), port=7009, dns=False, mdns=False)
    terminal = Terminal("desk1", (640, 480), finder, random.Random(1), keyboard="de(nodeadkeys)")
    bench = Bench(terminal=lambda *_: terminal)
    bench.lease("10.0.0.1")
    bench.due()
    bench.opened()
    assert [hello.keyboard for hello in bench.said(control.Hello)] == ["de(nodeadkeys)"]


def test_a_welcome_ends_in_the_words_insert_card():
    bench = bench_at(State.CONNECTED)
    assert bench.words == catalogue.INSERT_CARD.code
    assert bench.terminal.server == Server("s1", "10.0.0.1", 7009)


def test_the_servers_of_the_group_are_kept_when_they_change():
    bench = bench_at(State.CONNECTED)
    bench.hear(control.Servers((S2, S1)))
    assert bench.of(RememberServers) == []
    bench.hear(control.Servers((S1, S2, S3)))
    assert bench.of(RememberServers) == [RememberServers((S1, S2, S3))]


def test_servers_of_the_last_run_are_tried_before_those_of_dhcp():
    bench = Bench()
    bench.finder.remember((S3,))
    bench.lease("10.0.0.1")
    bench.due()
    bench.closed("refused")
    bench.due()
    assert targets(bench) == ["10.0.0.3", "10.0.0.1"]


@pytest.mark.parametrize("opens", [False, True])
def test_a_candidate_that_says_nothing_is_left_for_the_next(opens):
    bench = Bench()
    bench.lease("10.0.0.1", "10.0.0.2")
    bench.due()
    start = bench.now
    if opens:
        bench.opened()
    bench.due()
    assert bench.now == pytest.approx(start + timing.CONNECT_S)
    assert targets(bench) == ["10.0.0.1", "10.0.0.2"]
    assert bench.of(Hangup)[-1].attempt == bench.of(Connect)[0].attempt


def test_a_refused_candidate_is_left_at_once():
    bench = Bench()
    bench.lease("10.0.0.1", "10.0.0.2")
    bench.due()
    bench.closed("refused")
    assert bench.terminal.next_deadline() == bench.now


def test_without_any_server_it_asks_everybody_ever_slower_and_never_stops():
    bench = Bench()
    bench.lease()
    moments = []
    while len(moments) < 12:
        if any(isinstance(action, Broadcast) for action in bench.due()):
            moments.append(bench.now)
    gaps = [after - before for before, after in pairwise(moments)]
    assert 0.5 * timing.SEEK_PAUSE_S <= gaps[0] <= 1.5 * timing.SEEK_PAUSE_S
    assert all(gap >= 0.5 * timing.MAX_SEEK_PAUSE_S for gap in gaps[-4:])
    assert all(gap <= 1.5 * timing.MAX_SEEK_PAUSE_S for gap in gaps)
    assert len(set(gaps)) == len(gaps)
    assert bench.words == catalogue.SEEKING.code
    assert len({parse_datagram(action.data).serverQ for action in bench.of(Broadcast)}) == 12


def test_a_server_that_starts_later_is_found_by_its_answer():
    bench = bench_at(State.SEEKING)
    bench.run(10.0)
    answer(bench)
    bench.run(timing.SERVER_ANSWERS_S)
    assert targets(bench)[-1] == "10.0.0.7"
    bench.welcome("s7")
    assert bench.state is State.CONNECTED


def test_of_several_answers_the_least_loaded_is_tried():
    bench = bench_at(State.SEEKING)
    bench.run(5.0)
    answer(bench, "10.0.0.7", load=3000)
    answer(bench, "10.0.0.8", load=10)
    bench.run(timing.SERVER_ANSWERS_S)
    assert targets(bench)[-1] == "10.0.0.8"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "verb"),
        (b"\xff\x00", "binary"),
        (b"x" * 2000, "oversize"),
        (b"serverR=00 host=s7 addr=0a000007", "misdirected"),
        (b"serverR= host=s7 addr=0a000007", "misdirected"),
        (b"serverR=00 host=s7 addr=0a000007 port=99999", "value"),
    ],
)
def test_an_answer_that_is_none_is_counted(data, reason):
    bench = bench_at(State.SEEKING)
    bench.terminal.receive_datagram(data, ("10.0.0.66", 7009), bench.now)
    assert bench.terminal.dropped == {reason: 1}


def test_an_answer_while_connected_changes_nothing():
    bench = bench_at(State.SEEKING)
    bench.run(5.0)
    bench.lease("10.0.0.1")
    answer(bench)
    bench.run(timing.SERVER_ANSWERS_S)
    bench.welcome("s7")
    bench.done, before = [action for action in bench.done if isinstance(action, Broadcast)], 1
    answer(bench)
    assert bench.state is State.CONNECTED
    assert len(bench.of(Connect)) == before - 1


# Look-ups


def looking_up():
    """A terminal that asks DNS for the server that DHCP named."""
    bench = Bench()
    bench.lease("desk-servers")
    bench.due()
    (lookup,) = bench.of(Lookup)
    return bench, lookup


def test_a_name_of_dhcp_is_looked_up_and_then_tried():
    bench, lookup = looking_up()
    assert lookup.question == AddressesOf("desk-servers")
    assert bench.words == catalogue.SEEKING.code
    bench.terminal.looked_up(lookup.number, Addresses(("10.0.0.4",)), bench.now)
    bench.due()
    assert targets(bench) == ["10.0.0.4"]


def test_a_look_up_that_is_never_answered_holds_nothing_up():
    bench, lookup = looking_up()
    bench.run(timing.LOOKUP_S)
    assert bench.of(Broadcast)
    bench.terminal.looked_up(lookup.number, Addresses(("10.0.0.4",)), bench.now)
    assert bench.terminal.next_deadline() > bench.now
    assert targets(bench) == []


def test_an_answer_after_the_address_is_gone_changes_nothing():
    bench, lookup = looking_up()
    bench.no_lease()
    bench.terminal.looked_up(lookup.number, Addresses(("10.0.0.4",)), bench.now)
    assert bench.terminal.next_deadline() is None
    assert bench.state is State.NO_ADDRESS


# DHCP


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("deconfig", catalogue.POWERED_UP),
        ("nak", catalogue.POWERED_UP),
        ("leasefail", catalogue.NO_ADDRESS),
    ],
)
def test_without_an_address_it_says_what_is_missing(reason, words):
    bench = Bench()
    bench.terminal.address(NoLease("eth0", reason), bench.now)
    bench.act()
    assert bench.words == words.code
    bench.lease("10.0.0.1")
    assert bench.words not in (catalogue.POWERED_UP.code, catalogue.NO_ADDRESS.code)


@pytest.mark.parametrize("asked", [True, False])
def test_an_address_lost_while_the_server_returns_ends_the_session(asked):
    bench = in_session()
    if asked:
        bench.hear(Disconnect(0, "restarting", 5000))
    else:
        bench.closed()
    bench.no_lease()
    assert bench.state is State.NO_ADDRESS
    assert bench.of(CloseDisplay) == [CloseDisplay()]
    bench.terminal.display_lost("a1", 1, "reset", bench.now)
    assert bench.act() == []


def test_a_lost_address_while_connected_is_for_the_keepalive_to_judge():
    bench = in_session()
    bench.no_lease()
    assert bench.of(Hangup) == []
    assert bench.words != catalogue.POWERED_UP.code
    bench.alive(5.0)
    assert bench.state is State.CONNECTED


@pytest.mark.parametrize("state", [State.SEEKING, State.CONNECTING, State.RETURNING])
def test_a_lost_address_on_the_way_stops_everything(state):
    bench = bench_at(state, ALICE)
    bench.no_lease()
    assert bench.words == catalogue.POWERED_UP.code
    assert bench.terminal.next_deadline() is None
    bench.lease("10.0.0.2")
    bench.due()
    assert "10.0.0.2" in targets(bench) or "10.0.0.1" in targets(bench)


def test_a_renewed_lease_disturbs_nothing():
    bench = in_session()
    bench.lease("10.0.0.8")
    assert bench.of(Connect) == bench.of(Blank) == bench.of(Show) == []


# Redirect: 922


def test_a_redirect_goes_to_the_other_server_with_the_ticket():
    bench = bench_at(State.CONNECTED, ALICE)
    seq, first = bench.seq, bench.attempt
    actions = bench.hear(Redirect(seq, "s3", "10.0.0.3", 7100, "ticket"))
    assert Hangup(first) in actions
    assert bench.of(Connect)[-1].server == Server("s3", "10.0.0.3", 7100)
    assert bench.words == catalogue.OPENING.code
    bench.welcome("s3")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.ticket, insert.seq) == (Cause.REDIRECT, "ticket", seq)
    bench.hear(control.Connect(seq, "a1", 1, "t", 7010))
    assert bench.of(OpenDisplay)[0].address == "10.0.0.3"


def test_a_ticket_is_shown_once():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Redirect(bench.seq, "s3", "10.0.0.3", 7009, "ticket"))
    bench.welcome("s3")
    bench.alive(timing.INSERT_ANSWER_S + 0.1)
    first, again = bench.said(Insert)
    assert (first.ticket, again.ticket, again.cause) == ("ticket", "", Cause.INSERT)


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_redirect_to_a_dead_server_goes_on_elsewhere_and_names_it(how):
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Redirect(bench.seq, "s2", "10.0.0.2", 7009, "ticket"))
    if how == "refused":
        bench.closed("refused")
    else:
        bench.run(timing.CONNECT_S)
    bench.due()
    assert targets(bench)[1] == "10.0.0.1"
    bench.welcome("s1")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.ticket, insert.lost) == (Cause.FAILOVER, "", "s2")


def test_a_card_pulled_during_a_redirect_inserts_nothing():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Redirect(bench.seq, "s3", "10.0.0.3", 7009, "ticket"))
    bench.card_out()
    bench.welcome("s3")
    assert bench.said(Insert) == []
    assert bench.words == catalogue.INSERT_CARD.code
    bench.card_in(BOB)
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.ticket) == (Cause.INSERT, "")


def test_another_card_during_a_redirect_never_uses_the_ticket():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Redirect(bench.seq, "s3", "10.0.0.3", 7009, "ticket"))
    bench.card_in(BOB)
    bench.welcome("s3")
    (insert,) = bench.said(Insert)
    assert (insert.token, insert.cause, insert.ticket) == (BOB, Cause.INSERT, "")


def test_what_the_old_server_says_after_a_redirect_is_not_heard():
    bench = bench_at(State.CONNECTED, ALICE)
    old, seq = bench.attempt, bench.seq
    bench.hear(Redirect(seq, "s3", "10.0.0.3", 7009, "ticket"))
    bench.done.clear()
    bench.hear(control.Connect(seq, "a1", 9, "t", 7010), attempt=old)
    bench.closed(attempt=old)
    assert bench.done == []
    assert bench.state is State.CONNECTING
