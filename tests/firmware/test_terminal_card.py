"""A terminal and its card: in, out, bouncing, unreadable; and lines that are wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core import catalogue, timing
from dtu.core.actions import (
    Blank,
    CloseDisplay,
    OpenDisplay,
    Show,
)
from dtu.core.events import CardUnreadable, ReaderMissing, ReaderReady
from dtu.core.states import State
from fakes.bench import ALICE, BOB, READER, bench_at, in_session
from roamwire import control
from roamwire.control import Cause, Disconnect, Insert, Notice, Redirect, Remove
from roamwire.notices import NoticeCode

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
    inserted = bench.seq
    actions = bench.card_out()
    assert actions[0] == Blank()
    assert bench.seq > inserted
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
        (b"response seq=1", "state"),
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
