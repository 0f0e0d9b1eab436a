"""A person chooses among their sessions of a token on all servers. Attaches nothing.

Browse and select are questions to the group like an insert's; what comes out is a list for the
terminal, or where the chosen session is. A person may look at the list for minutes, so that the
other servers are asked again when the choice is made: nonces for a redirect live for seconds.
"""

from dataclasses import dataclass

from roamwire.control import Offer, Sessions
from roamwire.limits import MAX_OFFERS
from sessionhost.core.actions import Outbox
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import TokenAnswered
from sessionhost.core.links import Link
from sessionhost.core.questions import Answer
from sessionhost.core.registration import Owner
from sessionhost.core.sessions import SessionManager

MAX_SESSIONS_PER_TOKEN = 4
"""On one server; each is a desktop of about 100 MB, and one person looks at one of them."""


@dataclass(frozen=True)
class Found:
    """The chosen session is on another server, which has just answered."""

    link: int
    session: str
    answer: Answer


@dataclass(frozen=True)
class _Asked:
    """A question under way; `session` is "" if it is for a list."""

    link: int
    seq: int
    owner: Owner
    session: str


class SessionChooser:
    """Questions of persons with a menu open; at most one a link."""

    def __init__(self, group: GroupManager, sessions: SessionManager, outbox: Outbox) -> None:
        self._group = group
        self._sessions = sessions
        self._outbox = outbox
        self._asked: dict[str, _Asked] = {}

    def browse(self, link: Link, owner: Owner, now: float) -> None:
        """Which sessions there are: the list goes to the terminal when the servers have spoken."""
        self._ask(link, owner, "", now)

    def seek(self, link: Link, owner: Owner, session: str, now: float) -> None:
        """Where that session is: ends in `Found`, or in a new list if nobody has it."""
        self._ask(link, owner, session, now)

    def _ask(self, link: Link, owner: Owner, session: str, now: float) -> None:
        self.forget(link)
        digest = self._group.secrets.owner_digest(owner.token, owner.user)
        qid = self._group.ask(digest, link.address, now)
        self._asked[qid] = _Asked(link.link, link.seq, owner, session)

    def forget(self, link: Link) -> None:
        """The terminal has something else to do, or is gone."""
        for qid in [qid for qid, asked in self._asked.items() if asked.link == link.link]:
            del self._asked[qid]

    def answered(self, event: TokenAnswered, now: float) -> Found | None:
        """The other servers have spoken; where the chosen session is, if one was chosen."""
        asked = self._asked.pop(event.qid, None)
        if asked is None:
            return None
        reachable = [each for each in event.answers if each.address is not None and each.nonce]
        for answer in reachable:
            if asked.session and any(claim.session == asked.session for claim in answer.claims):
                return Found(asked.link, asked.session, answer)
        own = [(self._group.standing.host, self._sessions.claims(asked.owner, now))]
        claims = [
            (claim, host)
            for host, said in [*own, *((each.host, each.claims) for each in reachable)]
            for claim in said
        ]
        claims.sort(key=lambda pair: (pair[0].age, -pair[0].epoch, pair[0].session))
        offers = tuple(
            Offer(claim.session, host, claim.age // 1000, claim.attached) for claim, host in claims
        )
        self._outbox.send(asked.link, Sessions(asked.seq, offers[:MAX_OFFERS]))
        return None
