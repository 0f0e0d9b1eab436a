"""When a session whose picture does not move is asked for a pixel, and when it is lost."""

from hypothesis import given
from hypothesis import strategies as st

from dtu.core import timing
from dtu.core.liveness import Liveness, Verdict

SILENT_S, ANSWER_S = timing.PICTURE_SILENT_S, timing.PICTURE_ANSWER_S


def looks(liveness, count):
    """What the next looks say, each at its deadline."""
    return [liveness.look(liveness.deadline) for _ in range(count)]


def test_a_moving_picture_is_not_asked_for():
    liveness = Liveness(100.0)
    for _ in range(5):
        liveness.heard(liveness.deadline - 0.1)
        assert looks(liveness, 1) == [Verdict.WELL]


def test_silence_is_asked_about_and_then_lost():
    liveness = Liveness(100.0)
    assert liveness.deadline == 100.0 + SILENT_S
    assert looks(liveness, 1) == [Verdict.ASK]
    assert liveness.deadline == 100.0 + SILENT_S + ANSWER_S
    assert looks(liveness, 1) == [Verdict.LOST]


def test_a_still_picture_that_answers_is_never_lost():
    liveness = Liveness(100.0)
    for _ in range(20):
        assert looks(liveness, 1) == [Verdict.ASK]
        liveness.heard(liveness.deadline - ANSWER_S + 0.01)


def test_the_slowest_answer_counts():
    liveness = Liveness(100.0)
    looks(liveness, 1)
    liveness.heard(liveness.deadline - 0.01)
    assert looks(liveness, 2) == [Verdict.WELL, Verdict.ASK]


def test_a_loop_that_stood_itself_looks_once_more():
    liveness = Liveness(100.0)
    looks(liveness, 1)
    assert liveness.look(liveness.deadline + timing.STALL_S + 0.1) is Verdict.WELL
    assert looks(liveness, 2) == [Verdict.ASK, Verdict.LOST]


@given(st.lists(st.floats(0, 10), max_size=30))
def test_a_hang_is_noticed_within_its_bound_and_no_look_comes_sooner_than_after_two_seconds(gaps):
    liveness, last, begin = Liveness(1000.0), 1000.0, 1000.0
    for gap in gaps:
        last += min(gap, ANSWER_S - 0.01)  # a session that lives
        while liveness.deadline <= last:
            now = liveness.deadline
            assert now - begin >= SILENT_S
            begin = now
            assert liveness.look(now) is not Verdict.LOST
        liveness.heard(last)
    for _ in range(4):
        now = liveness.deadline
        if liveness.look(now) is Verdict.LOST:
            break
    assert SILENT_S + ANSWER_S <= now - last + 1e-6 <= 2 * ANSWER_S + 1e-5
