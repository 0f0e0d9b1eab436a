"""Keepalives: when one is sent, when silence means loss, and a loop that was late itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core import timing
from dtu.core.heartbeat import Heartbeat


def started(keepalive_ms=500, lost_ms=1500, now=100.0):
    heartbeat = Heartbeat()
    heartbeat.start(keepalive_ms, lost_ms, now)
    return heartbeat


def beats(heartbeat, until):
    """The moments of its keepalives, and the moment of loss or None."""
    sent = []
    while heartbeat.deadline <= until:
        now = heartbeat.deadline
        assert len(sent) < 1000, "it beats for ever at one moment"
        if heartbeat.beat(now) is None:
            return sent, now
        sent.append(now)
    return sent, None


def test_it_beats_at_the_servers_pace_and_counts():
    heartbeat = started()
    numbers = []
    for moment in (100.5, 101.0, 101.5, 102.0):
        assert heartbeat.deadline == pytest.approx(moment)
        numbers.append(heartbeat.beat(moment))
        heartbeat.heard(moment)
    assert numbers == [1, 2, 3, 4]


def test_a_silent_server_is_lost_exactly_after_its_time():
    sent, lost = beats(started(), 200.0)
    assert sent == pytest.approx([100.5, 101.0])
    assert lost == pytest.approx(101.5)


def test_any_sign_of_life_puts_the_loss_off():
    heartbeat = started()
    heartbeat.beat(100.5)
    heartbeat.heard(100.9)
    _, lost = beats(heartbeat, 200.0)
    assert lost == pytest.approx(102.4)


def test_the_loss_is_noticed_between_two_keepalives():
    _, lost = beats(started(keepalive_ms=1000, lost_ms=2300), 200.0)
    assert lost == pytest.approx(102.3)


def test_a_late_loop_gives_the_server_one_more_keepalive():
    heartbeat = started()
    assert heartbeat.beat(105.0) == 1  # answers may be waiting unread
    assert heartbeat.deadline == pytest.approx(105.5)
    assert heartbeat.beat(heartbeat.deadline) is None


def test_a_late_loop_that_finds_the_answer_goes_on():
    heartbeat = started()
    heartbeat.beat(105.0)
    heartbeat.heard(105.1)
    _, lost = beats(heartbeat, 200.0)
    assert lost == pytest.approx(106.6)


def test_a_small_delay_is_no_excuse():
    heartbeat = started()
    heartbeat.beat(100.5)
    heartbeat.beat(101.0)
    assert heartbeat.beat(101.5 + timing.STALL_S) is None


def test_a_stopped_heart_has_no_deadline():
    heartbeat = started()
    heartbeat.stop()
    assert heartbeat.deadline is None


@pytest.mark.parametrize(
    ("keepalive_ms", "lost_ms", "first", "lost_s"),
    [
        (500, 1500, 0.5, 1.5),
        (20_000, 60_000, 20.0, 60.0),
        (0, 0, timing.MIN_KEEPALIVE_S, 2 * timing.MIN_KEEPALIVE_S),
        (-5, -5, timing.MIN_KEEPALIVE_S, 2 * timing.MIN_KEEPALIVE_S),
        (500, 10, 0.5, 1.0),
        (500, 10**12, 0.5, timing.MAX_LOST_S),
        (10**12, 10**12, timing.MAX_LOST_S / 2, timing.MAX_LOST_S),
    ],
)
def test_what_a_server_may_ask_for_is_bounded(keepalive_ms, lost_ms, first, lost_s):
    heartbeat = started(keepalive_ms, lost_ms)
    assert heartbeat.deadline == pytest.approx(100.0 + first)
    assert heartbeat.lost_s == pytest.approx(lost_s)


@given(st.floats(0, 1e7), st.integers(100, 20_000), st.integers(300, 60_000), st.floats(0, 100))
def test_it_never_beats_for_ever_at_one_moment(now, keepalive_ms, lost_ms, later):
    heartbeat = started(keepalive_ms, lost_ms, now)
    heartbeat.heard(now + later)
    sent, lost = beats(heartbeat, now + later + timing.MAX_LOST_S + 1)
    assert lost is not None
    assert sent == sorted(set(sent))
