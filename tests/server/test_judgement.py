"""What a token has to prove, rule by rule: policy and facts in, the next step out."""

from dataclasses import replace

import pytest

from roamwire.control import Question
from roamwire.proof import Proof, Slot
from roamwire.tokens import Token
from sessionhost.core.cards import CardFacts, same_card
from sessionhost.core.judgement import (
    Admit,
    AskPerson,
    Away,
    Case,
    Refuse,
    ShowKey,
    entry,
    opening,
)
from sessionhost.core.policy import Extra, Policy, Who
from sessionhost.core.reasons import Reason
from sessionhost.core.registration import Registration, Strength, login_token

PIV, UID, PSEUDO = Token("piv", "ab" * 20), Token("uid", "04a1"), Token("pseudo", "desk1")
ALICE = Registration("alice", True)
PROVEN = frozenset({Proof.CARD})
WITH_PIN = PROVEN | {Proof.PERSON}
MONDAY_NOON, SUNDAY_NOON = 12 * 60, 6 * 24 * 60 + 12 * 60
WEEKDAYS = "mon-fri 07:00-19:00"
GOOD = CardFacts(None, "ab" * 20, True, None, "CN=alice", "CN=CA", upn="alice@corp.example")
CHAINED = Policy(piv=Who.CHAINED, chained_domains=("corp.example",))


def case(token, **given):
    return replace(Case(token, "desk1", MONDAY_NOON), **given)


def new(user, token, strength):
    return Admit(Registration(user, True, strength=strength), token)


OWNED = Registration("alice", True, owner=UID)
KEYED = Registration("alice", True, person_key="cd" * 20)
KIOSK = Policy(uid=Who.KIOSK, piv=Who.KIOSK, pseudo=Who.KIOSK, kiosk_user="guest")
OTHER = replace(GOOD, upn="alice@elsewhere.example")
NAMELESS = replace(GOOD, upn="")
REVOKED = replace(GOOD, chain=Reason.REVOKED)
UNPROVEN_CHAINS = (None, Reason.UNKNOWN_ISSUER, Reason.NO_REVOCATION_LIST, Reason.OUTSIDE_DATES)
LATE = replace(GOOD, dates_hold=False, chain=Reason.OUTSIDE_DATES)
SELF = Policy(uid=Who.SELF, piv=Who.SELF)
LOGIN = Policy(login=True, pseudo=Who.OFF)
TYPED = frozenset({Proof.PASSWORD})


