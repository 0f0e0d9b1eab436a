"""Server selection: where a proven token's session is, or is to be. Proves and shows nothing.

The patent's steps 912-922: the other servers say whether they have a session of the token and user,
`insert.decide` says where it goes, a redirect takes it there. Answers to our tokenQ come back as
events of the group manager; ours to theirs are given here as well.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from roamwire import tickets
from roamwire.control import Redirect
from sessionhost.core import timing
from sessionhost.core.actions import Outbox
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import TokenAnswered, TokenAsked
from sessionhost.core.insert import (
    AskAgain,
    ConnectHere,
    CreateHere,
    Decision,
    Here,
    RedirectTo,
    decide,
    decide_redirected,
)
from sessionhost.core.links import Inserting, Link
from sessionhost.core.placement import Candidate
from sessionhost.core.registration import Owner
from sessionhost.core.sessions import SessionManager
from sessionhost.core.vouchers import Vouchers


@dataclass(frozen=True)
class Chosen:
    """The session is to be on this server: `decision` says which."""

    link: Link
    inserting: Inserting
    decision: ConnectHere | CreateHere


class ServerSelection:
    """Questions about proven tokens that are under way on this host."""

    def __init__(
        self,
        group: GroupManager,
        sessions: SessionManager,
        links: Mapping[int, Link],
        outbox: Outbox,
        rng: random.Random,
    ) -> None:
        self.vouchers = Vouchers(rng)
        self._group = group
        self._sessions = sessions
        self._links = links
        self._outbox = outbox
        self._rng = rng
        self._asking: dict[str, int] = {}
        self._know_others_at = 0.0

    def asking(self) -> int:
        """Questions to the other servers that are open."""
        return len(self._asking)

    def wait_for_others(self, until: float) -> None:
        """This server has just started: until then it does not know all the others."""
        self._know_others_at = self._know_others_at or until

    def forget(self, inserting: Inserting) -> None:
        """Nobody waits for that answer any more."""
        self._asking.pop(inserting.qid, None)

    def find(self, link: Link, inserting: Inserting, now: float) -> Chosen | None:
        """The token is proven: a redirected one ends here (912), for others all are asked."""
        ticket = inserting.ticket
        if ticket is not None and self._ends_here(inserting.owner, ticket, now):
            decision = decide_redirected(self._here(inserting, now), ticket.session)
            return self._act(link, inserting, decision, now)
        self.ask(link, inserting, now)
        return None

    def _ends_here(self, owner: Owner, ticket: tickets.RedirectTicket, now: float) -> bool:
        """Whether a redirected token ends here: its session is here, or it may get a new one.

        A session that ended under way is no reason for a new one: an older one may live elsewhere.
        """
        own = self._sessions.for_owner(owner)
        if ticket.session:
            return ticket.session in (each.session for each in own)
        elsewhere = self.vouchers.home(owner, now) or self._group.standing.closed
        return bool(own) or not elsewhere

    def ask(self, link: Link, inserting: Inserting, now: float) -> None:
        """Steps 916, 917; in a flood of inserts a little later."""
        if self._group.busy:
            inserting.ask_at = now + timing.PENDING_RETRY_S
            return
        if now < self._know_others_at and not self._sessions.for_owner(inserting.owner):
            inserting.ask_at = self._know_others_at
            return
        inserting.ask_at = None
        digest = self._digest(inserting.owner)
        inserting.qid = self._group.ask(digest, link.address, now, lost=inserting.lost)
        self._asking[inserting.qid] = link.link

    def _digest(self, owner: Owner) -> str:
        return self._group.secrets.owner_digest(owner.token, owner.user)

    def _here(self, inserting: Inserting, now: float) -> Here:
        own, owner = self._group.standing, inserting.owner
        me = Candidate(own.host, own.cpus, own.load, own.sessions, drain=own.closed)
        return Here(me, self._sessions.claims(owner, now), self.vouchers.home(owner, now))

    def answered(self, event: TokenAnswered, now: float) -> Chosen | None:
        """Steps 918-922."""
        link = self._links.get(self._asking.pop(event.qid, -1))
        if link is None or link.inserting is None or link.inserting.qid != event.qid:
            return None
        inserting = link.inserting
        decision = decide(
            self._here(inserting, now),
            event.answers,
            hops=inserting.hops,
            rounds_left=inserting.rounds_left,
            lost=inserting.lost,
            reserved=self.vouchers.reserved(now),
            rng=self._rng,
        )
        if event.silent:
            self._outbox.report(f"no answer about a token from {', '.join(event.silent)}")
        return self._act(link, inserting, decision, now)

    def _act(
        self, link: Link, inserting: Inserting, decision: Decision, now: float
    ) -> Chosen | None:
        if isinstance(decision, AskAgain):
            inserting.rounds_left -= 1
            inserting.ask_at = now + timing.PENDING_RETRY_S
            return None
        if isinstance(decision, RedirectTo):
            link.inserting = None
            self.redirect(link, inserting, decision, now)
            return None
        return Chosen(link, inserting, decision)

    def redirect(self, link: Link, inserting: Inserting, to: RedirectTo, now: float) -> None:
        """Step 922: send the DTU away with a ticket that only the target can redeem."""
        target, secrets = to.answer, self._group.secrets
        ticket = tickets.RedirectTicket(
            self._group.standing.host,
            link.dtu,
            self._digest(inserting.owner),
            target.host,
            target.nonce,
            inserting.hops + 1,
            to.session,
            inserting.proofs,
            inserting.owner.user,
        )
        self.vouchers.placed(inserting.owner, target.host, now)
        self._outbox.audit(
            "redirect", "sent", who=inserting.user, token=inserting.token, dtu=link.dtu,
            reason=f"to {target.host}: {to.why}", session=to.session,
        )  # fmt: skip
        self._outbox.report(f"{link.dtu} redirected to {target.host}: {to.why}{inserting.whose}")
        where = (target.host, str(target.address), target.port)
        text = tickets.issue(ticket, secrets)
        self._outbox.send(link.link, Redirect(inserting.seq, *where, text))

    def asked(self, event: TokenAsked, now: float) -> None:
        """Another server asks for a token: what we have of it, and a nonce for a redirect to us."""
        owner = self._known_owner(event.digest)
        nonce = self.vouchers.issue(event.digest, now) if event.digest else ""
        if owner is None:
            self._group.answer(event, (), nonce, pending=False, home="")
            return
        pending = owner in self._deciding()
        home, claims = self.vouchers.home(owner, now), self._sessions.claims(owner, now)
        self._group.answer(event, claims, nonce, pending=pending, home=home)

    def _known_owner(self, digest: str) -> Owner | None:
        """Whose a keyed hash is, if they have a session here or are on their way to one."""
        placed = self.vouchers.placed_owners()
        for owner in [*self._sessions.owners(), *self._deciding(), *placed]:
            if digest in self._group.secrets.owner_digests(owner.token, owner.user):
                return owner
        return None

    def _deciding(self) -> list[Owner]:
        """Whose tokens are on their way to a session; what is only claimed does not count."""
        inserts = [link.inserting for link in self._links.values() if link.inserting is not None]
        return [each.owner for each in inserts if each.deciding]
