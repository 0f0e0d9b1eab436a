"""Authentication manager: what a token has to prove before it gets a session. Shows nothing.

An insert goes from the registry's answer to proofs, from these to `selection`, which finds the
server, and from there through what a person has to show before the session is seen. Nobody learns
where a token's session is without its proof.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from roamwire import tickets
from roamwire.control import Answer, Cause, Insert, Notice, Response
from roamwire.errors import RemoteProtocolError
from roamwire.proof import Proof, Slot
from sessionhost.core import timing
from sessionhost.core.actions import AtHome, Lookup, Noticed, Outbox, Register
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import TokenAnswered
from sessionhost.core.hours import minute_of_week
from sessionhost.core.insert import ConnectHere, CreateHere
from sessionhost.core.judgement import (
    Admit,
    AskPerson,
    Away,
    Case,
    Refuse,
    ShowKey,
    Step,
    entry,
    opening,
    signs_in,
)
from sessionhost.core.links import Inserting, Link, Registering
from sessionhost.core.policy import Policy, Who
from sessionhost.core.proving import Prover, Verdict
from sessionhost.core.readers import ReaderDesks, Seen
from sessionhost.core.reasons import Reason
from sessionhost.core.registration import Owner, Registration, Strength, login_token
from sessionhost.core.replies import PasswordChecked, Registered, Reply, Verified
from sessionhost.core.selection import Chosen, ServerSelection
from sessionhost.core.sessions import SessionManager
from sessionhost.core.throttle import Throttle


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
        policy: Policy,
    ) -> None:
        self.selection = ServerSelection(group, sessions, links, outbox, rng)
        self.readers = ReaderDesks()
        self.local_offset = 0.0
        self.policy = policy
        self._throttle = Throttle(policy.user_tries)
        self._prover = Prover(group.standing.host, policy, self._throttle, outbox, rng)
        self._group = group
        self._sessions = sessions
        self._outbox = outbox

    def were_at_home(self, homes: Iterable[tuple[str, str]]) -> None:
        """Users and terminals of before this start, the longest ago first."""
        for user, dtu in homes:
            self._throttle.admitted(user, dtu)

    def change_policy(self, policy: Policy) -> None:
        """What is judged from now on is judged by this one; what was counted stays."""
        self.policy = self._prover.policy = policy
        self._throttle.user_tries = policy.user_tries

    @property
    def dropped(self) -> Counter[str]:
        """What was not heeded, by reason."""
        return self._prover.dropped

    def begin(self, link: Link, line: Insert, now: float) -> None:
        """Step 911: a card is in."""
        if line.token.kind == "user":
            raise RemoteProtocolError("state", "a token that nobody can present")
        ticket = line.ticket if line.cause is Cause.REDIRECT else ""
        inserting = Inserting(line.seq, line.token, line.cause, line.lost, ticket)
        link.inserting = inserting
        wait_s = self._throttle.insert_wait_s(line.token, link.dtu, now)
        if wait_s > 0:
            self._refuse(link, inserting, Reason.TOO_MANY_TRIES, now, wait_s)
            return
        self._outbox.put(Lookup(link.link, line.seq, line.token, link.dtu))

    def forget(self, link: Link) -> None:
        """The card is out, or the DTU is gone."""
        if link.inserting is not None:
            self.selection.forget(link.inserting)
            link.inserting = None

    def _refuse(
        self, link: Link, inserting: Inserting, reason: Reason, now: float, wait_s: float = 0.0
    ) -> None:
        link.inserting = None
        self._outbox.audit(
            "insert", "refused", who=inserting.user, token=inserting.token, dtu=link.dtu,
            reason=reason.value,
        )  # fmt: skip
        self._throttle.refused(inserting.token, link.dtu, reason, now)
        self._outbox.report(
            f"insert at {link.dtu} refused: {reason.value}"
            f"{inserting.whose}, cause {inserting.cause.value}"
        )
        wait = (
            max(1, math.ceil(wait_s or inserting.wait_s)) if reason is Reason.TOO_MANY_TRIES else 0
        )
        self._outbox.send(link.link, Notice(inserting.seq, int(reason.notice), wait_s=wait))

    def looked_up(
        self, link: Link, seq: int, found: Registration | None, now: float, *, failed: bool,
        reader: bool = False,
    ) -> Admitted | None:  # fmt: skip
        """The registry's answer to a Lookup; `failed` if it could not answer at all."""
        inserting = link.inserting
        if inserting is None or inserting.seq != seq or inserting.waiting is not None:
            return None
        inserting.registration, inserting.registry_failed = found, failed
        inserting.reader = reader
        if inserting.cause is Cause.REDIRECT:
            self._check_ticket(link, inserting, now)
        ticket = inserting.ticket
        if ticket is not None and found is not None and found.user != ticket.user:
            # Who sent it here knows the token as somebody else's: nobody's session is shown.
            self._refuse(link, inserting, Reason.OTHER_USERS_TOKEN, now)
            return None
        return self._advance(link, inserting, now)

    def _check_ticket(self, link: Link, inserting: Inserting, now: float) -> None:
        """Step 912: only a valid ticket makes a redirect; all else is an ordinary insert."""

        known = inserting.registration
        login = signs_in(self.policy, self._case(link, inserting, now))

        def owner(ticket: tickets.RedirectTicket) -> Owner:
            if login:
                return Owner(login_token(ticket.user), ticket.user)
            token = (known.owner if known is not None else None) or inserting.token
            if known is None and self.policy.who(token) is Who.KIOSK:
                return Owner(token, self.policy.kiosk_user)
            return Owner(token, ticket.user)

        host, secrets = self._group.standing.host, self._group.secrets
        try:
            ticket = self.selection.vouchers.redeem_ticket(
                inserting.ticket_text, owner, secrets, dtu=link.dtu, host=host, now=now
            )
        except RemoteProtocolError as error:
            self._prover.dropped[error.reason] += 1
            self._outbox.report(
                f"redirect of {link.dtu} without a valid ticket ({error}): plain insert"
            )
        else:
            inserting.ticket, inserting.proofs = ticket, ticket.proofs
            inserting.vouched = ticket.user

    def judged_again(
        self, link: Link, inserting: Inserting, found: Registration | None, now: float, *,
        failed: bool,
    ) -> Inserting | None:  # fmt: skip
        """An insert that was admitted, by what the registry and the policy say now; None if it
        would not be admitted any more without another proof."""
        again = replace(inserting, registration=found, registry_failed=failed)
        step = entry(self.policy, self._case(link, again, now))
        if not isinstance(step, Admit):
            return None
        again.admitted = step
        return again

    # What is to be proven

    def response(self, link: Link, line: Response, now: float) -> None:
        """The card has signed, or could not."""
        self._judge(link, self._prover.response(link, line), now)

    def answer(self, link: Link, line: Answer, now: float) -> None:
        """What a person typed."""
        self._judge(link, self._prover.answer(link, line, now), now)

    def replied(self, link: Link | None, reply: Reply, now: float) -> Admitted | None:
        """What was found out about a signature, a password, an entry of the registry.

        `link` is None if the terminal is gone meanwhile.
        """
        if isinstance(reply, PasswordChecked):
            self._prover.password_seen(reply)
        if link is None:
            return None
        if isinstance(reply, Verified):
            verdict = self._prover.verified(link.inserting, reply.data, reply.facts)
        elif isinstance(reply, PasswordChecked):
            verdict = self._prover.password_checked(link, reply, now)
        else:
            return self._registered(link, reply, now)
        return self._judge(link, verdict, now)

    def _registered(self, link: Link, reply: Registered, now: float) -> Admitted | None:
        """The registry has the token now, or could not take it."""
        inserting, problem = link.inserting, reply.problem
        waiting = inserting.waiting if inserting is not None else None
        if inserting is None or inserting.seq != reply.seq or not isinstance(waiting, Registering):
            return None
        inserting.waiting = None
        order = self.readers.wanted(link.dtu, now) if inserting.reader else None
        if order is not None:
            order.token, order.outcome = str(inserting.token), problem or "registered"
        if problem:
            self._outbox.report(f"{inserting.token.kind} token not registered: {problem}")
            self._refuse(link, inserting, Reason.REGISTRY_DOWN, now)
            return None
        inserting.registration = Registration(
            waiting.user,
            True,
            strength=Strength.of(inserting.token),
            person_key=waiting.person_key,
        )
        if inserting.reader:
            self._refuse(link, inserting, Reason.ENROLLED, now)
            return None
        return self._advance(link, inserting, now)

    def _judge(self, link: Link, verdict: Verdict, now: float) -> Admitted | None:
        inserting = link.inserting
        if inserting is None or verdict is False:
            return None
        if isinstance(verdict, Reason):
            self._refuse(link, inserting, verdict, now)
            return None
        return self._advance(link, inserting, now)

    def _advance(self, link: Link, inserting: Inserting, now: float) -> Admitted | None:
        """The next step after a proof, or after none yet."""
        if inserting.reader:
            self._read(link, inserting, now)
            return None
        step = entry(self.policy, self._case(link, inserting, now))
        if not isinstance(step, Admit):
            self._demand(link, inserting, step, now)
            return None
        if self._is_new_owner(inserting):
            self._register(link, inserting, step.registration.user, "registered by its owner", now)
            return None
        inserting.admitted = step
        if Proof.PASSWORD in inserting.proofs:
            # Here, as the session may be elsewhere: guesses meanwhile must not keep the user out.
            self._at_home(link, step.registration.user)
        self._outbox.audit(
            "insert", "accepted", who=inserting.user, token=inserting.token, dtu=link.dtu,
            reason=f"{inserting.cause.value}, proven {inserting.proven}",
        )  # fmt: skip
        return self._admitted(self.selection.find(link, inserting, now), now)

    def _demand(self, link: Link, inserting: Inserting, step: Step, now: float) -> None:
        if isinstance(step, Refuse):
            self._refuse(link, inserting, step.reason, now)
        elif isinstance(step, ShowKey):
            self._prover.show_key(link, inserting, step.slot, now)
        elif isinstance(step, AskPerson):
            self._judge(link, self._prover.ask(link, inserting, step, now), now)

    def _case(self, link: Link, inserting: Inserting, now: float) -> Case:
        return Case(
            inserting.token,
            link.dtu,
            minute_of_week(now + self.local_offset),
            inserting.registration,
            inserting.registry_failed,
            inserting.proofs,
            inserting.card,
            inserting.person,
            inserting.vouched,
        )

    def _is_new_owner(self, inserting: Inserting) -> bool:
        """Whether a person has just proven to be the owner of an unregistered token."""
        own = inserting.registration is None and inserting.ticket is None
        return own and self.policy.who(inserting.token) is Who.SELF

    def _register(
        self, link: Link, inserting: Inserting, user: str, label: str, now: float
    ) -> None:
        key = inserting.person.key if inserting.person is not None else ""
        inserting.waiting = Registering(now + timing.REGISTER_S, user, key)
        self._outbox.put(Register(link.link, inserting.seq, inserting.token, user, key, label))

    def _read(self, link: Link, inserting: Inserting, now: float) -> None:
        """A card at a desk that reads cards for the administrator: it opens nothing."""
        order = self.readers.wanted(link.dtu, now)
        if inserting.token.kind == "piv":
            if Proof.CARD not in inserting.proofs:
                self._prover.show_key(link, inserting, Slot.CARD, now)
                return
            wants_pin = order is not None and (order.pin or self.policy.wants_pin)
            if wants_pin and Proof.PERSON not in inserting.proofs:
                self._prover.show_key(link, inserting, Slot.PERSON, now)
                return
        subject = inserting.card.subject if inserting.card is not None else ""
        proven = Proof.CARD in inserting.proofs
        self.readers.seen.append(Seen(inserting.token, link.dtu, proven, subject, now))
        if order is None:
            self._refuse(link, inserting, Reason.SEEN_AT_READER, now)
        else:
            self._register(link, inserting, order.user, order.label, now)

    def handle_due(self, link: Link, now: float) -> None:
        """An insert that had to wait asks the other servers (again); what is late is refused."""
        inserting = link.inserting
        if inserting is None or link.due_at is None or now < link.due_at:
            return
        if inserting.waiting is not None:
            self._refuse(link, inserting, inserting.waiting.overdue, now)
        else:
            self.selection.ask(link, inserting, now)

    def answered(self, event: TokenAnswered, now: float) -> Admitted | None:
        """The other servers have spoken."""
        return self._admitted(self.selection.answered(event, now), now)

    def _admitted(self, chosen: Chosen | None, now: float) -> Admitted | None:
        """A session of ours is chosen: what the person has to show before it is seen."""
        if chosen is None or chosen.inserting.admitted is None:
            return None
        link, inserting = chosen.link, chosen.inserting
        away = self._away(link, inserting, chosen.decision, now)
        step = opening(
            self.policy, self._case(link, inserting, now), chosen.inserting.admitted, away
        )
        if not isinstance(step, Admit):
            self._demand(link, inserting, step, now)
            return None
        link.inserting = None
        self._note(link, inserting, step.registration.user)
        return Admitted(link, inserting, step.registration, chosen.decision)

    def _away(
        self, link: Link, inserting: Inserting, decision: ConnectHere | CreateHere, now: float
    ) -> Away | None:
        session = None
        if isinstance(decision, ConnectHere):
            session = self._sessions.get(decision.session)
        if session is None:
            return None
        seconds = now - session.last_connected
        # What a terminal says of itself: its own card was in all the time.
        lost_server = inserting.cause is Cause.FAILOVER and session.last_dtu == link.dtu
        resumed = lost_server and (session.attachment is not None or seconds < timing.RESUME_S)
        return Away(seconds, session.attachment is not None, resumed)

    def _note(self, link: Link, inserting: Inserting, user: str) -> None:
        """A token is admitted; who has proven something is at home at this desk."""
        if inserting.proofs and Proof.PASSWORD not in inserting.proofs:
            self._at_home(link, user)
        self._outbox.put(Noticed(inserting.token, link.dtu))

    def _at_home(self, link: Link, user: str) -> None:
        self._throttle.admitted(user, link.dtu)
        self._outbox.put(AtHome(user, link.dtu))
