"""Desks that read cards for the administrator: the tokens seen there, and cards to be enrolled.

An insert at such a desk opens nothing. Which desks these are, the registry says.
"""

from collections import deque
from dataclasses import dataclass

from roamwire.tokens import Token
from sessionhost.core.timing import ENROL_S

MAX_SEEN = 100
"""Tokens that are remembered: a morning of registering cards."""

MAX_ORDERS = 16
"""Administrators who wait for a card at the same time."""


@dataclass(frozen=True)
class Seen:
    """A token that was put in at a reader desk; `proven` if it is one that signs and did.

    `subject` is what its certificate says, for people to read; `at` is our monotonic clock.
    """

    token: Token
    dtu: str
    proven: bool
    subject: str
    at: float


@dataclass
class Enrolment:
    """The next card at that desk is to be the user's; `outcome` is for the administrator's wait."""

    dtu: str
    user: str
    label: str
    pin: bool
    until: float = 0.0
    token: str = ""
    outcome: str = ""


class ReaderDesks:
    """Bounded notes; the newest orders and tokens count."""

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque(maxlen=MAX_SEEN)
        self._orders: dict[str, Enrolment] = {}

    def order(self, enrolment: Enrolment, now: float) -> bool:
        """An administrator waits for a card at a desk; False if too many do."""
        for dtu in [each for each, order in self._orders.items() if now >= order.until]:
            del self._orders[dtu]
        if len(self._orders) >= MAX_ORDERS and enrolment.dtu not in self._orders:
            return False
        enrolment.until = now + ENROL_S
        self._orders[enrolment.dtu] = enrolment
        return True

    def cancel(self, dtu: str) -> None:
        """Nobody waits there any more."""
        self._orders.pop(dtu, None)

    def wanted(self, dtu: str, now: float) -> Enrolment | None:
        """The order that the next card at that desk fulfils."""
        found = self._orders.get(dtu)
        return found if found and not found.outcome and now < found.until else None

    def outcome(self, dtu: str, now: float) -> Enrolment | None:
        """The order at that desk as it stands; None if there is none, or its time is over."""
        found = self._orders.get(dtu)
        return found if found and (found.outcome or now < found.until) else None
