"""Certificates that were refused on the way to a server, and what follows. No TLS is here."""

import enum
from dataclasses import dataclass


class Refusal(enum.Enum):
    """Whose certificate was refused, and why."""

    OURS = "ours"
    """A server of our group, which has shown its own, did not take ours."""
    CLOCK = "clock"
    """Theirs is out of date, and so is our group's CA: it is our clock that is wrong."""
    EXPIRED = "expired"
    """Theirs is out of date by our clock, which may well be right."""
    FOREIGN = "foreign"
    """Theirs is not one of our group's servers."""


@dataclass(frozen=True)
class Refused:
    """One refusal; `reason` is for the log, `clock` is our date and time, for people to compare."""

    why: Refusal
    reason: str
    clock: str = ""

    def __str__(self) -> str:
        return self.reason


_BY_WEIGHT = tuple(Refusal)
"""A server that proves itself outweighs one that anybody can have put into the network."""


class Refusals:
    """`verdict` is what the last whole round of a search says; None while there is hope.

    Servers that do not answer say nothing about certificates, so they do not count.
    """

    def __init__(self) -> None:
        self.verdict: Refused | None = None
        self._round: list[Refused] = []

    def tried(self, reason: str | Refused) -> None:
        """A candidate did not take us."""
        if isinstance(reason, Refused):
            self._round.append(reason)

    def round_over(self) -> None:
        """Every way was tried."""
        found = sorted(self._round, key=lambda each: _BY_WEIGHT.index(each.why))
        self.verdict = found[0] if found else None
        self._round.clear()

    def clear(self) -> None:
        """A server has us, or the network is another one."""
        self.verdict = None
        self._round.clear()
