"""What a terminal does for the person: finding a server, a card in, a card out, losing things."""

import random
from ipaddress import IPv4Address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtu.core import catalogue, timing
from dtu.core.actions import (
    Blank,
    Broadcast,
    CloseDisplay,
    Connect,
    Hangup,
    OpenDisplay,
    RememberServers,
    SendLine,
    Show,
)
from dtu.core.events import CardUnreadable, ReaderMissing, ReaderReady
from dtu.core.lease import NoLease
from dtu.core.terminal import State
from fakes.bench import ALICE, BOB, READER, S1, S2, S3, Bench, bench_at, in_session
from roamwire import control
from roamwire.control import Cause, Disconnect, Insert, Notice, Redirect, Remove, Server
from roamwire.datagrams import ServerR, encode_datagram, parse_datagram
from roamwire.notices import NoticeCode

AGAIN_S = 4 * timing.MAX_DISPLAY_RETRY_S


def targets(bench):
    return [action.server.address for action in bench.of(Connect)]


def answer(bench, address="10.0.0.7", **more):
    """A server answers the last serverQ."""
    question = parse_datagram(bench.of(Broadcast)[-1].data)
    message = ServerR(question.serverQ, "s7", IPv4Address(address), **more)
    bench.terminal.receive_datagram(encode_datagram(message), (address, 7009), bench.now)
    return bench.act()


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
    bench.terminal.remembered((S3,))
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


# Card in


def test_a_card_opens_its_session():
    bench = bench_at(State.CONNECTED)
    bench.card_in()
    (insert,) = bench.said(Insert)
    assert (insert.token, insert.cause, insert.ticket, insert.lost) == (ALICE, Cause.INSERT, "", "")
    assert bench.words == catalogue.OPENING.code
    bench.hear(control.Connect(insert.seq, "a1", 4, "t1", 7010, "alice"))
    assert bench.of(OpenDisplay) == [OpenDisplay("10.0.0.1", 7010, "t1", "a1", 4)]
    bench.done.clear()
    bench.terminal.first_frame("a1", 4)
    bench.alive(60.0)
    assert bench.of(Show) == []
    assert bench.said(Insert) == []


def test_a_card_that_was_in_first_is_inserted_at_the_welcome():
    bench = bench_at(State.CONNECTING, BOB)
    bench.welcome()
    assert [line.token for line in bench.said(Insert)] == [BOB]


def test_a_new_session_says_that_it_starts():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Notice(bench.seq, NoticeCode.STARTING))
    assert bench.words == NoticeCode.STARTING
    bench.alive(19.0)  # a start may take that long; asking again would begin it anew
    assert bench.said(Insert) == []


def test_an_insert_that_nobody_answers_is_asked_again():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.alive(timing.INSERT_ANSWER_S + 0.1)
    (again,) = bench.said(Insert)
    assert (again.token, again.cause, again.seq) == (ALICE, Cause.INSERT, bench.seq)


@pytest.mark.parametrize("code", [31, 32, 33, 34, 35, 99])
def test_a_refused_card_is_told_why_and_not_tried_again(code):
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Notice(bench.seq, code, "Ask at the desk"))
    assert bench.words == code
    bench.alive(60.0)
    bench.closed()
    bench.due()
    bench.welcome("s2")
    assert bench.said(Insert) == []
    assert bench.words == code
    bench.card_out()
    assert bench.words == catalogue.INSERT_CARD.code
    bench.card_in()
    assert len(bench.said(Insert)) == 1


@pytest.mark.parametrize(
    "line",
    [
        control.Connect(0, "a1", 1, "t", 7010),
        Redirect(0, "s3", "10.0.0.3", 7009, "t"),
        Notice(0, 31),
        Disconnect(0, "taken-over"),
        Disconnect(0, "failed"),
    ],
)
@pytest.mark.parametrize("late", [1, 2, 3])
def test_an_answer_to_an_earlier_card_event_is_no_answer(line, late):
    bench = bench_at(State.CONNECTED, ALICE)
    bench.card_out()
    bench.card_in(BOB)
    bench.done.clear()
    words, seq = bench.words, bench.seq
    bench.hear(type(line)(**{**vars(line), "seq": seq - late}))
    assert bench.done == []
    assert (bench.words, bench.state) == (words, State.CONNECTED)


