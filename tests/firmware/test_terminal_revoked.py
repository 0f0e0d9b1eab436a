"""A terminal that is revoked, and a card that is lost: what is wiped, said, and what comes back."""

from dtu.core import catalogue
from dtu.core.actions import Blank, CloseDisplay, Show
from dtu.core.states import State
from fakes.bench import ALICE, bench_at, in_session
from roamwire.control import Disconnect, Insert, Notice
from roamwire.notices import DisconnectReason, NoticeCode

BLOCKED = DisconnectReason.BLOCKED.value
LOST = catalogue.NOTICES[NoticeCode.TOKEN_LOST]


def test_a_revoked_terminal_is_wiped_and_says_so_while_it_tries_on():
    bench = in_session()
    bench.hear(Disconnect(0, BLOCKED))
    assert bench.of(Blank)
    assert bench.of(CloseDisplay) == [CloseDisplay()]
    bench.closed()
    assert bench.state is not State.CONNECTED
    assert bench.of(Show)[-1].message == catalogue.TERMINAL_REVOKED
    assert bench.terminal.next_deadline() is not None


def test_a_revoked_terminal_that_starts_says_so_and_not_that_there_is_no_server():
    bench = bench_at(State.CONNECTING, None)
    bench.hear(Disconnect(0, BLOCKED))
    bench.closed()
    assert bench.of(Show)[-1].message == catalogue.TERMINAL_REVOKED


def test_a_restored_terminal_opens_the_session_of_the_card_that_is_in():
    bench = in_session()
    bench.hear(Disconnect(0, BLOCKED))
    bench.closed()
    bench.due()
    bench.welcome("s2")
    assert bench.said(Insert)[-1].token == ALICE
    assert bench.of(Show)[-1].message.code == catalogue.OPENING.code


def test_a_lost_card_leaves_the_screen_and_is_not_asked_for_again():
    bench = in_session()
    bench.hear(Disconnect(bench.seq, BLOCKED))
    assert bench.of(Blank)
    assert bench.of(Show)[-1].message == LOST
    bench.run(0.4)
    assert bench.said(Insert) == []
    assert bench.state is State.CONNECTED


def test_a_lost_card_that_is_put_in_is_refused_in_words():
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(Notice(bench.seq, int(NoticeCode.TOKEN_LOST)))
    assert bench.of(Show)[-1].message.code == LOST.code


def test_a_block_of_a_card_that_is_out_by_now_changes_nothing():
    bench = in_session()
    bench.hear(Disconnect(bench.seq - 1 or 99, BLOCKED))
    assert bench.of(Blank) == []