@pytest.mark.parametrize(
    ("policy", "given", "step"),
    [
        # registered tokens
        (Policy(), case(UID, registration=ALICE), Admit(ALICE, UID)),
        (Policy(), case(PSEUDO, registration=ALICE), Admit(ALICE, PSEUDO)),
        (Policy(), case(UID), Refuse(Reason.NOT_REGISTERED)),
        (Policy(), case(UID, registry_failed=True), Refuse(Reason.REGISTRY_DOWN)),
        # the copy in memory still knows it
        (Policy(), case(UID, registration=ALICE, registry_failed=True), Admit(ALICE, UID)),
        (Policy(), case(UID, registration=OWNED), Admit(OWNED, UID)),
        (
            Policy(),
            case(PIV, registration=OWNED, proofs=PROVEN, card=GOOD),
            Admit(OWNED, UID),
        ),
        # states
        (
            Policy(),
            case(UID, registration=Registration("alice", False)),
            Refuse(Reason.TOKEN_DISABLED),
        ),
        (
            Policy(),
            case(UID, registration=Registration("alice", True, lost=True)),
            Refuse(Reason.TOKEN_LOST),
        ),
        (
            Policy(),
            case(UID, registration=Registration("alice", False, lost=True)),
            Refuse(Reason.TOKEN_LOST),
        ),
        # who may
        (Policy(uid=Who.OFF), case(UID, registration=ALICE), Refuse(Reason.KIND_OFF)),
        (Policy(piv=Who.OFF), case(PIV, registration=ALICE), Refuse(Reason.KIND_OFF)),
        (Policy(), case(Token("user", "alice")), Refuse(Reason.KIND_OFF)),
        (
            Policy(pseudo=Who.KIOSK, kiosk_user="guest"),
            case(Token("pseudo", "desk2")),
            Refuse(Reason.OTHER_DESKS_TOKEN),
        ),
        # proof of a card, before anything is said
        (Policy(), case(PIV, registration=ALICE), ShowKey(Slot.CARD)),
        (Policy(), case(PIV), ShowKey(Slot.CARD)),
        (Policy(), case(PIV, registry_failed=True), ShowKey(Slot.CARD)),
        (KIOSK, case(PIV), ShowKey(Slot.CARD)),
        (
            Policy(),
            case(PIV, registration=Registration("alice", False)),
            ShowKey(Slot.CARD),
        ),
        (Policy(), case(PIV, proofs=PROVEN, card=GOOD), Refuse(Reason.NOT_REGISTERED)),
        (
            Policy(),
            case(PIV, registration=ALICE, proofs=PROVEN, card=GOOD),
            Admit(ALICE, PIV),
        ),
        # a password is no card
        (Policy(), case(PIV, registration=ALICE, proofs=TYPED), ShowKey(Slot.CARD)),
        # PIN
        (
            Policy(piv_proof="pin"),
            case(PIV, registration=KEYED, proofs=PROVEN, card=GOOD),
            ShowKey(Slot.PERSON),
        ),
        (
            Policy(piv_proof="pin"),
            case(PIV, registration=KEYED, proofs=WITH_PIN, card=GOOD),
            Admit(KEYED, PIV),
        ),
        (
            Policy(piv_proof="pin"),
            case(PIV, proofs=PROVEN, card=GOOD),
            Refuse(Reason.NOT_REGISTERED),
        ),
        (Policy(piv_proof="pin"), case(UID, registration=ALICE), Admit(ALICE, UID)),
        # dates
        (
            Policy(),
            case(PIV, registration=ALICE, proofs=PROVEN, card=LATE),
            Refuse(Reason.OUTSIDE_DATES),
        ),
        (
            Policy(piv_dates=False),
            case(PIV, registration=ALICE, proofs=PROVEN, card=LATE),
            Admit(ALICE, PIV),
        ),
        # hours
        (
            Policy(uid_hours=WEEKDAYS),
            case(UID, registration=ALICE, minute=SUNDAY_NOON),
            Refuse(Reason.OUTSIDE_HOURS),
        ),
        (Policy(uid_hours=WEEKDAYS), case(UID, registration=ALICE), Admit(ALICE, UID)),
        (
            Policy(),
            case(UID, registration=replace(ALICE, hours="sun 10:00-11:00")),
            Refuse(Reason.OUTSIDE_HOURS),
        ),
        (
            Policy(uid_hours="sun 00:00-24:00"),
            case(UID, registration=replace(ALICE, hours=WEEKDAYS), minute=SUNDAY_NOON),
            Refuse(Reason.OUTSIDE_HOURS),
        ),
        (
            replace(KIOSK, uid_hours=WEEKDAYS),
            case(UID, minute=SUNDAY_NOON),
            Refuse(Reason.OUTSIDE_HOURS),
        ),
        # kiosk
        (KIOSK, case(UID), new("guest", UID, Strength.UID)),
        (KIOSK, case(PSEUDO), new("guest", PSEUDO, Strength.PSEUDO)),
        (KIOSK, case(PIV, proofs=PROVEN), new("guest", PIV, Strength.PIV)),
        (KIOSK, case(UID, registration=ALICE), Admit(ALICE, UID)),
        (
            KIOSK,
            case(UID, registration=Registration("alice", False)),
            Refuse(Reason.TOKEN_DISABLED),
        ),
        (KIOSK, case(UID, registry_failed=True), Refuse(Reason.REGISTRY_DOWN)),
        # self-registration
        (SELF, case(UID), AskPerson(Question.REGISTER)),
        (SELF, case(PIV), ShowKey(Slot.CARD)),
        (SELF, case(PIV, proofs=PROVEN), AskPerson(Question.REGISTER)),
        (SELF, case(UID, vouched="bob", proofs=TYPED), new("bob", UID, Strength.UID)),
        (
            SELF,
            case(UID, registration=Registration("alice", False), vouched="bob"),
            Refuse(Reason.TOKEN_DISABLED),
        ),
        # login without a card
        (LOGIN, case(PSEUDO), AskPerson(Question.LOGIN)),
        (LOGIN, case(PSEUDO, registration=ALICE), AskPerson(Question.LOGIN)),
        (LOGIN, case(PSEUDO, vouched="bob"), AskPerson(Question.LOGIN)),
        (
            LOGIN,
            case(PSEUDO, vouched="bob", proofs=TYPED),
            new("bob", Token("user", "bob"), Strength.USER),
        ),
        (LOGIN, case(Token("pseudo", "desk2")), Refuse(Reason.OTHER_DESKS_TOKEN)),
        (Policy(login=True), case(PSEUDO), AskPerson(Question.LOGIN)),
        (Policy(login=True), case(PSEUDO, registration=ALICE), Admit(ALICE, PSEUDO)),
        (Policy(pseudo=Who.OFF), case(PSEUDO), Refuse(Reason.KIND_OFF)),
        (
            replace(LOGIN, login_hours=WEEKDAYS),
            case(PSEUDO, minute=SUNDAY_NOON),
            Refuse(Reason.OUTSIDE_HOURS),
        ),
        # a login needs no entry, unless the desk may have one
        (LOGIN, case(PSEUDO, registry_failed=True), AskPerson(Question.LOGIN)),
        (
            Policy(login=True),
            case(PSEUDO, registry_failed=True),
            Refuse(Reason.REGISTRY_DOWN),
        ),
        # cards of a CA
        (CHAINED, case(PIV, proofs=PROVEN, card=GOOD), new("alice", PIV, Strength.PIV)),
        (
            CHAINED,
            case(PIV, registration=Registration("bob", False), proofs=PROVEN, card=GOOD),
            Refuse(Reason.TOKEN_DISABLED),
        ),
        # what its CA has revoked opens nothing, registered or not; of other CAs nothing is asked
        *(
            (
                replace(policy, kiosk_user="guest", piv_dates=False),
                case(PIV, registration=known, proofs=PROVEN, card=replace(GOOD, chain=chain)),
                step,
            )
            for policy, known in (
                (Policy(), ALICE),
                (CHAINED, ALICE),
                (Policy(piv=Who.SELF), None),
                (Policy(piv=Who.KIOSK), None),
            )
            for chain, step in (
                (Reason.REVOKED, Refuse(Reason.REVOKED)),
                *((each, Admit(ALICE, PIV)) for each in UNPROVEN_CHAINS if known is not None),
            )
        ),
        (
            Policy(),
            case(PIV, registration=replace(ALICE, lost=True), proofs=PROVEN, card=REVOKED),
            Refuse(Reason.TOKEN_LOST),
        ),
        (CHAINED, case(PIV, proofs=PROVEN), ShowKey(Slot.CARD)),
        (
            CHAINED,
            case(PIV, proofs=PROVEN, vouched="alice"),
            new("alice", PIV, Strength.PIV),
        ),
        *(
            (
                CHAINED,
                case(PIV, proofs=PROVEN, card=replace(GOOD, chain=reason)),
                Refuse(reason),
            )
            for reason in (
                Reason.UNKNOWN_ISSUER,
                Reason.REVOKED,
                Reason.NO_REVOCATION_LIST,
                Reason.OUTSIDE_DATES,
                Reason.NOT_FOR_SIGNING,
            )
        ),
        (
            CHAINED,
            case(PIV, proofs=PROVEN, card=OTHER),
            Refuse(Reason.NO_USER_IN_CERTIFICATE),
        ),
        (
            CHAINED,
            case(PIV, proofs=PROVEN, card=NAMELESS),
            Refuse(Reason.NO_USER_IN_CERTIFICATE),
        ),
        (
            replace(CHAINED, piv_proof="pin"),
            case(PIV, proofs=PROVEN, card=NAMELESS),
            ShowKey(Slot.PERSON),
        ),
        (
            replace(CHAINED, piv_proof="pin"),
            case(PIV, proofs=WITH_PIN, card=NAMELESS, person=GOOD),
            new("alice", PIV, Strength.PIV),
        ),
        (
            replace(CHAINED, chained_user="email"),
            case(PIV, proofs=PROVEN, card=replace(GOOD, email="bob@CORP.example")),
            new("bob", PIV, Strength.PIV),
        ),
        (
            replace(CHAINED, chained_user="cn"),
            case(PIV, proofs=PROVEN, card=replace(GOOD, common_name="carol")),
            new("carol", PIV, Strength.PIV),
        ),
        # what a certificate holds is not always the name of an account
        *(
            (
                replace(CHAINED, chained_user=kind),
                case(PIV, proofs=PROVEN, card=replace(GOOD, **{field: text + domain})),
                Refuse(Reason.NO_USER_IN_CERTIFICATE),
            )
            for kind, field, domain in (
                ("cn", "common_name", ""),
                ("upn", "upn", "@corp.example"),
                ("email", "email", "@corp.example"),
            )
            for text in ("Carol Smith", "-x", "../root", "carol\nroot", "a=b", "é", "c" * 65)
        ),
        (
            CHAINED,
            case(PIV, proofs=PROVEN, card=replace(GOOD, upn="1234567890.Mil@corp.example")),
            new("1234567890.Mil", PIV, Strength.PIV),
        ),
    ],
)
def test_the_next_step(policy, given, step):
    assert entry(policy, given) == step