@pytest.mark.parametrize(
    "line",
    [
        control.Connect(0, "a1", 1, "t", 7010),
        Redirect(0, "s3", "10.0.0.3", 7009, "t"),
        Notice(0, 31),
        Disconnect(0, "ended"),
    ],
)
def test_an_answer_after_the_card_is_out_is_no_answer(line):
    bench = bench_at(State.CONNECTED, ALICE)
    bench.card_out()
    bench.done.clear()
    bench.hear(type(line)(**{**vars(line), "seq": bench.seq}))
    assert bench.done == []


# Card out


def test_a_card_out_blanks_before_anything_else():
    bench = in_session()
    actions = bench.card_out()
    assert actions[0] == Blank()
    assert CloseDisplay() in actions
    assert bench.said(Remove) == [Remove(bench.seq)]
    assert actions[-1] == Show(catalogue.INSERT_CARD, dim=False)
    assert bench.terminal.session == ""


@pytest.mark.parametrize("state", State)
def test_a_card_out_blanks_at_every_state(state):
    bench = bench_at(state, ALICE)
    assert bench.card_out()[0] == Blank()


def test_a_card_out_without_a_card_is_nothing():
    bench = bench_at(State.CONNECTED)
    assert bench.card_out() == []


@pytest.mark.parametrize(
    "event",
    [
        CardUnreadable(READER, "pulled", 1.0),
        ReaderMissing("no_reader"),
        ReaderMissing("no_service"),
    ],
)
def test_a_reader_that_goes_wrong_ends_the_session_too(event):
    bench = in_session()
    assert bench.card(event)[0] == Blank()
    assert bench.said(Remove)


@pytest.mark.parametrize("bounces", [1, 2, 5])
def test_a_bouncing_card_ends_blank(bounces):
    """CERT VU#100780: what the server says about an earlier insert must not show up again."""
    bench = bench_at(State.CONNECTED)
    seqs = []
    for _ in range(bounces):
        bench.card_in()
        seqs.append(bench.seq)
        bench.card_out()
    assert seqs == sorted(set(seqs))
    for seq in seqs:
        bench.hear(control.Connect(seq, "a1", seq, "t", 7010))
        bench.terminal.first_frame("a1", seq)
    assert bench.of(OpenDisplay) == []
    assert [type(a) for a in bench.done if isinstance(a, Blank | OpenDisplay)][-1] is Blank
    assert bench.words == catalogue.INSERT_CARD.code


def test_a_bouncing_card_that_stays_in_opens_once():
    bench = bench_at(State.CONNECTED)
    bench.card_in()
    first = bench.seq
    bench.card_out()
    bench.card_in()
    bench.hear(control.Connect(first, "a1", 1, "t1", 7010))
    bench.hear(control.Connect(bench.seq, "a1", 2, "t2", 7010))
    assert [action.epoch for action in bench.of(OpenDisplay)] == [2]


def test_another_card_without_a_card_out_between_blanks_too():
    bench = in_session()
    actions = bench.card_in(BOB)
    assert actions[0] == Blank()
    assert bench.said(Remove)
    assert bench.said(Insert)[-1].token == BOB
    assert bench.said(Insert)[-1].seq > bench.said(Remove)[-1].seq


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (CardUnreadable(READER, "mute", 1.0), catalogue.CARD_MUTE),
        (CardUnreadable(READER, "foreign", 1.0), catalogue.CARD_FOREIGN),
        (CardUnreadable(READER, "pulled", 1.0), catalogue.CARD_PULLED),
        (CardUnreadable(READER, "busy", 1.0), catalogue.CARD_BUSY),
        (CardUnreadable(READER, "haunted", 1.0), catalogue.CARD_MUTE),
        (ReaderMissing("no_reader"), catalogue.NO_READER),
        (ReaderMissing("no_service"), catalogue.NO_SERVICE),
        (ReaderMissing("other"), catalogue.NO_READER),
    ],
)
@pytest.mark.parametrize("state", [State.CONNECTED, State.SEEKING])
def test_trouble_with_the_reader_is_said_and_goes_away(event, words, state):
    bench = bench_at(state)
    bench.card(event)
    assert bench.words == words.code
    bench.card(ReaderReady(READER))
    assert bench.words != words.code
    bench.card(event)
    bench.card_out()
    assert bench.words != words.code
    bench.card(event)
    bench.card_in()
    assert bench.words != words.code


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


