"""Authentication manager: what an insert leads to, from the token to a decision. Shows nothing.

The patent's steps 911-922: the registry says whether the token is legitimate, the other servers say
whether they have a session of it, `insert.decide` says where it goes. Answers of the other servers
to our tokenQ come back as events of the group manager; ours to theirs are given here as well.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from roamwire import tickets
from roamwire.control import Cause, Insert, Notice, Redirect
from roamwire.errors import RemoteProtocolError
from roamwire.notices import NoticeCode
from roamwire.tokens import Token
from sessionhost.core import timing
from sessionhost.core.actions import Lookup, Outbox
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
from sessionhost.core.registration import Registration
from sessionhost.core.sessions import SessionManager
from sessionhost.core.vouchers import Vouchers


@dataclass(frozen=True)
class Admitted:
    """The token may have a session of this server: `decision` says which."""

    link: Link
    inserting: Inserting
    registration: Registration
    decision: ConnectHere | CreateHere


class AuthenticationManager:
    """The inserts under way on this host. Every `now` is the monotonic clock of `ServerCore`."""

    def __init__(
        self,
        group: GroupManager,
        sessions: SessionManager,
        links: Mapping[int, Link],
        outbox: Outbox,
        rng: random.Random,
    ) -> None:
        self.dropped: Counter[str] = Counter()
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

    def begin(self, link: Link, line: Insert, now: float) -> None:
        """Step 911: a card is in."""
        link.inserting = Inserting(line.seq, line.token, line.cause, line.lost)
        if line.cause is Cause.REDIRECT:
            link.inserting.ticket = self._check_ticket(link, line, now)
        self._outbox.put(Lookup(link.link, line.seq, line.token))

    def forget(self, link: Link) -> None:
        """The card is out, or the DTU is gone."""
        if link.inserting is not None:
            self._asking.pop(link.inserting.qid, None)
            link.inserting = None

    def _check_ticket(self, link: Link, line: Insert, now: float) -> tickets.RedirectTicket | None:
        """Step 912: only a valid ticket makes a redirect; all else is an ordinary insert."""
        host, secrets = self._group.standing.host, self._group.secrets
        try:
            return self.vouchers.redeem_ticket(
                line.ticket, line.token, secrets, dtu=link.dtu, host=host, now=now
            )
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1
            self._outbox.report(
                f"redirect of {link.dtu} without a valid ticket ({error}): plain insert"
            )
            return None

    def looked_up(
        self, link: Link, seq: int, found: Registration | None, now: float, *, failed: bool
    ) -> Admitted | None:
        """The registry's answer to a Lookup; `failed` if it could not answer at all."""
        inserting = link.inserting
        if inserting is None or inserting.seq != seq:
            return None
        code = refusal(found, registry_failed=failed)
        if code is not None:
            link.inserting = None
            self._outbox.audit(
                "insert", "refused", token=inserting.token, dtu=link.dtu, reason=code.name.lower()
            )
            self._outbox.report(f"{inserting.token.kind} token at {link.dtu} refused: {code.name}")
            self._outbox.send(link.link, Notice(seq, int(code)))
            return None
        inserting.registration = found
        who = found.user if found is not None else ""
        self._outbox.audit(
            "insert", "accepted", who=who, token=inserting.token, dtu=link.dtu,
            reason=inserting.cause.value,
        )  # fmt: skip
        if inserting.ticket is not None and self._ends_here(inserting.token, inserting.ticket, now):
            return self._act(
                link,
                inserting,
                decide_redirected(self._here(inserting, now), inserting.ticket.session),
                now,
            )
        self._ask(link, inserting, now)
        return None

    def _ends_here(self, token: Token, ticket: tickets.RedirectTicket, now: float) -> bool:
        """Whether a redirected token ends here: its session is here, or it may get a new one.

        A session that ended under way is no reason for a new one: an older one may live elsewhere.
        """
        if ticket.session:
            return self._sessions.get(ticket.session) is not None
        elsewhere = self.vouchers.home(token, now) or self._group.standing.closed
        return bool(self._sessions.for_token(token)) or not elsewhere

    def ask_if_due(self, link: Link, now: float) -> None:
        """An insert that had to wait asks the other servers (again)."""
        if link.inserting is not None and link.ask_at is not None and now >= link.ask_at:
            self._ask(link, link.inserting, now)

    def _ask(self, link: Link, inserting: Inserting, now: float) -> None:
        """Steps 916, 917; in a flood of inserts a little later."""
        if self._group.busy:
            inserting.ask_at = now + timing.PENDING_RETRY_S
            return
        if now < self._know_others_at and not self._sessions.for_token(inserting.token):
            inserting.ask_at = self._know_others_at
            return
        inserting.ask_at = None
        digest = self._group.secrets.token_digest(inserting.token)
        inserting.qid = self._group.ask(digest, link.address, now, lost=inserting.lost)
        self._asking[inserting.qid] = link.link

    def _here(self, inserting: Inserting, now: float) -> Here:
        own, token = self._group.standing, inserting.token
        me = Candidate(own.host, own.cpus, own.load, own.sessions, drain=own.closed)
        return Here(me, self._sessions.claims(token, now), self.vouchers.home(token, now))

    def answered(self, event: TokenAnswered, now: float) -> Admitted | None:
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
    ) -> Admitted | None:
        if isinstance(decision, AskAgain):
            inserting.rounds_left -= 1
            inserting.ask_at = now + timing.PENDING_RETRY_S
            return None
        link.inserting = None
        if isinstance(decision, RedirectTo):
            self.redirect(link, inserting, decision, now)
            return None
        if inserting.registration is None:
            return None
        return Admitted(link, inserting, inserting.registration, decision)

    def redirect(self, link: Link, inserting: Inserting, to: RedirectTo, now: float) -> None:
        """Step 922: send the DTU away with a ticket that only the target can redeem."""
        target, secrets = to.answer, self._group.secrets
        ticket = tickets.RedirectTicket(
            self._group.standing.host,
            link.dtu,
            secrets.token_digest(inserting.token),
            target.host,
            target.nonce,
            inserting.hops + 1,
            to.session,
        )
        self.vouchers.placed(inserting.token, target.host, now)
        self._outbox.audit(
            "redirect", "sent", token=inserting.token, dtu=link.dtu,
            reason=f"to {target.host}: {to.why}",
            session=to.session,
        )  # fmt: skip
        self._outbox.report(f"{link.dtu} redirected to {target.host}: {to.why}")
        where = (target.host, str(target.address), target.port)
        text = tickets.issue(ticket, secrets)
        self._outbox.send(link.link, Redirect(inserting.seq, *where, text))

    def asked(self, event: TokenAsked, now: float) -> None:
        """Another server asks for a token: what we have of it, and a nonce for a redirect to us."""
        token = self._known_token(event.digest)
        nonce = self.vouchers.issue(event.digest, now) if event.digest else ""
        if token is None:
            self._group.answer(event, (), nonce, pending=False, home="")
            return
        pending = any(
            link.inserting is not None and link.inserting.token == token
            for link in self._links.values()
        )
        home, claims = self.vouchers.home(token, now), self._sessions.claims(token, now)
        self._group.answer(event, claims, nonce, pending=pending, home=home)

    def _known_token(self, digest: str) -> Token | None:
        """The token behind a keyed hash, if it has a session here or is on its way to one."""
        tokens = [link.inserting.token for link in self._links.values() if link.inserting]
        for token in [*self._sessions.tokens(), *tokens, *self.vouchers.placed_tokens()]:
            if digest in self._group.secrets.token_digests(token):
                return token
        return None


def refusal(found: Registration | None, *, registry_failed: bool) -> NoticeCode | None:
    """Why the token gets no session; None if it may have one.

    `found` is the registry's answer. A registry that cannot be read is not the person's fault, and
    is told apart from a card that nobody has registered.
    """
    if found is None:
        return NoticeCode.REGISTRY_DOWN if registry_failed else NoticeCode.NOT_REGISTERED
    return None if found.enabled else NoticeCode.TOKEN_DISABLED
