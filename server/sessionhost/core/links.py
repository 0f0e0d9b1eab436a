"""One DTU's control connection as the server sees it. What an insert leads to is not here."""

from dataclasses import dataclass, replace

from roamwire.addresses import Address
from roamwire.control import Cause, Hello, Question, Select
from roamwire.proof import Proof, Slot
from roamwire.tickets import RedirectTicket
from roamwire.tokens import Token
from sessionhost.core.cards import CardFacts
from sessionhost.core.judgement import Admit
from sessionhost.core.reasons import Reason
from sessionhost.core.registration import Owner, Registration
from sessionhost.core.timing import HELLO_S, LINK_SILENT_S, PENDING_ROUNDS

MAX_LINKS = 2000
"""DTUs on one server; more would not find a session either (see `sessions.MAX_SESSIONS`)."""

MAX_LINKS_OF_DTU = 4
"""A terminal has one; after a cut its next one may come before the last is given up."""

MAX_BAD_LINES = 16
"""A DTU whose TLS is right and whose lines are wrong is of another version: it is let go."""


@dataclass(frozen=True)
class Challenged:
    """The card is to sign `data`; `verifying`: it has, and its signature is being looked at."""

    slot: Slot
    data: str
    until: float
    verifying: bool = False

    @property
    def overdue(self) -> Reason:
        """What it is when the time is over."""
        return Reason.PROOF_LATE if self.slot is Slot.CARD else Reason.PIN_CANCELLED


@dataclass(frozen=True)
class Asked:
    """The person is to answer; `checking` numbers the password that PAM is looking at, 0: none."""

    question: Question
    user: str
    tries: int
    until: float
    checking: int = 0

    @property
    def overdue(self) -> Reason:
        """What it is when the time is over."""
        return Reason.PASSWORDS_DOWN if self.checking else Reason.PASSWORD_LATE


@dataclass(frozen=True)
class Registering:
    """The registry is writing down whose token it is."""

    until: float
    user: str
    person_key: str = ""

    @property
    def overdue(self) -> Reason:
        """What it is when the time is over."""
        return Reason.REGISTRY_DOWN


@dataclass
class Inserting:
    """A token at a DTU on its way to a session; `seq` is the DTU's number of this card event.

    `registration` is what the registry said. What has been proven is in `proofs`, with the facts
    of the card's certificates beside it; `vouched` is the user that a password or a ticket named.
    `admitted` is set when nothing more is to be proven before the other servers are asked. For
    `wait_s` nothing that this person types is tried.
    """

    seq: int
    token: Token
    cause: Cause
    lost: str = ""
    ticket_text: str = ""
    ticket: RedirectTicket | None = None
    registration: Registration | None = None
    registry_failed: bool = False
    reader: bool = False
    proofs: frozenset[Proof] = frozenset()
    card: CardFacts | None = None
    person: CardFacts | None = None
    vouched: str = ""
    admitted: Admit | None = None
    waiting: Challenged | Asked | Registering | None = None
    wait_s: float = 0.0
    qid: str = ""
    rounds_left: int = PENDING_ROUNDS
    ask_at: float | None = None

    @property
    def hops(self) -> int:
        """Redirections that lie behind this insert."""
        return 0 if self.ticket is None else self.ticket.hops

    @property
    def owner(self) -> Owner:
        """Whose sessions it may have."""
        token = self.token if self.admitted is None else self.admitted.owner
        return Owner(token, self.user)

    @property
    def deciding(self) -> bool:
        """Whether it is proven, and on its way to a session."""
        return self.admitted is not None and self.waiting is None

    @property
    def signed(self) -> Token | None:
        """The token, if it is a card that has signed and whose user is known by it."""
        return self.token if self.admitted is not None and Proof.CARD in self.proofs else None

    @property
    def user(self) -> str:
        """Whose token it is, as far as is known; "" if not at all."""
        if self.admitted is not None:
            return self.admitted.registration.user
        return self.registration.user if self.registration is not None else self.vouched

    @property
    def whose(self) -> str:
        """Of whom, and by what proof, for the log; never the token's number."""
        user = self.user or "unknown"
        return f", user {user!r:.80}, {self.token.kind} token, proven {self.proven}"

    @property
    def proven(self) -> str:
        """What has been proven, for the log."""
        return "+".join(sorted(proof.value for proof in self.proofs)) or "nothing"


@dataclass
class Link:
    """A connected DTU: its name comes from its certificate, never from what it says.

    `shown_for` is the insert that led to the session that it shows, `choice` what was chosen in
    the menu while the registry is asked whose the token is now.
    """

    link: int
    dtu: str
    address: Address
    opened: float
    last_heard: float
    hello: Hello | None = None
    inserting: Inserting | None = None
    shown_for: Inserting | None = None
    choice: Select | None = None
    session: str = ""
    epoch: int = 0
    seq: int = 0
    bad_lines: int = 0

    @property
    def due_at(self) -> float | None:
        """When its insert is to ask the other servers (again), or has waited too long."""
        if self.inserting is None:
            return None
        waiting = self.inserting.waiting
        return self.inserting.ask_at if waiting is None else waiting.until

    def once_more(self, shown_for: Inserting) -> Inserting:
        """The insert that led to what the link shows, for another session of its owner."""
        return replace(shown_for, seq=self.seq, cause=Cause.INSERT, lost="", ticket=None)

    def overdue(self, now: float) -> str:
        """Why the connection is to be closed; "" if it is in order."""
        if now - self.last_heard > LINK_SILENT_S:
            return f"silent for {LINK_SILENT_S} s"
        if self.hello is None and now - self.opened > HELLO_S:
            return "did not say hello"
        return ""

    @property
    def size(self) -> tuple[int, int]:
        """The DTU's screen in pixels, (0, 0) if it did not say."""
        return (self.hello.width, self.hello.height) if self.hello else (0, 0)
