"""Session manager: which sessions live here, whose, shown at which DTU. Starts nothing.

An attachment has an epoch, rising per session; the display gateway obeys only the newest. What a
detach or a late message says about an older epoch is ignored.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from roamwire.datagrams import Claim
from roamwire.tokens import Token
from sessionhost.core.registration import Owner

MAX_SESSIONS = 256
"""Sessions on one host; each is an X server and a desktop of about 100 MB."""


@dataclass(frozen=True)
class Attachment:
    """A session shown at a DTU: `link` is our number of the DTU's connection."""

    link: int
    dtu: str
    epoch: int


@dataclass
class Session:
    """One session; `last_connected` is our monotonic clock in seconds, `rfb_socket` "" at first.

    `last_dtu` has shown it last, for the card whose block key is `last_card`, which may be another
    one than `token`. `ending`: its end is ordered.
    """

    session: str
    token: Token
    user: str
    recipe: str
    last_connected: float
    epoch: int = 0
    rfb_socket: str = ""
    attachment: Attachment | None = None
    start_by: float | None = None
    last_dtu: str = ""
    last_card: str = ""
    ending: bool = False

    @property
    def owner(self) -> Owner:
        """Whose it is: nobody else's token ever opens it."""
        return Owner(self.token, self.user)

    @property
    def running(self) -> bool:
        """Whether its X server has answered."""
        return self.rfb_socket != ""


class SessionManager:
    """The session table of this host."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sessions: dict[str, Session] = {}
        self._by_owner: dict[Owner, dict[str, Session]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def get(self, session: str) -> Session | None:
        """The session of that name."""
        return self._sessions.get(session)

    def for_owner(self, owner: Owner) -> list[Session]:
        """That owner's sessions here, the most recently connected first."""
        found = self._by_owner.get(owner, {}).values()
        return sorted(found, key=lambda each: (-each.last_connected, -each.epoch, each.session))

    def shown_for(self, token: Token) -> list[Session]:
        """The token's sessions that are on a screen, whoever's they are."""
        every = self._sessions.values()
        return [each for each in every if each.token == token and each.attachment is not None]

    def owners(self) -> list[Owner]:
        """Who has a session here."""
        return list(self._by_owner)

    def create(
        self, owner: Owner, recipe: str, now: float, start_by: float | None
    ) -> Session | None:
        """A new session that is to be started; None if the host is full."""
        if len(self._sessions) >= MAX_SESSIONS:
            return None
        name = f"{self._rng.getrandbits(64):016x}"
        session = Session(name, owner.token, owner.user, recipe, now, start_by=start_by)
        self._add(session)
        return session

    def adopt(self, session: Session) -> None:
        """A session that was running before this daemon started."""
        if session.session not in self._sessions:
            self._add(session)

    def _add(self, session: Session) -> None:
        self._sessions[session.session] = session
        self._by_owner.setdefault(session.owner, {})[session.session] = session

    def ended(self, session: str) -> Session | None:
        """The session is gone; returns what it was."""
        gone = self._sessions.pop(session, None)
        if gone is not None:
            siblings = self._by_owner[gone.owner]
            del siblings[session]
            if not siblings:
                del self._by_owner[gone.owner]
        return gone

    def attach(self, session: Session, link: int, dtu: str, now: float) -> Attachment | None:
        """Show the session at a DTU from now on; returns the attachment that thereby ends."""
        before = session.attachment
        session.epoch += 1
        session.last_connected, session.last_dtu = now, dtu
        session.attachment = Attachment(link, dtu, session.epoch)
        return before

    def detach(self, session: Session, epoch: int, now: float) -> bool:
        """The attachment of that epoch has ended; False if a newer one is there."""
        if session.attachment is None or session.attachment.epoch != epoch:
            return False
        session.attachment = None
        session.last_connected = now
        return True

    def claims(self, owner: Owner, now: float) -> tuple[Claim, ...]:
        """What a tokenR says of the owner's sessions; an attached one has age 0."""
        return tuple(
            Claim(
                each.session,
                0 if each.attachment else max(0, int((now - each.last_connected) * 1000)),
                each.epoch,
                each.attachment is not None,
            )
            for each in self.for_owner(owner)
        )

    def next_start_deadline(self) -> float | None:
        """When the first session that is still starting has taken too long."""
        times = [each.start_by for each in self._sessions.values() if each.start_by is not None]
        return min(times, default=None)

    def overdue(self, now: float) -> list[Session]:
        """Sessions that have taken too long to start."""
        return [
            each
            for each in self._sessions.values()
            if each.start_by is not None and now >= each.start_by
        ]
