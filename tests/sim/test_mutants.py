"""The checkers bite: every known-bad change of the cores is caught within a few small seeds."""

import sys
from pathlib import Path

import pytest

from roamtools.sim.plan import Plan
from roamtools.sim.world import World

sys.path.insert(0, str(Path(__file__).parent))
from mutants import MUTANTS

PLAN = Plan(servers=4, dtus=24, seconds=120.0, rogues=0.15, bounces=0.4)
SEEDS = (
    40  # most are caught by the first few; a replay needs a server that starts at the right moment
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant):
    for seed in range(1, SEEDS + 1):
        with mutant.alive():
            outcome = World(seed, PLAN).run()
        if outcome.rule:
            assert outcome.rule in mutant.rules, outcome
            return
    pytest.fail(f"{mutant.name} survives {SEEDS} seeds")


def test_there_are_enough_mutants():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20