HIS = Admit(ALICE, UID)
PASSWORD = Policy(after_hotdesk=Extra.PASSWORD)
PIN = Policy(after_hotdesk=Extra.PIN)
ASKED = AskPerson(Question.PASSWORD, "alice")
GRACE = replace(PASSWORD, grace_s=30)
GUEST = Admit(Registration("guest", True), UID)


@pytest.mark.parametrize(
    ("policy", "given", "admitted", "away", "step"),
    [
        (Policy(), case(UID, registration=ALICE), HIS, None, HIS),
        (PASSWORD, case(UID, registration=ALICE), HIS, None, ASKED),
        (PASSWORD, case(UID, registration=ALICE), HIS, Away(0.0), ASKED),
        (PASSWORD, case(UID, registration=ALICE, proofs=TYPED), HIS, None, HIS),
        (GRACE, case(UID, registration=ALICE), HIS, Away(30.0), HIS),
        (GRACE, case(UID, registration=ALICE), HIS, Away(30.1), ASKED),
        (GRACE, case(UID, registration=ALICE), HIS, None, ASKED),
        # a copy of the card, while the person works
        (GRACE, case(UID, registration=ALICE), HIS, Away(0.0, shown=True), ASKED),
        # the terminal has lost its server, the card was never out
        (PASSWORD, case(UID, registration=ALICE), HIS, Away(9.0, resumed=True), HIS),
        (
            PASSWORD,
            case(UID, registration=ALICE),
            HIS,
            Away(0.0, shown=True, resumed=True),
            HIS,
        ),
        (
            replace(GRACE, lock_on_removal=True),
            case(UID, registration=ALICE),
            HIS,
            Away(1.0),
            ASKED,
        ),
        (PIN, case(PIV, registration=ALICE, proofs=PROVEN), HIS, None, ShowKey(Slot.PERSON)),
        (PIN, case(PIV, registration=ALICE, proofs=WITH_PIN), HIS, None, HIS),
        # what has no PIN has a password
        (PIN, case(UID, registration=ALICE), HIS, None, ASKED),
        (PIN, case(PIV, proofs=PROVEN | TYPED), HIS, None, ShowKey(Slot.PERSON)),
        # nobody knows a kiosk's password
        (replace(KIOSK, after_hotdesk=Extra.PASSWORD), case(UID), GUEST, None, GUEST),
        # a registered token of that user is a person's
        (
            replace(KIOSK, after_hotdesk=Extra.PASSWORD),
            case(UID, registration=GUEST.registration),
            GUEST,
            None,
            AskPerson(Question.PASSWORD, "guest"),
        ),
    ],
)  # fmt: skip
def test_what_is_shown_before_a_session_is_seen(policy, given, admitted, away, step):
    assert opening(policy, given, admitted, away) == step


