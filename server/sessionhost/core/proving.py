"""Proofs under way: challenges to cards, questions to persons, and what comes back. Admits nobody.

A challenge is good once, for its time, on the link and for the card event that it was made for; an
answer to anything else is counted and dropped.
"""

import random
from collections import Counter
from dataclasses import replace

from roamwire.control import Answer, Ask, Challenge, Question, Response
from roamwire.notices import NoticeCode
from roamwire.proof import CHALLENGE_BYTES, CardError, Proof, Slot, signed_bytes
from sessionhost.core import timing
from sessionhost.core.actions import CheckPassword, Outbox, PasswordResult, Verify
from sessionhost.core.cards import CardFacts, same_card
from sessionhost.core.judgement import AskPerson
from sessionhost.core.links import Asked, Challenged, Inserting, Link
from sessionhost.core.policy import Policy
from sessionhost.core.reasons import Reason
from sessionhost.core.replies import PasswordChecked
from sessionhost.core.throttle import Throttle

TRIES = 3
"""Passwords for one card event: then the card has to go in again."""

Verdict = Reason | bool
"""True: it is proven. False: there is more to wait for, or nothing to heed. Else why it failed."""

_CARD_ERRORS = {
    CardError.NO_CARD: Reason.CARD_ERROR,
    CardError.CARD_ERROR: Reason.CARD_ERROR,
    CardError.NO_KEY: Reason.CARD_WITHOUT_KEY,
    CardError.PIN_BLOCKED: Reason.PIN_BLOCKED,
    CardError.PIN_CANCELLED: Reason.PIN_CANCELLED,
}

_PASSWORD_ENDS = {
    PasswordResult.EXPIRED: Reason.PASSWORD_EXPIRED,
    PasswordResult.REFUSED: Reason.ACCOUNT_REFUSED,
    PasswordResult.DOWN: Reason.PASSWORDS_DOWN,
}


