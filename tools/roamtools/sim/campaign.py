"""Many seeds, on one or more processes. What a seed does is in `world`."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from roamtools.sim.plan import Plan
from roamtools.sim.world import Outcome, World


@dataclass
class Tally:
    """What a campaign has shown so far."""

    seeds: int = 0
    violations: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    first: Outcome | None = None
    bad_seeds: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """One more seed."""
        self.seeds += 1
        self.virtual_s += outcome.virtual_s
        self.counts.update(outcome.counts)
        if outcome.rule:
            self.violations += 1
            self.bad_seeds.append(outcome.seed)
            if self.first is None or outcome.seed < self.first.seed:
                self.first = outcome

    def report(self, plan: Plan) -> dict[str, Any]:
        """The object that `--json` prints."""
        first = self.first
        return {
            "seeds": self.seeds,
            "violations": self.violations,
            "first_bad_seed": None if first is None else first.seed,
            "virtual_s": round(self.virtual_s, 1),
            "wall_s": round(self.wall_s, 1),
            "servers": plan.servers,
            "dtus": plan.dtus,
            "first_violation": None
            if first is None
            else {"rule": first.rule, "detail": first.detail, "at_s": round(first.at_s, 3)},
            "bad_seeds": sorted(self.bad_seeds)[:50],
            "counts": dict(sorted(self.counts.items())),
        }


def run_seed(task: tuple[int, Plan]) -> Outcome:
    """One seed in this process."""
    seed, plan = task
    return World(seed, plan).run()


def run_seeds(
    seeds: range, plan: Plan, jobs: int, on_outcome: Callable[[Outcome, Tally], None]
) -> Tally:
    """All seeds; `on_outcome` is called as each ends."""
    tally, begun = Tally(), time.monotonic()
    for outcome in _outcomes(seeds, plan, jobs):
        tally.add(outcome)
        tally.wall_s = time.monotonic() - begun
        on_outcome(outcome, tally)
    return tally


def _outcomes(seeds: range, plan: Plan, jobs: int) -> Iterator[Outcome]:
    tasks = [(seed, plan) for seed in seeds]
    if jobs <= 1:
        yield from map(run_seed, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_seed, tasks)
