"""Where a new session goes: the least loaded server that the DTU can reach. Knows no protocol."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SESSION_COST = 250
"""Thousandths of a processor that one more session will ask for, before that can be measured."""

NEAR = 0.05
"""Scores this close are equal: measured load is never exact."""


@dataclass(frozen=True)
class Candidate:
    """A server that answered: `load` in thousandths of a processor, `reserved`: on their way."""

    host: str
    cpus: int
    load: int
    sessions: int
    reserved: int = 0
    drain: bool = False

    @property
    def score(self) -> float:
        """Expected load per processor, 0 is idle."""
        expected = self.load + SESSION_COST * (self.sessions + self.reserved)
        return expected / (1000 * max(1, self.cpus))


def place(candidates: Sequence[Candidate], rng: random.Random) -> Candidate | None:
    """The least loaded candidate; near equals by lot, so that a rush does not land on one."""
    open_ones = [each for each in candidates if not each.drain]
    if not open_ones:
        return None
    best = min(each.score for each in open_ones)
    near = [each for each in open_ones if each.score <= best + NEAR]
    return near[0] if len(near) == 1 else rng.choice(near)
