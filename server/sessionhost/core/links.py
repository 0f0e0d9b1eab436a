"""One DTU's control connection as the server sees it. What an insert leads to is not here."""

from dataclasses import dataclass

from roamwire.addresses import Address
from roamwire.control import Cause, Hello
from roamwire.tickets import RedirectTicket
from roamwire.tokens import Token
from sessionhost.core.registration import Registration
from sessionhost.core.timing import HELLO_S, LINK_SILENT_S, PENDING_ROUNDS

MAX_LINKS = 2000
"""DTUs on one server; more would not find a session either (see `sessions.MAX_SESSIONS`)."""

MAX_LINKS_OF_DTU = 4
"""A terminal has one; after a cut its next one may come before the last is given up."""

MAX_BAD_LINES = 16
"""A DTU whose TLS is right and whose lines are wrong is of another version: it is let go."""


@dataclass
class Inserting:
    """A token at a DTU on its way to a session; `seq` is the DTU's number of this card event."""

    seq: int
    token: Token
    cause: Cause
    lost: str = ""
    ticket: RedirectTicket | None = None
    registration: Registration | None = None
    qid: str = ""
    rounds_left: int = PENDING_ROUNDS
    ask_at: float | None = None

    @property
    def hops(self) -> int:
        """Redirections that lie behind this insert."""
        return 0 if self.ticket is None else self.ticket.hops


@dataclass
class Link:
    """A connected DTU: its name comes from its certificate, never from what it says."""

    link: int
    dtu: str
    address: Address
    opened: float
    last_heard: float
    hello: Hello | None = None
    inserting: Inserting | None = None
    session: str = ""
    epoch: int = 0
    seq: int = 0
    bad_lines: int = 0

    @property
    def ask_at(self) -> float | None:
        """When its insert is to ask the other servers (again)."""
        return self.inserting.ask_at if self.inserting else None

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
