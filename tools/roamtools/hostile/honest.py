"""An honest person who goes on working while others attack: card in, picture, card out, again."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from roamtools.demo.desk import Desk

PAUSE_S = 0.3

MIN_DURING_FLOODS = 10
"""Inserts under a flood that say anything about floods."""


@dataclass(frozen=True)
class HonestInsert:
    """One card in: from the reader's event to the first whole frame, in CLOCK_MONOTONIC seconds."""

    began: float
    ended: float

    @property
    def took_ms(self) -> float:
        """What the person has waited."""
        return (self.ended - self.began) * 1000


@dataclass
class HonestWork:
    """The inserts, what went wrong, and when floods began and ended meanwhile."""

    inserts: list[HonestInsert] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    floods: list[tuple[float, float]] = field(default_factory=list)

    @property
    def during_floods(self) -> list[HonestInsert]:
        """Those that a flood fell on, if only in part."""
        return [
            each
            for each in self.inserts
            if any(began < each.ended and each.began < ended for began, ended in self.floods)
        ]

    @property
    def whole_p95_ms(self) -> float:
        """Over all inserts."""
        return p95_ms(self.inserts)

    @property
    def flood_p95_ms(self) -> float:
        """Over those during floods; infinite if these are too few to say anything."""
        during = self.during_floods
        return p95_ms(during) if len(during) >= MIN_DURING_FLOODS else float("inf")

    @property
    def p95_ms(self) -> float:
        """The worse of both; without any flood that of all inserts."""
        return max(self.whole_p95_ms, self.flood_p95_ms if self.floods else 0.0)


def p95_ms(inserts: Sequence[HonestInsert]) -> float:
    """Nearest-rank percentile; infinite without any insert."""
    if not inserts:
        return float("inf")
    ordered = sorted(each.took_ms for each in inserts)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


class HonestPerson:
    """Works at a desk in a thread from `start` to `stop`."""

    def __init__(self, desk: Desk, card: str) -> None:
        self._desk = desk
        self._card = card
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="honest")
        self.work = HonestWork()

    def start(self) -> None:
        """Go to work."""
        self._thread.start()

    def stop(self) -> HonestWork:
        """Go home; gives what the day was like."""
        self._stop.set()
        self._thread.join()
        return self.work

    @contextmanager
    def under_flood(self) -> Iterator[None]:
        """A flood is on while the block runs."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.work.floods.append((began, time.monotonic()))

    def _work(self) -> None:
        while not self._stop.wait(PAUSE_S):
            try:
                self._round()
            except (OSError, RuntimeError) as error:
                self.work.troubles.append(str(error))

    def _round(self) -> None:
        lab, name = self._desk.lab, self._desk.name
        with lab.trace(name) as trace:
            lab.insert(name, "", piv=self._card)
            came = trace.wait("card", 20, kind="CardPresented")
            frame = trace.wait("first_frame", 20)
            self.work.inserts.append(HonestInsert(came["at"], frame["at"]))
            lab.remove(name)
            trace.wait("blank", 20)