# Losing the server: 903-907


def test_a_silent_server_is_lost_after_its_time():
    bench = in_session()
    start = bench.now
    bench.run(1.6)
    assert bench.said(control.Keepalive)
    assert bench.state is not State.CONNECTED
    assert Show(catalogue.SERVER_LOST, dim=True) in bench.of(Show)
    assert bench.of(Blank) == []  # the person keeps the last picture, dimmed
    assert bench.of(CloseDisplay) == [CloseDisplay()]
    assert bench.now - start <= timing.LOST_S + 0.2


def test_a_dead_server_is_left_at_once_and_the_next_is_tried_within_the_jitter():
    bench = in_session()
    bench.server_dies()
    assert bench.state is State.SEEKING
    assert bench.of(Show)[-1] == Show(catalogue.SERVER_LOST, dim=True)
    assert bench.terminal.next_deadline() <= bench.now + timing.FAILOVER_JITTER_S
    bench.due()
    assert targets(bench) == ["10.0.0.2"]
    bench.welcome("s2")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost, insert.token) == (Cause.FAILOVER, "s1", ALICE)


def test_a_dead_server_is_left_whichever_connection_breaks_first():
    bench = in_session()
    bench.terminal.display_lost("a1", 1, "reset", bench.now)
    bench.closed()
    assert bench.state is State.SEEKING
    bench.due()
    assert targets(bench) == ["10.0.0.2"]


def test_desks_do_not_knock_all_at_once():
    moments = set()
    for seed in range(10):
        bench = in_session(seed=seed)
        bench.server_dies()
        moments.add(bench.terminal.next_deadline() - bench.now)
    assert len(moments) == 10


def test_the_lost_server_is_named_until_a_session_is_shown():
    bench = in_session()
    bench.server_dies()
    bench.due()
    bench.welcome("s2")
    bench.alive(timing.INSERT_ANSWER_S + 0.1)
    assert [line.lost for line in bench.said(Insert)] == ["s1", "s1"]
    bench.hear(control.Connect(bench.seq, "b1", 1, "t", 7010))
    bench.done.clear()
    bench.terminal.display_lost("b1", 1, "reset", bench.now)
    bench.alive(AGAIN_S)
    assert bench.said(Insert)[0].lost == ""


# A daemon that crashes: the display gateway goes on


def test_a_crashed_daemon_costs_nobody_the_picture():
    bench = in_session()
    old = bench.attempt
    bench.closed("reset by peer")
    assert bench.state is State.RETURNING
    assert bench.done.count(Hangup(old)) == 1
    for _ in range(4):
        bench.due()
        bench.closed("refused")
    assert set(targets(bench)) == {"10.0.0.1"}
    assert bench.of(CloseDisplay) == bench.of(Blank) == bench.of(Show) == []
    bench.due()
    bench.welcome("s1")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.FAILOVER, "")
    bench.hear(control.Connect(bench.seq, "a1", 2, "t2", 7010))
    assert bench.of(OpenDisplay)[-1].epoch == 2


def test_a_crashed_daemon_that_does_not_come_back_is_left():
    bench = in_session()
    start = bench.now
    bench.closed()
    while "10.0.0.2" not in targets(bench):
        bench.due()
        if targets(bench)[-1:] == ["10.0.0.1"] and bench.state is State.CONNECTING:
            bench.closed("refused")
    assert bench.now - start == pytest.approx(timing.CRASH_RETURN_S, abs=0.25)
    assert bench.of(CloseDisplay) == [CloseDisplay()]
    bench.welcome("s2")
    assert bench.said(Insert)[0].lost == "s1"