PERSON = CardFacts(None, "cd" * 20, True, None, "CN=alice", "CN=CA")
CARD = replace(GOOD, card="urn:uuid:1")


@pytest.mark.parametrize(
    ("registration", "card", "person", "reason"),
    [
        (KEYED, CARD, PERSON, None),
        (KEYED, None, PERSON, None),
        (KEYED, CARD, replace(PERSON, chain=Reason.REVOKED), Reason.REVOKED),
        (KEYED, CARD, replace(PERSON, chain=Reason.UNKNOWN_ISSUER), None),
        (KEYED, CARD, replace(PERSON, key="ee" * 20), Reason.OTHER_CARDS_KEY),
        # the chain does not help a key that is not the registered one
        (KEYED, CARD, replace(PERSON, key="ee" * 20, chain=None), Reason.OTHER_CARDS_KEY),
        (None, CARD, PERSON, None),
        (ALICE, CARD, PERSON, None),
        (None, None, PERSON, Reason.OTHER_CARDS_KEY),
        (None, CARD, replace(PERSON, subject="CN=bob"), Reason.OTHER_CARDS_KEY),
        (None, CARD, replace(PERSON, issuer="CN=other"), Reason.OTHER_CARDS_KEY),
        (None, CARD, replace(PERSON, subject="CN=a", card="urn:uuid:1"), None),
        (
            None,
            replace(CARD, card=""),
            replace(PERSON, subject="CN=a", card=""),
            Reason.OTHER_CARDS_KEY,
        ),
        (None, CARD, replace(PERSON, chain=Reason.REVOKED), Reason.REVOKED),
        (
            None,
            replace(CARD, chain=Reason.UNKNOWN_ISSUER),
            PERSON,
            Reason.OTHER_CARDS_KEY,
        ),
    ],
)
def test_both_keys_are_of_one_card(registration, card, person, reason):
    assert same_card(registration, card, person) is reason


def test_every_reason_has_a_number_for_the_person():
    assert all(reason.notice for reason in Reason)


@pytest.mark.parametrize("user", ["alice", "a.b-c_d", "alice@corp", "é", "x" * 65])
def test_every_user_has_a_login_token_of_their_own(user):
    assert login_token(user).kind == "user"
    assert login_token(user) != login_token(user + "x")