class Prover:
    """Sends challenges and questions of one server, and judges the answers."""

    def __init__(
        self, host: str, policy: Policy, throttle: Throttle, outbox: Outbox, rng: random.Random
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self._host = host
        self.policy = policy
        self._throttle = throttle
        self._outbox = outbox
        self._rng = rng
        self._checks = 0

    # Cards

    def show_key(self, link: Link, inserting: Inserting, slot: Slot, now: float) -> None:
        """The card has to sign."""
        known = inserting.registration.person_key if inserting.registration else ""
        if slot is Slot.PERSON and inserting.card is None and not known:
            slot = Slot.CARD  # a redirect brought the proof of 9E without its certificate
        data = self._rng.getrandbits(CHALLENGE_BYTES * 8).to_bytes(CHALLENGE_BYTES, "big").hex()
        patience = timing.CARD_PROOF_S if slot is Slot.CARD else timing.PIN_PROOF_S
        inserting.waiting = Challenged(slot, data, now + patience)
        self._outbox.send(link.link, Challenge(inserting.seq, slot, data))

    def response(self, link: Link, line: Response) -> Verdict:
        """The card has signed, or could not."""
        inserting = link.inserting
        waiting = inserting.waiting if inserting is not None else None
        if (
            inserting is None
            or not isinstance(waiting, Challenged)
            or waiting.verifying
            or line.seq != inserting.seq
        ):
            self.dropped["late-response"] += 1
            return False
        if line.error is not CardError.NONE:
            return _CARD_ERRORS[line.error]
        inserting.waiting = replace(waiting, verifying=True)
        message = signed_bytes(
            server=self._host,
            dtu=link.dtu,
            token=inserting.token,
            slot=waiting.slot,
            seq=inserting.seq,
            data=waiting.data,
        )
        self._outbox.put(
            Verify(
                link.link, inserting.seq, waiting.data, message, line.signature, line.certificate
            )
        )
        return False

    def verified(self, inserting: Inserting | None, data: str, facts: CardFacts) -> Verdict:
        """What the signature and the certificate are worth."""
        waiting = inserting.waiting if inserting is not None else None
        if inserting is None or not isinstance(waiting, Challenged) or waiting.data != data:
            return False
        inserting.waiting = None
        if facts.problem is not None:
            return facts.problem
        if waiting.slot is Slot.PERSON:
            return self._person_proven(inserting, facts)
        if facts.key != inserting.token.value:
            return Reason.WRONG_KEY
        inserting.card = facts
        inserting.proofs |= {Proof.CARD}
        return True

    def _person_proven(self, inserting: Inserting, facts: CardFacts) -> Verdict:
        if self.policy.piv_dates and not facts.dates_hold:
            return Reason.OUTSIDE_DATES
        # At a reader desk the administrator is there, and sees whose card is put in.
        known, card = inserting.registration, inserting.card
        if not inserting.reader and (other := same_card(known, card, facts)) is not None:
            return other
        inserting.person = facts
        inserting.proofs |= {Proof.PERSON}
        return True

    # Persons

    def ask(self, link: Link, inserting: Inserting, ask: AskPerson, now: float) -> Verdict:
        """The person has to say something; Reason.TOO_MANY_TRIES if nothing is heard now."""
        # Who has not said a name yet is let say one: nothing is tried by that.
        if ask.user and self._has_to_wait(link, inserting, ask.user, now):
            return Reason.TOO_MANY_TRIES
        self._put_question(link, inserting, ask.question, ask.user, TRIES, now)
        return False

    def _has_to_wait(self, link: Link, inserting: Inserting, user: str, now: float) -> bool:
        inserting.wait_s = self._throttle.password_wait_s(user, link.dtu, now, inserting.signed)
        return inserting.wait_s > 0

    def _put_question(
        self, link: Link, inserting: Inserting, what: Question, user: str, tries: int, now: float
    ) -> None:
        inserting.waiting = Asked(what, user, tries, now + timing.PASSWORD_S)
        code = int(NoticeCode.WRONG_PASSWORD) if tries < TRIES else 0
        self._outbox.send(link.link, Ask(inserting.seq, what, user, tries, code))

    def answer(self, link: Link, line: Answer, now: float) -> Verdict:
        """What the person typed, or that they did not want to."""
        inserting = link.inserting
        waiting = inserting.waiting if inserting is not None else None
        if (
            inserting is None
            or not isinstance(waiting, Asked)
            or waiting.checking
            or line.seq != inserting.seq
        ):
            self.dropped["late-answer"] += 1
            return False
        if line.cancel:
            return Reason.PASSWORD_CANCELLED
        user = waiting.user or line.user
        if self._has_to_wait(link, inserting, user, now):
            return Reason.TOO_MANY_TRIES
        inserting.wait_s = self._throttle.check_wait_s(link.dtu, now)
        if inserting.wait_s > 0:
            return Reason.TOO_MANY_TRIES
        self._checks += 1
        self._throttle.begin_check(self._checks, user, link.dtu, now, inserting.signed)
        inserting.waiting = replace(
            waiting, checking=self._checks, until=now + timing.PASSWORD_CHECK_S
        )
        self._outbox.put(CheckPassword(link.link, inserting.seq, self._checks, user, line.password))
        return False

    def password_seen(self, reply: PasswordChecked) -> None:
        """What PAM says counts, also if the card is out meanwhile or the terminal gone."""
        dtu = self._throttle.end_check(reply.number, reply.result)
        if reply.result is PasswordResult.WRONG:
            self._outbox.report(f"wrong password for {reply.user!r:.80} at {dtu}")

    def password_checked(self, link: Link, reply: PasswordChecked, now: float) -> Verdict:
        """What PAM says, for the insert that waits for it."""
        inserting, user, result = link.inserting, reply.user, reply.result
        waiting = inserting.waiting if inserting is not None else None
        if inserting is None or not isinstance(waiting, Asked) or waiting.checking != reply.number:
            return False
        inserting.waiting = None
        if result is PasswordResult.RIGHT:
            inserting.proofs |= {Proof.PASSWORD}
            if waiting.question is not Question.PASSWORD:
                inserting.vouched = user
            return True
        if result is not PasswordResult.WRONG:
            return _PASSWORD_ENDS[result]
        if waiting.tries <= 1:
            return Reason.WRONG_PASSWORD
        if self._has_to_wait(link, inserting, user, now):
            return Reason.TOO_MANY_TRIES
        self._put_question(link, inserting, waiting.question, waiting.user, waiting.tries - 1, now)
        return False