@pytest.mark.parametrize("tries", [0, 1, 2])
def test_a_picture_that_breaks_meanwhile_says_that_the_whole_server_is_dead(tries):
    bench = in_session()
    bench.closed()
    for number in range(tries):
        bench.due()
        if number == 0:
            bench.closed("refused")
    bench.terminal.display_lost("a1", 1, "reset", bench.now)
    bench.act()
    assert bench.state is State.SEEKING
    bench.due()
    assert targets(bench)[-1] == "10.0.0.2"


def test_a_card_pulled_meanwhile_blanks():
    bench = in_session()
    bench.closed()
    assert bench.card_out()[0] == Blank()
    bench.due()
    bench.welcome("s1")
    assert bench.said(Insert) == []


def test_a_server_lost_without_a_card_is_simply_another_one():
    bench = bench_at(State.CONNECTED)
    bench.closed()
    bench.due()
    bench.welcome("s2")
    bench.card_in()
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.INSERT, "")


def test_a_server_that_answers_is_never_lost():
    bench = in_session()
    bench.alive(60.0)
    assert bench.state is State.CONNECTED
    assert len(bench.said(control.Keepalive)) >= 100


def test_a_terminal_that_was_asleep_asks_once_more_before_it_gives_up():
    bench = in_session()
    bench.now += 20.0
    bench.terminal.handle_deadline(bench.now)
    bench.act()
    assert bench.state is State.CONNECTED
    bench.hear(control.Alive(1))
    bench.alive(5.0)
    assert bench.state is State.CONNECTED


def test_the_last_server_that_is_left_is_tried_again():
    bench = bench_at(State.CONNECTED)
    bench.hear(control.Servers((S1,)))
    bench.closed()
    bench.due()
    assert targets(bench) == ["10.0.0.1"]


# A restart of the daemons


def test_a_restarting_server_gets_its_terminals_back():
    bench = in_session()
    old = bench.attempt
    bench.hear(Disconnect(0, "restarting", 5000))
    assert Hangup(old) in bench.done
    assert bench.of(Show) == []  # the display gateway may be spared
    bench.terminal.display_lost("a1", 1, "reset", bench.now)
    bench.act()
    assert bench.of(Show) == [Show(catalogue.RESTARTING, dim=True)]
    for _ in range(5):
        bench.due()
        assert targets(bench)[-1] == "10.0.0.1"
        bench.closed("refused")
    bench.due()
    bench.welcome("s1")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.FAILOVER, "")


@pytest.mark.parametrize(
    ("retry_ms", "wait_s"),
    [(2000, 2.0), (10**9, timing.MAX_RETURN_S), (0, 0.1), (-(10**9), 0.1)],
)
def test_a_restarting_server_that_does_not_come_back_is_given_up(retry_ms, wait_s):
    bench = in_session()
    start = bench.now
    bench.hear(Disconnect(0, "restarting", retry_ms))
    while "10.0.0.2" not in targets(bench):
        bench.due()
        if bench.state is State.CONNECTING and targets(bench)[-1] == "10.0.0.1":
            bench.closed("refused")
    assert bench.now - start == pytest.approx(wait_s, abs=0.2)
    bench.welcome("s2")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.FAILOVER, "s1")


def test_a_card_pulled_while_the_server_restarts_stays_out():
    bench = in_session()
    bench.hear(Disconnect(0, "restarting", 5000))
    bench.card_out()
    bench.due()
    bench.welcome("s1")
    assert bench.said(Insert) == []
    assert bench.words == catalogue.INSERT_CARD.code


def test_a_restart_without_a_card_is_waited_for_too():
    bench = bench_at(State.CONNECTED)
    bench.hear(Disconnect(0, "restarting", 5000))
    assert bench.words == catalogue.RESTARTING.code
    bench.due()
    bench.welcome("s1")
    assert bench.words == catalogue.INSERT_CARD.code


# Losing the session or its picture


