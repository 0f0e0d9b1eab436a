"""The people: cards that go in and out of desks, sometimes faster than anything can follow."""

import math
import random
from typing import TYPE_CHECKING

from dtu.core import catalogue
from roamtools.sim.cards import SimCard
from roamtools.sim.plan import Plan
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token
from sessionhost.core.registration import Registration

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.world import World

CLONED = 0.03
"""Share of card numbers of which two cards exist: a card number can be copied."""

SWAPPED = 0.05
"""Share of cards that another one follows at once in the same reader."""

UNKNOWN = 0.04
"""Share of cards that the registry does not know, or has disabled."""

REACTION_S = 3.0
"""After "signed off" or "did not start" a person pulls the card and puts it in again."""

AGAIN = frozenset(
    {catalogue.ENDED.code, 33, 34, 35, int(NoticeCode.TOKEN_LOST), int(NoticeCode.TOO_MANY_TRIES)}
)

WITH_KEY = 3
"""Every third card proves itself; of these nobody has a copy, but some claim to."""


class Card:
    """One card and the person who carries it; `wrong`: it was the other one that they wanted."""

    def __init__(self, chip: SimCard) -> None:
        self.chip = chip
        self.token = chip.token
        self.desk: DeskNode | None = None
        self.wrong = False


class People:
    """Everybody with a card; one card is in one desk at a time."""

    def __init__(self, world: "World", plan: Plan, rng: random.Random) -> None:
        self._world = world
        self._plan = plan
        self._rng = rng
        self._still = False
        self.cards: list[Card] = []
        self.cloned: set[Token] = set()
        for number in range(max(2, int(plan.dtus * plan.cards_per_desk))):
            with_key = number % WITH_KEY == 0
            chip = SimCard(Token("uid", f"{number:08x}"))
            chip = SimCard.with_key(number) if with_key else chip
            token = chip.token
            self.cards.append(Card(chip))
            lot = rng.random()
            if lot < UNKNOWN:
                if lot < UNKNOWN / 2:
                    world.registry[token] = Registration(f"u{number}", enabled=False)
                continue
            world.registry[token] = Registration(f"u{number}", enabled=True)
            if rng.random() < CLONED or number in (plan.dtus // 4, plan.dtus // 4 + 1):
                if with_key:
                    self.cards.append(Card(SimCard.with_key(number, forged=True)))
                else:
                    self.cloned.add(token)
                    self.cards.append(Card(chip))

    def start(self) -> None:
        """Everybody comes to work."""
        clock = self._world.clock
        for card in self.cards:
            clock.after(self._rng.uniform(0.5, self._plan.walk_s * 2), self._arrive, card)
        clock.after(REACTION_S, self._react)
        clock.after(20.0, self._sign_off)

    def be_still(self) -> None:
        """Nobody moves any more, but those who are told to try again do."""
        self._still = True

    def try_again(self, desk: "DeskNode") -> bool:
        """Whether the desk says something after which a person puts the card in again."""
        given = desk.card is not None and self._world.clerk.just_given(desk.card)
        return desk.words in AGAIN or (desk.words == NoticeCode.NOT_REGISTERED and given)

    def twins(self) -> "list[tuple[Card, Card]]":
        """Pairs of cards with the same number, neither of them lost."""
        found: list[tuple[Card, Card]] = []
        for token in sorted(self.cloned - self._world.warden.lost, key=str):
            one, two = (card for card in self.cards if card.token == token)
            found.append((one, two))
        return found

    def carry(self, card: Card, desk: "DeskNode") -> None:
        """Take a card out of wherever it is, into that desk, for a while."""
        if card.desk is not None:
            card.desk.remove()
        card.desk = desk
        desk.insert(card.chip)
        self._world.clock.after(self._rng.uniform(20.0, 60.0), self._leave, card)

    def _free_desk(self) -> "DeskNode | None":
        for _ in range(6):
            desk = self._rng.choice(self._world.desks)
            if desk.card is None:
                return desk
        return None

    def _arrive(self, card: Card) -> None:
        if self._still or card.desk is not None:
            return
        desk = self._free_desk()
        if desk is None:
            self._world.clock.after(self._plan.walk_s, self._arrive, card)
            return
        if self._rng.random() < 0.02:
            desk.misread(self._rng.choice(["pulled", "mute", "foreign"]))
        self._put(card, desk)

    def _put(self, card: Card, desk: "DeskNode") -> None:
        card.desk = desk
        desk.insert(card.chip)
        lot = self._rng.random()
        if lot < self._plan.bounces:
            stay = self._instant()
            card.wrong = self._rng.random() < 0.5
        elif lot < self._plan.bounces + 0.1:
            stay = self._rng.uniform(0.3, 3.0)
        else:
            stay = self._rng.expovariate(1 / self._plan.stay_s) + 2
        self._world.clock.after(stay, self._leave, card)

    def _instant(self) -> float:
        """Half a millisecond to half a second, as often short as long: into every gap."""
        return 0.0005 * math.exp(self._rng.uniform(0, math.log(1000)))

    def _leave(self, card: Card) -> None:
        desk = card.desk
        if desk is None or self._still:
            return
        desk.remove()
        card.desk = None
        clock, lot = self._world.clock, self._rng.random()
        if card.wrong or self._rng.random() < SWAPPED:
            card.wrong = False
            other = self._rng.choice(self.cards)
            clock.after(self._instant(), self._again, (other, desk))
        if lot < 0.12:
            clock.after(self._instant(), self._again, (card, desk))
        elif lot < 0.3:
            clock.after(self._rng.uniform(0.02, 1.0), self._arrive, card)
        else:
            clock.after(self._rng.expovariate(1 / self._plan.walk_s), self._arrive, card)

    def _again(self, pair: "tuple[Card, DeskNode]") -> None:
        card, desk = pair
        if desk.card is None and card.desk is None and not self._still:
            self._put(card, desk)

    def _react(self, _: None) -> None:
        for card in self.cards:
            desk = card.desk
            again = desk is not None and self.try_again(desk)
            if desk is not None and again and card.token in self._world.registry:
                desk.remove()
                desk.insert(card.chip)
        self._world.clock.after(REACTION_S, self._react)

    def _sign_off(self, _: None) -> None:
        """Somebody ends their session from its menu."""
        if self._still:
            return
        jobs = [
            (host, job)
            for host in self._world.hosts
            for job in host.launcher.jobs.values()
            if job.ready
        ]
        if jobs:
            host, job = self._rng.choice(jobs)
            self._world.note("people", f"{job.user} signs off on {host.name}")
            host.launcher.end(job.session, DisconnectReason.ENDED)
        self._world.clock.after(self._rng.uniform(5, 25), self._sign_off)
