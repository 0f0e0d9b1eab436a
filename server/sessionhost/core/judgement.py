"""From what a token has proven to the next step: prove more, be refused, be admitted. Does nothing.

`entry` is asked before anybody learns where a token's session is, `opening` before it is shown;
both again after every proof, until they admit or refuse.
"""

from dataclasses import dataclass, field

from roamwire.control import Question
from roamwire.proof import Proof, Slot
from roamwire.tokens import Token
from sessionhost.core.cards import CardFacts, chained_user
from sessionhost.core.hours import is_open
from sessionhost.core.policy import Extra, Policy, Who
from sessionhost.core.reasons import Reason
from sessionhost.core.registration import Registration, Strength, login_token


@dataclass(frozen=True)
class Case:
    """A token at a terminal and all that is known of it.

    `minute` is that of the week, local time. `card` and `person` are what keys 9E and 9A have
    shown here; a redirect brings `proofs` without them. `vouched` is a user's name that a password
    or another server's ticket stands for.
    """

    token: Token
    dtu: str
    minute: int
    registration: Registration | None = None
    registry_failed: bool = False
    proofs: frozenset[Proof] = frozenset()
    card: CardFacts | None = None
    person: CardFacts | None = None
    vouched: str = ""


@dataclass(frozen=True)
class Refuse:
    """No session for this."""

    reason: Reason


@dataclass(frozen=True)
class ShowKey:
    """The card has to sign with that key."""

    slot: Slot


@dataclass(frozen=True)
class AskPerson:
    """The person has to say that; `user` is known already if it is not empty."""

    question: Question
    user: str = ""


@dataclass(frozen=True)
class Admit:
    """Nothing more is to be proven: whose sessions, and under which token they are."""

    registration: Registration
    owner: Token


@dataclass(frozen=True)
class Away:
    """The session that would be shown: seconds since it was last, and whether it is now.

    `resumed`: this very desk showed it, and lost the server and not the card.
    """

    seconds: float
    shown: bool = False
    resumed: bool = False


Step = Refuse | ShowKey | AskPerson | Admit


@dataclass(frozen=True)
class _Found:
    """Whose the token is, or what is to be done to find out."""

    step: Step
    hours: tuple[str, ...] = field(default=())


def entry(policy: Policy, case: Case) -> Step:
    """Whether this token may have a session, and whose."""
    token = case.token
    if token.kind == "pseudo" and token.value != case.dtu:
        return Refuse(Reason.OTHER_DESKS_TOKEN)
    if policy.who(token) is Who.OFF and not signs_in(policy, case):
        return Refuse(Reason.KIND_OFF)
    if token.kind == "piv" and Proof.CARD not in case.proofs:
        return ShowKey(Slot.CARD)  # before anything else: who has no card learns nothing
    found = _whose(policy, case)
    refused = isinstance(found.step, Refuse)
    if not refused and not all(is_open(hours, case.minute) for hours in found.hours):
        return Refuse(Reason.OUTSIDE_HOURS)
    pin = token.kind == "piv" and policy.piv_proof == "pin"
    if pin and isinstance(found.step, Admit) and Proof.PERSON not in case.proofs:
        return ShowKey(Slot.PERSON)
    return found.step


def signs_in(policy: Policy, case: Case) -> bool:
    """Whether the desk's own token stands for a person who signs in by name and password."""
    known = case.registration is not None and policy.pseudo is not Who.OFF
    others = policy.pseudo in (Who.SELF, Who.KIOSK)
    return policy.login and case.token.kind == "pseudo" and not known and not others


def _whose(policy: Policy, case: Case) -> _Found:
    needs_no_entry = case.token.kind == "pseudo" and policy.pseudo is Who.OFF
    if case.registration is None and case.registry_failed and not needs_no_entry:
        # Not even a kiosk's or a chained card: its entry may say that it is lost.
        return _Found(Refuse(Reason.REGISTRY_DOWN))
    if signs_in(policy, case):
        return _signed_in(policy, case)
    hours = policy.hours(case.token)
    if case.registration is not None:
        return _registered(policy, case, case.registration, hours)
    return _Found(_unregistered(policy, case), (hours,))


def _unregistered(policy: Policy, case: Case) -> Step:
    who = policy.who(case.token)
    if _is_revoked(case):
        return Refuse(Reason.REVOKED)
    if who is Who.KIOSK:
        return _new(case, policy.kiosk_user)
    if who is Who.SELF:
        return _new(case, case.vouched) if case.vouched else AskPerson(Question.REGISTER)
    if who is Who.CHAINED:
        return _chained(policy, case)
    return Refuse(Reason.NOT_REGISTERED)


def _is_revoked(case: Case) -> bool:
    """By the CA of the card, if the group knows it: no entry of the registry outweighs that."""
    return case.card is not None and case.card.chain is Reason.REVOKED


def _registered(policy: Policy, case: Case, entry: Registration, hours: str) -> _Found:
    if entry.lost:
        return _Found(Refuse(Reason.TOKEN_LOST))
    if not entry.enabled:
        return _Found(Refuse(Reason.TOKEN_DISABLED))
    if _is_revoked(case):
        return _Found(Refuse(Reason.REVOKED))
    if policy.piv_dates and case.card is not None and not case.card.dates_hold:
        return _Found(Refuse(Reason.OUTSIDE_DATES))
    return _Found(Admit(entry, entry.owner or case.token), (hours, entry.hours))


def _signed_in(policy: Policy, case: Case) -> _Found:
    if Proof.PASSWORD not in case.proofs or not case.vouched:
        return _Found(AskPerson(Question.LOGIN), (policy.login_hours,))
    entry = Registration(case.vouched, True, strength=Strength.USER)
    return _Found(Admit(entry, login_token(case.vouched)), (policy.login_hours,))


def _chained(policy: Policy, case: Case) -> Step:
    if case.vouched:
        return _new(case, case.vouched)
    if case.card is None:
        return ShowKey(Slot.CARD)
    if case.card.chain is not None:
        return Refuse(case.card.chain)
    user = chained_user(policy, case.card) or chained_user(policy, case.person)
    if not user and policy.piv_proof == "pin" and Proof.PERSON not in case.proofs:
        return ShowKey(Slot.PERSON)  # many cards name the person in the certificate of 9A only
    return _new(case, user) if user else Refuse(Reason.NO_USER_IN_CERTIFICATE)


def _new(case: Case, user: str) -> Admit:
    return Admit(Registration(user, True, strength=Strength.of(case.token)), case.token)


def opening(policy: Policy, case: Case, admitted: Admit, away: Away | None) -> Step:
    """Whether the session may be shown at once; `away` is None for a new one.

    A new session asks as well: it has the person's files, and whoever has a copy of the card could
    end the old one.
    """
    extra = policy.after_hotdesk
    kiosk = admitted.registration.user == policy.kiosk_user and case.registration is None
    if extra is Extra.NONE or kiosk or (away is not None and _in_grace(policy, away)):
        return admitted
    if extra is Extra.PIN and case.token.kind == "piv":
        return admitted if Proof.PERSON in case.proofs else ShowKey(Slot.PERSON)
    if Proof.PASSWORD in case.proofs:
        return admitted
    return AskPerson(Question.PASSWORD, admitted.registration.user)


def _in_grace(policy: Policy, away: Away) -> bool:
    if away.resumed:
        return True
    if away.shown or policy.lock_on_removal:
        return False
    return away.seconds <= policy.grace_s and policy.grace_s > 0