@pytest.mark.parametrize(
    ("reason", "words"), [("taken-over", catalogue.TAKEN_OVER), ("ended", catalogue.ENDED)]
)
def test_a_session_that_is_not_ours_any_more_leaves_no_picture(reason, words):
    bench = in_session()
    bench.hear(Disconnect(bench.seq, reason))
    assert [type(a) for a in bench.done if isinstance(a, Blank | CloseDisplay | Show)] == [
        CloseDisplay, Blank, Show,
    ]  # fmt: skip
    assert bench.of(Show)[-1] == Show(words, dim=False)
    bench.alive(60.0)
    bench.closed()
    bench.due()
    bench.welcome("s2")
    assert bench.said(Insert) == []  # only the person can want it back
    bench.card_out()
    bench.card_in()
    assert len(bench.said(Insert)) == 1


@pytest.mark.parametrize("reason", ["failed", "drained", "whatever-comes-later"])
def test_a_session_lost_for_another_reason_is_asked_for_again(reason):
    bench = in_session()
    bench.hear(Disconnect(bench.seq, reason))
    assert Show(catalogue.DISPLAY_LOST, dim=True) in bench.of(Show)
    bench.alive(AGAIN_S)
    assert bench.said(Insert)[0].token == ALICE


def test_a_lost_picture_is_asked_for_again_ever_slower():
    bench = in_session()
    gaps = []
    for epoch in range(1, 9):
        before = bench.now
        bench.terminal.display_lost("a1", epoch, "reset", bench.now)
        bench.act()
        inserts = len(bench.said(Insert))
        while len(bench.said(Insert)) == inserts:
            bench.due()
            bench.hear(control.Alive(1))
        gaps.append(bench.now - before)
        bench.hear(control.Connect(bench.seq, "a1", epoch + 1, "t", 7010))
    assert gaps[0] <= 1.3 * timing.DISPLAY_RETRY_S
    assert gaps[-1] >= 0.7 * timing.MAX_DISPLAY_RETRY_S
    assert max(gaps) <= 1.3 * timing.MAX_DISPLAY_RETRY_S
    bench.terminal.first_frame("a1", 9)
    before = bench.now
    bench.terminal.display_lost("a1", 9, "reset", bench.now)
    assert bench.terminal.next_deadline() - before <= 1.3 * timing.DISPLAY_RETRY_S


@pytest.mark.parametrize(("session", "epoch"), [("a1", 0), ("a1", 2), ("b1", 1), ("", 0)])
def test_news_of_another_display_connection_are_ignored(session, epoch):
    bench = in_session()
    bench.terminal.display_lost(session, epoch, "reset", bench.now)
    bench.terminal.first_frame(session, epoch)
    assert bench.act() == []
    assert bench.terminal.session == "a1"


def test_a_picture_lost_together_with_the_server_waits_for_the_next_server():
    bench = in_session()
    bench.server_dies()
    bench.due()
    bench.welcome("s2")
    assert len(bench.said(Insert)) == 1


def test_a_new_connect_replaces_the_display():
    bench = in_session()
    bench.hear(control.Connect(bench.seq, "a1", 2, "t2", 7010))
    kinds = [type(a) for a in bench.done if isinstance(a, CloseDisplay | OpenDisplay)]
    assert kinds == [CloseDisplay, OpenDisplay]


# Bad lines


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "verb"),
        (b"\x00\xff", "binary"),
        (b"x" * 20_000, "oversize"),
        (b"connect seq=1 session=a1 epoch=1 ticket=t port=0", "value"),
        (b"redirect seq=1 host=s2 address=10.0.0.2 port=7009", "missing"),
        (b"remove seq=1", "state"),
        (b"welcome host=s1 keepalive_ms=500 lost_ms=1500", "state"),
        (b"challenge seq=1 slot=9e data=00", "state"),
    ],
)
def test_a_bad_line_is_counted_and_changes_nothing(data, reason):
    bench = in_session()
    assert bench.hear_bytes(data) == []
    assert bench.terminal.dropped == {reason: 1}
    assert bench.state is State.CONNECTED


