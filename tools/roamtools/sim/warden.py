"""The administrator: reports cards lost, revokes terminals, and checks that all servers hear it.

A server that can be reached knows of it within two seconds. One that knows shows nothing of it:
that is looked at after every step (`checks`).
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from roamtools.sim.plan import BLOCKED_EVERYWHERE_S, Plan
from roamwire.blocks import dtu_key, token_key
from roamwire.tokens import Token

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.hosts import HostNode
    from roamtools.sim.world import World

TICK_S = 0.25
BLOCKED_S = (4.0, 40.0)
"""How long a card stays lost, a terminal revoked."""


class Warden:
    """Blocks of one seed; `lost` and `revoked` hold until the moment when they are taken back."""

    def __init__(self, world: "World", plan: Plan, rng: random.Random) -> None:
        self._world = world
        self._plan = plan
        self._rng = rng
        self.lost: set[Token] = set()
        self.revoked: set[str] = set()
        self._over = False
        self._wanted: dict[str, bool] = {}
        self._reachable_since: dict[tuple[str, str], float] = {}

    def start(self) -> None:
        """The first card is lost when everybody is at work."""
        self._world.clock.after(self._rng.uniform(*self._plan.calm_s), self._lose)
        self._world.clock.after(self._rng.uniform(*self._plan.calm_s) * 2, self._revoke)
        self._world.clock.after(TICK_S, self._tick)

    def finish(self) -> None:
        """Nothing new is reported; half of what is blocked stays so to the end."""
        self._over = True
        for token in sorted(self.lost, key=str)[::2]:
            self._find(token)
        for name in sorted(self.revoked)[::2]:
            self._restore(self._world.desks_by_name[name])

    def _by(self, key: str = "", *, blocked: bool = False) -> "HostNode | None":
        """A server that runs, and takes that key for blocked, or for free: what is said at a server
        that has not heard the word before ("lost", "found") is no later word than that."""
        up = [
            host
            for host in self._world.hosts
            if host.core is not None
            and (not key or host.core.group.blocks.is_blocked(key) == blocked)
        ]
        return self._rng.choice(up) if up else None

    def _block(self, key: str, host: "HostNode", *, blocked: bool) -> None:
        self._wanted[key] = blocked
        for other in self._world.hosts:
            self._reachable_since.pop((other.name, key), None)
        host.block(key, blocked=blocked)

    # Cards

    def _lose(self, _: None) -> None:
        if self._over:
            return
        cards = [card for card in self._world.people.cards if card.token not in self.lost]
        shown = [card for card in cards if card.desk is not None and card.desk.live is not None]
        card = self._rng.choice(shown or cards) if cards else None
        host = self._by(token_key(card.token)) if card is not None else None
        if host is not None and card is not None:
            self._world.note("warden", f"{card.token} is reported lost at {host.name}")
            self._world.checks.counts["lost"] += 1
            self.lost.add(card.token)
            self._block(token_key(card.token), host, blocked=True)
            self._world.clock.after(
                self._rng.uniform(*BLOCKED_S), self._unless_over, (self._find, card.token)
            )
        self._world.clock.after(self._rng.uniform(5.0, 30.0), self._lose)

    def _unless_over(self, what: tuple[Callable[[Any], None], Any]) -> None:
        if not self._over:
            what[0](what[1])

    def _find(self, token: Token) -> None:
        host = self._by(token_key(token), blocked=True)
        if host is None or token not in self.lost:
            return
        self._world.note("warden", f"{token} is found at {host.name}")
        self.lost.discard(token)
        self._block(token_key(token), host, blocked=False)

    # Terminals

    def _revoke(self, _: None) -> None:
        if self._over:
            return
        desk = self._rng.choice(self._world.desks)
        host = self._by(dtu_key(desk.name))
        if host is not None and desk.name not in self.revoked:
            self._world.note("warden", f"{desk.name} is revoked at {host.name}")
            self._world.checks.counts["revoked"] += 1
            self.revoked.add(desk.name)
            self._block(dtu_key(desk.name), host, blocked=True)
            self._world.clock.after(
                self._rng.uniform(*BLOCKED_S), self._unless_over, (self._restore, desk)
            )
        self._world.clock.after(self._rng.uniform(20.0, 60.0), self._revoke)

    def _restore(self, desk: "DeskNode") -> None:
        host = self._by(dtu_key(desk.name), blocked=True)
        if host is None or desk.name not in self.revoked:
            return
        self.revoked.discard(desk.name)
        self._world.disturbed(f"{desk.name} is restored at {host.name}")
        self._block(dtu_key(desk.name), host, blocked=False)

    def owes_nothing(self, desk: "DeskNode") -> bool:
        """Whether this desk, or the card in it, gets no session."""
        return desk.name in self.revoked or desk.card in self.lost

    # Whether it is everywhere

    def _tick(self, _: None) -> None:
        for key, blocked in self._wanted.items():
            knowing = [host for host in self._world.hosts if self._knows(host, key, blocked)]
            for host in self._world.hosts:
                self._look(host, key, knowing)
        self._world.clock.after(TICK_S, self._tick)

    def _knows(self, host: "HostNode", key: str, blocked: bool) -> bool:
        return host.core is not None and (host.core.group.blocks.is_blocked(key) == blocked)

    def _look(self, host: "HostNode", key: str, knowing: "list[HostNode]") -> None:
        now, net = self._world.clock.now, self._world.net
        missing = host.up and host not in knowing
        open_to = any(net.good_between(host.name, other.name) for other in knowing)
        if not (missing and open_to):
            self._reachable_since.pop((host.name, key), None)
            return
        since = self._reachable_since.setdefault((host.name, key), now)
        if now - since > BLOCKED_EVERYWHERE_S:
            self._world.checks.fail(
                "blocked", f"{host.name} has not heard of a block for {now - since:.2f} s"
            )
