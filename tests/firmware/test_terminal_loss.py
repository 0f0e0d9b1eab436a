"""A terminal that loses things: its server, its daemon for a moment, its session, its picture."""

import pytest

from dtu.core import catalogue, timing
from dtu.core.actions import (
    Blank,
    CloseDisplay,
    Connect,
    Hangup,
    OpenDisplay,
    Report,
    Show,
)
from dtu.core.states import State
from fakes.bench import ALICE, BOB, S1, Bench, answer, bench_at, in_session, targets
from roamwire import control
from roamwire.control import Cause, Disconnect, Insert, Notice
from roamwire.notices import NoticeCode

AGAIN_S = 4 * timing.MAX_DISPLAY_RETRY_S


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


def test_a_daemon_that_goes_before_the_first_picture_is_not_waited_for():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(control.Connect(bench.seq, "a1", 1, "t1", 7010))
    bench.closed()
    assert bench.state is State.SEEKING
    assert bench.of(CloseDisplay) == [CloseDisplay()]


def test_a_long_search_does_not_make_the_next_one_slow():
    bench = bench_at(State.SEEKING)
    bench.run(60.0)
    bench.lease()
    answer(bench)
    bench.run(timing.SERVER_ANSWERS_S)
    bench.welcome("s7")
    bench.closed()
    bench.due()
    assert bench.state is State.SEEKING
    assert bench.terminal.next_deadline() - bench.now <= 1.5 * timing.SEEK_PAUSE_S


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


# A server that answers keepalives, and nothing else

GIVEN_UP_S = timing.MAX_UNANSWERED_INSERTS_COUNT * timing.INSERT_ANSWER_S


def test_a_server_that_leaves_inserts_unanswered_is_lost():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.alive(GIVEN_UP_S - 0.1)
    assert len(bench.said(Insert)) == timing.MAX_UNANSWERED_INSERTS_COUNT - 1
    assert bench.words == catalogue.OPENING.code
    bench.done.clear()
    bench.alive(0.2)
    assert bench.words == catalogue.SERVER_LOST.code, "it does not answer, says the screen"
    assert any("no answer to 3 requests" in report.text for report in bench.of(Report))
    while not bench.of(Connect):
        bench.due()
    assert targets(bench)[0] == "10.0.0.2", "another one is tried first"
    bench.welcome("s2")
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.FAILOVER, "s1")


def test_where_there_is_no_other_server_the_same_one_is_asked_from_the_beginning():
    bench = Bench()
    bench.card_in()
    bench.lease("10.0.0.1")
    bench.due()
    bench.welcome("s1", S1)
    bench.alive(GIVEN_UP_S + 0.1)
    bench.done.clear()
    while not bench.of(Connect):
        bench.due()
    bench.welcome("s1", S1)
    assert len(bench.said(Insert)) == 1
    bench.alive(timing.INSERT_ANSWER_S + 0.1)
    assert bench.state is State.CONNECTED, "it has three tries again"


def test_an_answer_gives_a_server_three_tries_again():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.alive(GIVEN_UP_S - 0.1)
    bench.hear(control.Connect(bench.seq, "a1", 1, "t", 7010))
    bench.terminal.display_lost("a1", 1, "reset", bench.now)
    bench.alive(GIVEN_UP_S - timing.INSERT_ANSWER_S)
    assert bench.state is State.CONNECTED
    assert bench.of(Connect) == []


def test_another_card_gives_a_server_three_tries_again():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.alive(GIVEN_UP_S - 0.1)
    bench.card_out()
    bench.card_in(BOB)
    bench.alive(timing.INSERT_ANSWER_S + 0.1)
    assert bench.state is State.CONNECTED


def test_a_picture_is_not_given_up_because_a_choice_is_not_answered():
    bench = in_session()
    bench.terminal.choose("b2", bench.now)
    bench.alive(2 * GIVEN_UP_S)
    assert bench.state is State.CONNECTED
    assert bench.of(CloseDisplay) == []


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


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("failed", catalogue.SESSION_STOPPED),
        ("drained", catalogue.DRAINED),
        ("whatever-comes-later", catalogue.DISPLAY_LOST),
    ],
)
def test_a_session_lost_for_another_reason_is_asked_for_again(reason, words):
    bench = in_session()
    bench.hear(Disconnect(bench.seq, reason))
    assert Show(words, dim=True) in bench.of(Show)
    bench.alive(AGAIN_S)
    assert bench.said(Insert)[0].token == ALICE


REFUSED = [NoticeCode.TOKEN_LOST, NoticeCode.TOKEN_DISABLED, NoticeCode.PASSWORD_NOT_GIVEN, 99]


def left_picture(bench, code, words):
    """What a refusal does to the picture that is still there, dimmed."""
    assert bench.of(Show)[-1] == Show(words, dim=True)
    bench.done.clear()
    bench.hear(Notice(bench.seq, code))
    assert [type(a) for a in bench.done if isinstance(a, Blank | Show)] == [Blank, Show]
    assert (bench.of(Show)[0].message.code, bench.of(Show)[0].dim) == (code, False)


@pytest.mark.parametrize("code", REFUSED)
def test_a_card_refused_after_a_failover_leaves_no_picture(code):
    bench = in_session()
    bench.server_dies()
    bench.due()
    bench.welcome("s2")
    left_picture(bench, code, catalogue.OPENING.noting("uid"))


@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize(
    ("reason", "words"), [("failed", catalogue.SESSION_STOPPED), ("drained", catalogue.DRAINED)]
)
def test_a_card_refused_after_its_session_was_taken_away_leaves_no_picture(code, reason, words):
    bench = in_session()
    bench.hear(Disconnect(bench.seq, reason))
    left_picture(bench, code, words)


@pytest.mark.parametrize("last", [Notice(0, NoticeCode.TOKEN_LOST), Disconnect(0, "taken-over")])
@pytest.mark.parametrize(
    "line",
    [
        control.Connect(0, "a1", 2, "t2", 7010),
        control.Redirect(0, "s3", "10.0.0.3", 7009, "t"),
        control.Ask(0, control.Question.LOGIN),
    ],
)
def test_after_the_last_word_only_the_person_can_want_it_back(last, line):
    bench = in_session()
    bench.hear(type(last)(**{**vars(last), "seq": bench.seq}))
    bench.done.clear()
    assert bench.hear(type(line)(**{**vars(line), "seq": bench.seq})) == []
    bench.card_out()
    bench.card_in()
    bench.hear(control.Connect(bench.seq, "a1", 3, "t3", 7010))
    assert [action.epoch for action in bench.of(OpenDisplay)] == [3]


def test_a_new_session_that_starts_after_a_failover_leaves_the_picture():
    bench = in_session()
    bench.server_dies()
    bench.due()
    bench.welcome("s2")
    bench.hear(Notice(bench.seq, NoticeCode.STARTING))
    assert bench.of(Blank) == []


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
