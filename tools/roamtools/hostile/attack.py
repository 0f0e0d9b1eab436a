"""What an attack is, and the list of all. Attacks themselves are in the modules `on_*`."""

from collections.abc import Callable
from dataclasses import dataclass

from roamtools.hostile.stage import Stage

Run = Callable[[Stage], str]


@dataclass(frozen=True)
class Attack:
    """`run` attacks and gives in words what it got: "" if it got nothing.

    `flood`: it takes seconds of the servers' time, which honest people must not feel.
    """

    name: str
    run: Run
    flood: bool = False

    @property
    def words(self) -> str:
        """One line for people."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]


ATTACKS: dict[str, Attack] = {}
"""By name, in the order in which they run."""


def attack(name: str, *, flood: bool = False) -> Callable[[Run], Run]:
    """Puts a function on the list."""

    def listed(run: Run) -> Run:
        if name in ATTACKS:
            raise ValueError(f"two attacks are called {name}")
        ATTACKS[name] = Attack(name, run, flood)
        return run

    return listed
