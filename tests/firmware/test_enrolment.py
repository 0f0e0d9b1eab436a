"""When a terminal asks for a certificate, and what its screen says meanwhile."""

import pytest

from dtu.core import catalogue, timing
from dtu.core.actions import Show
from dtu.core.enrolment import Enrolment, Way, check_delay_s
from dtu.core.states import State
from fakes.bench import ALICE, Bench
from roamwire import enrolment as wire
from roamwire.enrolment import Refusal
from roamwire.limits import MAX_LISTED

S1, S2 = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def bare():
    return Enrolment("desk1", certified=False)


@pytest.fixture
def certified():
    return Enrolment("desk1", certified=True)


def test_without_a_certificate_every_server_is_asked_first(bare):
    assert bare.way(S1, 0.0) is Way.ENROL
    bare.asked(S1, 0.0)
    assert bare.way(S1, 0.0) is Way.WAIT, "a silent port is not asked at once again"
    assert bare.way(S2, 0.0) is Way.ENROL
    assert bare.way(S1, timing.ENROL_RETRY_S) is Way.ENROL


def test_who_waits_asks_as_often_as_the_server_says(bare):
    bare.fingerprint = "1a2b"
    bare.answered(S1, wire.Pending(5000), 0.0)
    assert (bare.way(S1, 4.9), bare.way(S1, 5.0)) == (Way.WAIT, Way.ENROL)
    assert bare.words == catalogue.NOT_ENROLLED.about(terminal="desk1", fingerprint="1a2b")
    bare.answered(S1, wire.Pending(0), 5.0)
    assert bare.way(S1, 5.1) is Way.WAIT, "not in a loop, whatever the server says"
    bare.answered(S1, wire.Pending(10**9), 5.0)
    assert bare.way(S1, 5.0 + timing.MAX_ENROL_RETRY_S) is Way.ENROL
    bare.enrolled()
    assert bare.way(S1, 5.0) is Way.CONNECT
    assert bare.words is None


def test_a_certificate_that_a_server_hangs_up_on_is_asked_anew_there(certified):
    assert certified.way(S1, 0.0) is Way.CONNECT
    certified.turned_away(S1)
    assert certified.way(S1, 0.0) is Way.ENROL
    assert certified.way(S2, 0.0) is Way.CONNECT
    certified.asked(S1, 0.0)
    assert certified.way(S1, 0.0) is Way.CONNECT, "it may have been another thing"
    certified.welcomed()
    assert certified.words is None
    assert certified.way(S1, 0.1) is Way.CONNECT


@pytest.mark.parametrize(
    ("code", "form"),
    [
        (Refusal.DENIED, "denied"),
        (Refusal.BLOCKED, "denied"),
        (Refusal.CODE, "code"),
        (Refusal.NOT_PREREGISTERED, "code"),
    ],
)
def test_a_refusal_is_said_in_words(bare, code, form):
    bare.answered(S1, wire.Refused(code, 30_000), 0.0)
    assert (bare.words.code, bare.words.form) == (19, form)
    assert (bare.way(S1, 29.9), bare.way(S1, 30.0)) == (Way.WAIT, Way.ENROL)


def test_a_busy_server_says_nothing_about_the_terminal(bare):
    bare.answered(S1, wire.Refused(Refusal.SLOWER, 10_000), 0.0)
    assert bare.words is None
    assert bare.way(S1, 9.9) is Way.WAIT


def test_of_several_servers_the_one_that_can_be_helped_is_heard(bare):
    bare.answered(S1, wire.Refused(Refusal.DENIED), 0.0)
    bare.answered(S2, wire.Refused(Refusal.CODE), 0.0)
    assert bare.words.form == "code"
    bare.answered("10.0.0.3", wire.Pending(5000), 0.0)
    assert bare.words.code == 17


def test_the_table_of_servers_is_bounded(bare):
    bare.answered(S1, wire.Pending(5000), 0.0)
    for number in range(MAX_LISTED):
        bare.asked(f"10.1.0.{number}", 0.0)
    assert bare.words is None
    assert bare.way(S1, 0.0) is Way.ENROL


def test_a_site_does_not_ask_at_once():
    assert [check_delay_s(3600, share) for share in (0.0, 1.0)] == [2700, 3600]
    assert check_delay_s(0, 1.0) == 1.0
    assert check_delay_s(10**9, 1.0) == timing.MAX_CHECK_S


def test_the_screen_says_it_instead_of_seeking():
    bench = Bench()
    bench.lease("10.0.0.1")
    bench.due()
    words = catalogue.NOT_ENROLLED.about(terminal="desk1", fingerprint="1a2b")
    bench.terminal.enrolment(words)
    bench.act()
    assert bench.words == 17
    bench.done.clear()
    bench.closed("waits")
    bench.card_in(ALICE)
    assert bench.state is State.SEEKING
    assert bench.of(Show) == [], "nothing flickers while servers are tried in turn"
    bench.terminal.enrolment(None)
    bench.act()
    assert bench.words == 13


def test_a_cable_that_is_out_comes_first_and_a_server_that_has_us_needs_no_words():
    bench = Bench()
    bench.lease("10.0.0.1")
    bench.due()
    bench.terminal.enrolment(catalogue.CERTIFICATE_REFUSED)
    bench.terminal.cable(False, bench.now)
    bench.act()
    assert bench.words == 15
    bench.terminal.cable(True, bench.now)
    bench.act()
    assert bench.words == 19
    bench.welcome()
    assert bench.words == 21