def test_a_line_before_welcome_is_counted():
    bench = bench_at(State.CONNECTING, ALICE)
    bench.hear(control.Connect(1, "a1", 1, "t", 7010))
    assert bench.terminal.dropped == {"state": 1}
    assert bench.of(OpenDisplay) == []


@given(st.binary(max_size=300))
def test_any_bytes_of_a_server_do_no_harm(data):
    bench = in_session()
    bench.hear_bytes(data)
    bench.alive(1.0)
    assert bench.state in (State.CONNECTED, State.RETURNING, State.CONNECTING)


# Anything in any order

OPS = (
    "lease", "no lease", "opened", "closed", "welcome", "connect", "redirect", "notice",
    "starting", "taken-over", "ended", "failed", "restarting", "in", "in bob", "out", "unreadable",
    "frame", "display lost", "due", "due", "due", "wait", "late connect", "answer",
)  # fmt: skip


def play(bench, op, rng):
    lines = {
        "welcome": control.Welcome(f"s{rng.randint(1, 3)}", 500, 1500, (S1, S2, S3)),
        "connect": control.Connect(bench.seq, "a1", rng.randint(1, 9), "t", 7010),
        "late connect": control.Connect(bench.seq - 1, "a1", rng.randint(1, 9), "t", 7010),
        "redirect": Redirect(bench.seq, "s3", "10.0.0.3", 7009, "t"),
        "notice": Notice(bench.seq, 31),
        "starting": Notice(bench.seq, 36),
        "restarting": Disconnect(bench.seq, "restarting", 3000),
    }
    lines |= {each: Disconnect(bench.seq, each) for each in ("taken-over", "ended", "failed")}
    terminal = bench.terminal
    simple = {
        "lease": lambda: bench.lease("10.0.0.1", "10.0.0.2"),
        "no lease": bench.no_lease,
        "opened": bench.opened,
        "closed": bench.closed,
        "in": bench.card_in,
        "in bob": lambda: bench.card_in(BOB),
        "out": bench.card_out,
        "unreadable": lambda: bench.card(CardUnreadable(READER, "mute", bench.now)),
        "frame": lambda: terminal.first_frame(terminal.session, terminal.epoch),
        "display lost": lambda: terminal.display_lost(
            terminal.session, terminal.epoch, "reset", bench.now
        ),
        "wait": lambda: bench.run(rng.choice([0.05, 0.4, 2.0])),
        "due": lambda: bench.due() if terminal.next_deadline() is not None else None,
        "answer": lambda: bench.of(Broadcast) and answer(bench),
    }
    if op in lines:
        bench.hear(lines[op])
    else:
        simple[op]()
    bench.act()


def check(bench):
    """What must hold whatever has happened."""
    links, display, card, links_begun = None, False, False, 0
    for action in bench.done:
        if isinstance(action, Connect):
            assert links is None, "two control connections at a time"
            links, links_begun = action.attempt, action.attempt
        elif isinstance(action, Hangup) and action.attempt == links:
            links = None
        elif isinstance(action, SendLine):
            assert action.attempt == links_begun, "a line to a server that was left"
            line = control.parse_line(action.line)
            card = isinstance(line, Insert) or (card and not isinstance(line, Remove))
        elif isinstance(action, OpenDisplay):
            assert not display, "two displays at a time"
            assert card, "a picture without a card"
            display = True
        elif isinstance(action, CloseDisplay):
            display = False
        elif isinstance(action, Blank):
            card = False
    assert display == bool(bench.terminal.session)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(OPS), max_size=60), st.integers(0, 1000))
def test_in_any_order_of_events_the_terminal_keeps_its_promises(ops, seed):
    bench, rng = Bench(seed), random.Random(seed)
    for op in ["lease", "due", "opened", "welcome", *ops]:
        play(bench, op, rng)
        check(bench)
    bench.card_out()
    check(bench)
    assert bench.terminal.session == ""
    pictures = [type(a) for a in bench.done if isinstance(a, OpenDisplay | Blank | CloseDisplay)]
    assert not pictures or pictures[-1] is not OpenDisplay
