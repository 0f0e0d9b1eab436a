"""The simulated network: who hears whom, how late, how often. Knows neither hosts nor desks."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from roamtools.sim.clock import Clock

EVERYBODY = frozenset[str]()
"""As a side of a cut: any node at all."""

BASE_DELAY_S = 0.0002
SPREAD_S = 0.0012
"""One switch: a packet takes 0.2 to 1.4 ms."""

RETRANSMIT_S = 0.2
"""What a lost segment costs a stream (the kernel's smallest time-out)."""


@dataclass(frozen=True)
class Quality:
    """What happens to packets at a node beyond the usual: shares of 1, seconds."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Cut:
    """Packets from `sources` to `targets` vanish; an empty set means everybody."""

    sources: frozenset[str]
    targets: frozenset[str]

    def blocks(self, source: str, target: str) -> bool:
        """Whether this packet vanishes."""
        return (not self.sources or source in self.sources) and (
            not self.targets or target in self.targets
        )


class Network:
    """Delays and losses between named nodes; streams that wait for a path register here."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock = clock
        self.rng = rng
        self.random = rng.random
        self.calm = True
        self._cuts: list[Cut] = []
        self._poor: dict[str, Quality] = {}
        self._waiting: dict[Callable[[None], None], None] = {}

    # Faults

    def cut(self, sources: Iterable[str], targets: Iterable[str]) -> Cut:
        """Let packets vanish in one direction from now on."""
        cut = Cut(frozenset(sources), frozenset(targets))
        self._cuts.append(cut)
        self._changed()
        return cut

    def heal(self, cuts: Iterable[Cut]) -> None:
        """The cuts are over: what streams had to send comes through in a while."""
        for cut in cuts:
            self._cuts.remove(cut)
        waiting, self._waiting = self._waiting, {}
        for resume in waiting:
            self.clock.after(self.rng.uniform(0.05, 1.0), resume)
        self._changed()

    def spoil(self, nodes: Iterable[str], quality: Quality) -> None:
        """The links of these nodes are poor from now on."""
        for node in nodes:
            self._poor[node] = quality
        self._changed()

    def mend(self, nodes: Iterable[str]) -> None:
        """The links of these nodes are good again."""
        for node in nodes:
            self._poor.pop(node, None)
        self._changed()

    def _changed(self) -> None:
        self.calm = not self._cuts and not self._poor

    # Packets

    def passes(self, source: str, target: str) -> bool:
        """Whether a packet can get from one to the other at all."""
        return not any(cut.blocks(source, target) for cut in self._cuts)

    def good_between(self, a: str, b: str) -> bool:
        """Whether two nodes can talk, and lose nothing."""
        return a not in self._poor and b not in self._poor and self.both_ways(a, b)

    def both_ways(self, a: str, b: str) -> bool:
        """Whether two nodes can talk."""
        return not self._cuts or (self.passes(a, b) and self.passes(b, a))

    def delay(self) -> float:
        """Seconds of a packet's way on a good link."""
        return BASE_DELAY_S + SPREAD_S * self.random()

    def lost(self, source: str, target: str) -> bool:
        """Whether this one packet is lost on a poor link."""
        return any(
            self.random() < self._poor[node].loss for node in (source, target) if node in self._poor
        )

    def poor_delay(self, source: str, target: str) -> float:
        """Seconds of a packet's way, on poor links too; packets overtake each other thereby."""
        delay = self.delay()
        for node in (source, target):
            quality = self._poor.get(node)
            if quality is not None:
                delay += quality.delay_s + quality.jitter_s * self.random()
        return delay

    def stream_delay(self, source: str, target: str) -> float:
        """Seconds of a segment's way; a lost one is sent again, later and later."""
        delay = self.poor_delay(source, target)
        again = RETRANSMIT_S
        while self.lost(source, target) and again < 10:
            delay += again
            again *= 2
        return delay

    def datagram(
        self, source: str, target: str, arrive: Callable[[Any], None], packet: Any
    ) -> None:
        """Send a datagram: it may be lost, late, early or doubled."""
        if self.calm:
            self.clock.after(self.delay(), arrive, packet)
            return
        if not self.passes(source, target):
            return
        copies = 1
        for node in (source, target):
            quality = self._poor.get(node)
            if quality is not None and self.random() < quality.duplicates:
                copies += 1
        for _ in range(copies):
            if not self.lost(source, target):
                self.clock.after(self.poor_delay(source, target), arrive, packet)

    def wait(self, resume: Callable[[None], None]) -> None:
        """Call this some time after the next cut has healed."""
        self._waiting[resume] = None
