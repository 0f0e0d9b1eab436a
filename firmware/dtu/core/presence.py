"""The card that is in, and what the terminal asks a server for it. Sends nothing by itself."""

import random

from dtu.core import timing
from dtu.core.events import (
    CardEvent,
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.core.piv.results import PivCard
from roamwire.control import Cause, Insert
from roamwire.tokens import Token


class Presence:
    """A token at this terminal; `seq` counts card events and comes back in a server's answers.

    `asked`: an insert is on its way and its answer is not here yet. `locked`: what the card is
    called that is still in, but counts as out until a reader sees it go; empty without one.
    """

    def __init__(self, rng: random.Random) -> None:
        self.token: Token | None = None
        self.reader = ""
        self.piv: PivCard | None = None
        self.insertion = 0
        self.seq = 0
        self.ticket = ""
        self.lost = ""
        self.insert_at: float | None = None
        self.held_until: float | None = None
        self.asked = False
        self._unanswered = 0
        self.locked: frozenset[Token] = frozenset()
        self._locked_in = ""
        self._names: frozenset[Token] = frozenset()
        self._rng = rng
        self._cause = Cause.INSERT
        self._pause_s = timing.DISPLAY_RETRY_S

    @property
    def waits_for_nothing(self) -> bool:
        """A card is in and no insert is on its way.

        With one on its way the gateway closes the old epoch a moment before the answer is here.
        """
        return self.token is not None and not self.asked

    def is_beside(self, event: CardEvent) -> bool:
        """Whether the event is about another reader than the one that holds our card.

        A card that is put into a second reader is not beside: the newest card counts. For who has
        signed in without a card everything else is beside.
        """
        if isinstance(event, CardPresented):
            return False
        if self.token is None:
            if not self.locked or not isinstance(event, CardRemoved | CardUnreadable):
                return False
            return event.reader != self._locked_in
        if self.signed_in:
            return True
        if isinstance(event, ReaderMissing):
            return False
        return event.reader != self.reader or isinstance(event, ReaderReady)

    def lock(self) -> None:
        """The card that is in counts as out from now on."""
        self.locked, self._locked_in = self._names, self.reader

    def keeps_locked(self, event: CardEvent) -> bool:
        """Whether the event brings a locked card that no reader has seen go; others may unlock it.

        A service that began anew tells of every card that is in, and may call the reader otherwise;
        a card that proves itself may be read by its number only.
        """
        if isinstance(event, CardPresented) and self.locked & _names(event):
            self._locked_in = event.reader
            return True
        if not isinstance(event, CardPresented | CardRemoved) or event.reader != self._locked_in:
            return False
        if isinstance(event, CardPresented) or event.seen:
            self.locked = frozenset()
        return False

    @property
    def signed_in(self) -> bool:
        """Whether the token is this terminal's own, for a person without a card."""
        return self.token is not None and self.token.kind == "pseudo"

    def arrives(self, card: CardPresented) -> None:
        """A card is in: a new event, an ordinary insert."""
        self.token, self.reader = card.token, card.reader
        self.piv, self.insertion, self._names = card.piv, card.insertion, _names(card)
        self.seq += 1
        self.held_until = None
        self._cause, self.ticket, self.lost = Cause.INSERT, "", ""

    def leaves(self) -> None:
        """The card is out."""
        self.token = self.piv = self.held_until = None
        self.seq += 1
        self.answered()

    def redirected(self, ticket: str) -> None:
        """The next insert shows this ticket."""
        self._cause, self.ticket = Cause.REDIRECT, ticket

    def failed_over(self, lost: str) -> None:
        """The next insert names the server that was lost, or none ("") if it only restarted."""
        self._cause, self.ticket, self.lost = Cause.FAILOVER, "", lost
        self.answered()

    def insert(self, now: float) -> Insert | None:
        """The insert to send now; None without a card.

        A ticket is good once; what is asked again is an ordinary insert.
        """
        if self.token is None:
            return None
        line = Insert(self.token, self._cause, self.seq, self.ticket, self.lost)
        self._cause, self.ticket = Cause.INSERT, ""
        self.insert_at = now + timing.INSERT_ANSWER_S
        self.asked = True
        return line

    def asks(self, now: float, wait_s: float = timing.INSERT_ANSWER_S) -> None:
        """The server was asked for something else; without an answer an insert follows."""
        self.insert_at = now + wait_s
        self.asked = True

    def answered(self) -> None:
        """The server has answered the insert."""
        self.insert_at = None
        self.asked = False
        self._unanswered = 0

    def due(self) -> int:
        """`insert_at` is here; how many requests in a row the server has left without an answer."""
        self.insert_at = None
        self._unanswered += self.asked
        return self._unanswered

    def insert_later(self, now: float) -> None:
        """Ask again soon, and slower each time until a picture came."""
        self.asked = False
        self.insert_at = now + self._pause_s * self._rng.uniform(0.7, 1.3)
        self._pause_s = min(2 * self._pause_s, timing.MAX_DISPLAY_RETRY_S)

    def has_picture(self) -> None:
        """The session is on the screen."""
        self._pause_s = timing.DISPLAY_RETRY_S


def _names(card: CardPresented) -> frozenset[Token]:
    return frozenset(token for token in (card.token, card.uid) if token is not None)
