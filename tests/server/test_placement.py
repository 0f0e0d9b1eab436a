"""Placement: the least loaded, near equals by lot, never a draining one."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionhost.core.placement import NEAR, SESSION_COST, Candidate, place

candidates = st.lists(
    st.builds(
        Candidate,
        host=st.sampled_from([f"s{n}" for n in range(9)]),
        cpus=st.integers(0, 64),
        load=st.integers(0, 100_000),
        sessions=st.integers(0, 500),
        reserved=st.integers(0, 50),
        drain=st.booleans(),
    ),
    max_size=8,
)


@given(candidates, st.integers(0, 5))
def test_the_chosen_one_is_open_and_among_the_least_loaded(found, seed):
    chosen = place(found, random.Random(seed))
    open_ones = [each for each in found if not each.drain]
    if not open_ones:
        assert chosen is None
    else:
        assert chosen in open_ones
        assert chosen.score <= min(each.score for each in open_ones) + NEAR


@pytest.mark.parametrize(
    ("idle", "busy"),
    [
        (Candidate("a", 4, 0, 0), Candidate("b", 4, 1000, 0)),
        (Candidate("a", 4, 0, 1), Candidate("b", 4, 0, 3)),
        (Candidate("a", 16, 4000, 0), Candidate("b", 4, 2000, 0)),
        (Candidate("a", 4, 0, 0), Candidate("b", 4, 0, 0, reserved=2)),
        (Candidate("a", 1, 0, 3), Candidate("b", 0, 0, 4)),
    ],
)
def test_the_less_loaded_one_wins_in_any_order(idle, busy):
    for seed in range(10):
        assert place([idle, busy], random.Random(seed)) is idle
        assert place([busy, idle], random.Random(seed)) is idle


def test_a_rush_is_spread_over_equals():
    equals = [Candidate(f"s{n}", 4, n, 0) for n in range(4)]
    rng = random.Random(1)
    hits = Counter(place(equals, rng).host for _ in range(400))
    assert set(hits) == {"s0", "s1", "s2", "s3"}
    assert min(hits.values()) > 60


def test_a_draining_server_gets_nothing_even_when_idle():
    idle, busy = Candidate("a", 64, 0, 0, drain=True), Candidate("b", 1, 9000, 90)
    assert place([idle, busy], random.Random(1)) is busy
    assert place([idle], random.Random(1)) is None
    assert place([], random.Random(1)) is None


def test_a_session_costs_a_quarter_of_a_processor():
    assert Candidate("a", 2, 500, 4).score == pytest.approx((500 + 4 * SESSION_COST) / 2000)
