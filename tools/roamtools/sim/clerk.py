"""The clerk: registers cards for other people than before, while they are in use.

A session is its user's: what a desk shows of a card is that user's to whom the card belonged when
it was put in, or later. Looked at in `checks`.
"""

import random
from typing import TYPE_CHECKING

from roamtools.sim.plan import Plan
from roamwire.tokens import Token
from sessionhost.core.registration import Registration
from sessionhost.core.timing import NONCE_S

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.world import World

REACHES_DESKS_S = NONCE_S + 5.0
"""So long after it a desk may be told that a card is somebody else's at the server before."""


class Clerk:
    """`given`: when a card was last given to somebody else."""

    def __init__(self, world: "World", plan: Plan, rng: random.Random) -> None:
        self._world = world
        self._plan = plan
        self._rng = rng
        self._over = False
        self._number = 0
        self._had: dict[Token, list[Registration]] = {}
        self.given: dict[Token, float] = {}

    def start(self) -> None:
        """The first card changes hands when everybody is at work."""
        self._world.clock.after(self._rng.uniform(*self._plan.calm_s), self._give)

    def finish(self) -> None:
        """Every card stays whose it is."""
        self._over = True

    def _give(self, _: None) -> None:
        if self._over:
            return
        world = self._world
        cards = [card for card in world.people.cards if self._enabled(card.token)]
        if cards:
            token = self._rng.choice(cards).token
            self._number += 1
            self._had.setdefault(token, []).append(world.registry[token])
            self.given[token] = world.clock.now
            world.registry[token] = Registration(f"v{self._number}", enabled=True)
            world.checks.counts["given"] += 1
            world.note("clerk", f"{token} is v{self._number}'s now")
        world.clock.after(self._rng.uniform(2.0, 10.0), self._give)

    def _enabled(self, token: Token) -> bool:
        registered = self._world.registry.get(token)
        return registered is not None and registered.enabled

    def registrations(self, token: Token) -> list[Registration]:
        """What the registry says of the card, and has said before."""
        now = self._world.registry.get(token)
        return [*self._had.get(token, ()), *([now] if now is not None else ())]

    def may_show(self, desk: "DeskNode", user: str) -> bool:
        """Whether a session of that user may be seen by the card that is in there."""
        token = desk.card
        if token is None:
            return False
        if self.given.get(token, float("-inf")) < desk.card_at:
            return user == self._world.registry[token].user
        return user in (each.user for each in self.registrations(token))

    def just_given(self, token: Token) -> bool:
        """Whether a server may have sent the card on for the user of a moment ago."""
        return self._world.clock.now - self.given.get(token, float("-inf")) < REACHES_DESKS_S
