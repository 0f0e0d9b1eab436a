"""What a person asks of a terminal: in its menu, at its PIN pad, or signing in without a card.

Also what the programs around it have to say to that person.

Which sessions, servers and cards there are is `terminal`'s, of which this is a part.
"""

from abc import ABC, abstractmethod

from dtu.core import catalogue, timing
from dtu.core.events import CardPresented
from dtu.core.face import Face
from dtu.core.input.events import Key
from dtu.core.outbox import Outbox
from dtu.core.presence import Presence
from dtu.core.proving import Proving
from dtu.core.secret import ENTER, ESCAPE
from dtu.core.states import State
from dtu.core.update import Update
from dtu.core.words import Message
from roamwire import control
from roamwire.tokens import Token


class Wishes(ABC):
    """The part of a terminal that people talk to."""

    def __init__(self, name: str, card: Presence) -> None:
        self.state = State.NO_ADDRESS
        self.session = ""
        self._name = name
        self._card = card
        self._face = Face()
        self._out = Outbox()
        self._send, self._report = self._out.send, self._out.report
        self.proving = Proving(name, self._out, card, self._show)

    @abstractmethod
    def _card_in(self, event: CardPresented, now: float) -> None:
        """A card, or who signs in without one, is there."""

    @abstractmethod
    def _card_out(self) -> None:
        """The card is out, or to be treated so."""

    @abstractmethod
    def _show(self) -> None:
        """Say what is to be said now."""

    def enrolment(self, words: Message | None) -> None:
        """What stands between this terminal and a certificate that servers take; None: nothing."""
        self._face.unenrolled = words
        self._show()

    def update(self, update: Update) -> None:
        """The terminal's system is being updated, so far, or no more."""
        self._face.updating = catalogue.updating(update)
        self._show()

    # The menu

    def browse(self) -> None:
        """Ask for the sessions of the token: they come as `Offered`."""
        if self.session and self.state is State.CONNECTED:
            self._send(control.Browse(self._card.seq))

    def choose(self, session: str, now: float) -> None:
        """Show another session of the token, "" for one more."""
        if self.session not in ("", session) and self.state is State.CONNECTED:
            self._send(control.Select(self._card.seq, session))
            self._card.asks(now)

    def sign_off(self, now: float) -> None:
        """End the session and its programs."""
        if self.session and self.state is State.CONNECTED:
            self._report("signing off")
            self._send(control.SignOff(self._card.seq))
            self._card.asks(now)

    def lock(self) -> None:
        """As if the card were out; a reader has to see it go out before it counts again.

        The memory of that is this process's: one that was started anew takes a card that is in.
        """
        if self._card.signed_in:
            self.leave()
        elif self._card.token is not None:
            self._card.lock()
            self._card_out()
            self._face.problem = catalogue.LOCKED
            self._report("locked: the card has to go out and in again")
            self._show()

    # Somebody without a card

    @property
    def key_receiver(self) -> str:
        """What keys are for here, a name for each: a pad, a form, the wish to sign in; "" if none.

        Another name means that the person's keys have another meaning.
        """
        asked = f"proof {self.proving.asked}" if self.proving.takes_keys else ""
        return asked or ("sign in" if self._may_sign_in else "")

    @property
    def _may_sign_in(self) -> bool:
        idle = self._face.held is not None if self._card.signed_in else self._card.token is None
        return idle and self._face.login and self.state is State.CONNECTED

    def key(self, key: Key, now: float) -> None:
        """A key that is for the terminal itself, and not for its menu."""
        if key.down and key.keysym == ESCAPE and self._card.signed_in:
            self.leave()
        elif self.proving.takes_keys:
            self.proving.key(key, now)
        elif self._may_sign_in and key.down and key.keysym in ENTER:
            self._card_in(CardPresented(Token("pseudo", self._name), "", now), now)
        self._show()

    def leave(self) -> None:
        """Who has signed in without a card goes."""
        if self._card.signed_in:
            self._card_out()
        self._show()

    def _hold(self, words: Message, now: float) -> None:
        """Say why there is no session; to somebody without a card, who pulls none, for a while."""
        self._face.held = words
        if self._card.signed_in:
            self._card.held_until = now + timing.HELD_S
