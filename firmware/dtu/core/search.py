"""When the next server is tried, and with which network: finder, network and clock together.

The states and what a found server leads to are in `terminal`.
"""

import random

from dtu.core import timing
from dtu.core.actions import Broadcast, Lookup
from dtu.core.finder import Finder
from dtu.core.lookups import Answer
from dtu.core.network import AddressEvent, Network
from dtu.core.refusals import Refusals
from roamwire.control import Server


class Search:
    """`at` is the time of the next step, None if there is none; `home` the last server that had us.

    Finding none at all says that the network is to blame; `fruitless` tells it after each round.
    """

    def __init__(self, finder: Finder, rng: random.Random) -> None:
        self.network = Network()
        self.refusals = Refusals()
        self.at: float | None = None
        self.home: Server | None = None
        self.fruitless = False
        self._finder = finder
        self._rng = rng

    def address(self, event: AddressEvent, server: Server | None) -> tuple[bool, bool]:
        """Addresses came or went: is there anything new, and is a connection to `server` dead?"""
        self.network.take(event)
        news = self._finder.told(self.network.hints)
        return news, server is not None and self.network.has_moved(server.address)

    def again(self, now: float) -> None:
        """The network is another than it was: a new search, and our last server is the first."""
        self.refusals.clear()
        self._finder.reached()
        self._finder.begin(first=self.home)
        self.at = now

    def lost(self, server: Server | None, now: float) -> str:
        """That server does not answer; its name, or "" if it may be our own link that is dead.

        With the link our session is where it was; the next server is to ask the lost one for it.
        """
        self.at = now + self._rng.uniform(0, timing.FAILOVER_JITTER_S)
        if not self.network.works:
            self._finder.begin(first=self.home)
            return ""
        self._finder.begin(lost=server)
        return server.host if server else ""

    def found(self, server: Server) -> None:
        """A server has us."""
        self.home = server
        self.refusals.clear()
        self._finder.reached()

    def remember(self, servers: tuple[Server, ...]) -> bool:
        """The group's servers; True if that is anything new."""
        return self._finder.remember(servers)

    def answered(self, data: bytes, now: float | None) -> None:
        """A serverR, while we seek or (`now` None) later; RemoteProtocolError if it is none."""
        self._finder.answered(data)
        if now is not None:
            soon = now + timing.SERVER_ANSWERS_S
            self.at = soon if self.at is None else min(self.at, soon)

    def looked_up(self, number: int, answer: Answer, now: float | None) -> None:
        """What became of a look-up, while we seek or (`now` None) later."""
        if self._finder.found(number, answer) and now is not None:
            self.at = now

    def next(self, now: float) -> Server | Lookup | Broadcast:
        """The next candidate, or what to ask; then `at` says how long to wait for answers."""
        step = self._finder.next(now)
        if isinstance(step, Server):
            self.fruitless = False
            return step
        self.at = step.until
        self.fruitless = isinstance(step.action, Broadcast)
        if self.fruitless:
            self.refusals.round_over()
        return step.action
