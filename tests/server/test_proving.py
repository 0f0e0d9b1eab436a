"""Proofs of a card on a whole server in memory: good, hostile and late ones; what is not told."""

from dataclasses import replace

import pytest

from fakes.lan import ALICE
from fakes.proofs import (
    CARD,
    COPY,
    OTHER,
    WITH_PIN,
    codes,
    keepalive,
    redirected,
    reports,
    shown,
    site_of,
)
from roamtools.sim.cards import SimCard
from roamwire.control import (
    Answer,
    Ask,
    Cause,
    Challenge,
    Connect,
    Notice,
    Redirect,
    Remove,
    Response,
)
from roamwire.datagrams import TokenQ
from roamwire.notices import NoticeCode
from roamwire.proof import CardError, Proof, Slot
from roamwire.tickets import verify
from roamwire.tokens import Token
from sessionhost.core.actions import (
    StartSession,
    Verify,
)
from sessionhost.core.policy import Extra, Policy, Who
from sessionhost.core.reasons import Reason
from sessionhost.core.registration import Registration
from sessionhost.core.timing import CARD_PROOF_S, PIN_PROOF_S

# A card's own key


def test_a_card_that_signs_gets_its_session():
    site = site_of()
    desk = site.desk("s1")
    seq = desk.insert(CARD.token)
    (challenge,) = desk.told(Challenge)
    assert (challenge.seq, challenge.slot) == (seq, Slot.CARD)
    assert len(bytes.fromhex(challenge.data)) == 32
    assert site.actions(StartSession) == []
    desk.sign(CARD)
    assert codes(desk) == [NoticeCode.STARTING]
    assert len(shown(desk)) == 1
    assert "proven 9e" in reports(site) or "shown at desk1" in reports(site)


def test_every_challenge_is_another():
    site = site_of()
    desk = site.desk("s1")
    for _ in range(5):
        desk.insert(CARD.token)
    data = [line.data for line in desk.told(Challenge)]
    assert len(set(data)) == 5


def test_nothing_is_asked_or_told_before_the_proof():
    site = site_of("s1", "s2")
    owner, thief = site.desk("s2"), site.desk("s1")
    site.core("s1").group.standing.drain = True
    owner.insert(CARD.token)
    owner.sign(CARD)
    assert shown(owner)
    start = site.now + 0.001
    thief.insert(CARD.token)
    site.run(1.0)
    assert thief.told(Redirect) == thief.told(Connect) == thief.told(Notice) == []
    assert [m for _, _, m in site.datagrams(TokenQ, since=start) if m.token] == []
    assert site.sessions()[0][2] == owner.name


@pytest.mark.parametrize("token", [CARD.token, OTHER.token])
def test_a_stranger_learns_nothing_of_a_card(token):
    site = site_of()
    desk = site.desk("s1")
    desk.insert(token)
    desk.say(Response(desk.seq, "AAAA", "AAAA"))
    assert codes(desk) == [NoticeCode.NOT_PROVEN]


@pytest.mark.parametrize(
    ("card", "changes", "reason"),
    [
        (COPY, {}, Reason.WRONG_SIGNATURE),
        (OTHER, {}, Reason.WRONG_SIGNATURE),  # another token stands in what it signs
        (CARD, {"signature": ""}, Reason.WRONG_SIGNATURE),
        (CARD, {"certificate": "%"}, Reason.NO_CERTIFICATE),
        (CARD, {"error": CardError.NO_CARD}, Reason.CARD_ERROR),
        (CARD, {"error": CardError.CARD_ERROR}, Reason.CARD_ERROR),
        (CARD, {"error": CardError.NO_KEY}, Reason.CARD_WITHOUT_KEY),
        (CARD, {"error": CardError.PIN_BLOCKED}, Reason.PIN_BLOCKED),
    ],
)
def test_what_proves_nothing_is_refused(card, changes, reason):
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(card, **changes)
    assert codes(desk) == [reason.notice]
    assert f"refused: {reason.value}" in reports(site)
    # And the right answer to the same challenge comes too late.
    desk.sign(CARD)
    assert shown(desk) == []
    assert site.core("s1").dropped["late-response"] == 1


def test_an_own_key_under_anothers_token_is_refused():
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    forger = SimCard(CARD.token, b"a forger's own key")
    desk.sign(forger)
    assert codes(desk) == [Reason.WRONG_KEY.notice]
    assert "refused: wrong-key" in reports(site)


def test_a_recorded_answer_is_worth_nothing():
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    recorded = CARD.answer(desk.told(Challenge)[-1], "s1", desk.name, [], None)
    desk.insert(CARD.token)
    desk.say(replace(recorded, seq=desk.seq))
    assert codes(desk)[-1] == Reason.WRONG_SIGNATURE.notice


@pytest.mark.parametrize("where", [{"server": "s2"}, {"name": "desk9"}])
def test_a_relayed_answer_is_worth_nothing(where):
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    place = {"server": "s1", "name": desk.name} | where
    challenge = desk.told(Challenge)[-1]
    desk.say(CARD.answer(challenge, place["server"], place["name"], [], None))
    assert codes(desk) == [Reason.WRONG_SIGNATURE.notice]


def test_an_answer_counts_only_on_its_link():
    site = site_of()
    desk, other = site.desk("s1"), site.desk("s1")
    desk.insert(CARD.token)
    other.insert(CARD.token)
    answer = CARD.answer(desk.told(Challenge)[-1], "s1", desk.name, [], None)
    other.say(answer)
    assert codes(other) == [Reason.WRONG_SIGNATURE.notice]
    desk.say(answer)
    assert shown(desk)


@pytest.mark.parametrize("seq", [0, 2, 99])
def test_an_answer_to_another_card_event_is_dropped(seq):
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD, seq=seq)
    assert desk.told(Notice) == []
    assert site.core("s1").dropped["late-response"] == 1
    desk.sign(CARD)
    assert shown(desk)


def test_a_challenge_is_good_once():
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    site.hold_replies = True
    desk.sign(CARD)
    desk.sign(COPY)
    assert len(site.actions(Verify)) == 1
    site.hold_replies = False
    site.answer_replies()
    site.deliver()
    assert shown(desk)


def test_a_card_that_is_late_has_to_go_in_again():
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    keepalive(desk, CARD_PROOF_S - 1)
    assert desk.told(Notice) == []
    keepalive(desk, 2)
    assert codes(desk) == [NoticeCode.NO_PROOF_IN_TIME]
    desk.sign(CARD)
    assert shown(desk) == []


def test_a_verdict_about_a_card_that_is_out_counts_for_nothing():
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    site.hold_replies = True
    desk.sign(CARD)
    desk.say(Remove(2))
    desk.seq = 2
    desk.insert(CARD.token)
    site.answer_replies()
    site.deliver()
    assert desk.told(Notice) == []
    assert site.sessions() == []


@pytest.mark.parametrize("line", [Response(1, "AAAA", "AAAA"), Answer(1, "alice", "secret")])
def test_answers_that_nobody_asked_for_are_dropped(line):
    site = site_of()
    desk = site.desk("s1")
    desk.say(line)
    desk.insert(ALICE)
    desk.say(line)
    assert sum(site.core("s1").dropped.values()) == 2
    assert shown(desk)


def test_a_token_that_nobody_can_present_is_no_insert():
    site = site_of(policy=Policy(login=True))
    desk = site.desk("s1")
    desk.insert(Token("user", "alice"))
    assert desk.told(Ask) == []
    assert site.core("s1").dropped["state"] == 1


def test_another_desks_own_token_is_refused():
    site = site_of()
    site.registry[Token("pseudo", "desk2")] = Registration("alice", True)
    desk, _ = site.desk("s1"), site.desk("s1")
    desk.insert(Token("pseudo", "desk2"))
    assert codes(desk) == [NoticeCode.KIND_REFUSED]
    assert "other-desks-token" in reports(site)


# Redirects


def test_a_ticket_carries_the_proof():
    site, owner, desk = redirected()
    first = shown(owner)
    desk.insert(CARD.token)
    desk.sign(CARD)
    site.run(0.5)
    ticket = verify(desk.told(Redirect)[-1].ticket, site.core("s1").group.secrets)
    assert (ticket.proofs, ticket.user) == (frozenset({Proof.CARD}), "alice")
    desk.follow(CARD.token)
    assert desk.told(Challenge) == []
    assert shown(desk) == first


def test_a_failover_proves_the_card_anew():
    _, owner, desk = redirected()
    assert shown(owner)
    desk.connect("s2")
    desk.insert(CARD.token, Cause.FAILOVER, lost="s1")
    assert len(desk.told(Challenge)) == 1
    assert desk.told(Connect) == []


def test_a_redirect_without_its_ticket_proves_the_card_anew():
    _, owner, desk = redirected()
    assert shown(owner)
    desk.connect("s2")
    desk.insert(CARD.token, Cause.REDIRECT, ticket="2~s1~x~y")
    assert len(desk.told(Challenge)) == 1


def test_a_ticket_is_for_the_token_that_was_proven():
    site, owner, desk = redirected()
    site.registry[OTHER.token] = Registration("bob", True)
    shown(owner)
    desk.insert(CARD.token)
    desk.sign(CARD)
    site.run(0.5)
    to = desk.told(Redirect)[-1]
    desk.lines.clear()
    desk.connect("s2")
    desk.insert(OTHER.token, Cause.REDIRECT, to.ticket)
    assert len(desk.told(Challenge)) == 1
    assert desk.told(Connect) == []


def test_an_alias_opens_the_other_cards_session():
    site, owner, desk = redirected()
    site.registry[OTHER.token] = Registration("alice", True, owner=CARD.token)
    first = shown(owner)
    desk.insert(OTHER.token)
    desk.sign(OTHER)
    site.run(0.5)
    desk.follow(OTHER.token)
    assert desk.told(Challenge) == []
    assert shown(desk) == first


# PIN


def pin_site(policy=WITH_PIN, person_key=OTHER.token.value):
    return site_of(policy=policy, person_key=person_key)


def person(desk, key=b"public key 2", **changes):
    """The card signs with its key 9A."""
    desk.sign(SimCard(CARD.token, key), **changes)


def test_the_pin_is_asked_after_the_cards_own_key():
    site = pin_site()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    assert [line.slot for line in desk.told(Challenge)] == [Slot.CARD, Slot.PERSON]
    keepalive(desk, CARD_PROOF_S + 5)
    person(desk)
    assert shown(desk)


def test_a_pin_on_another_card_proves_nothing():
    site = pin_site()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    person(desk, b"public key 3")
    assert codes(desk) == [Reason.OTHER_CARDS_KEY.notice]
    assert shown(desk) == []


def test_the_cards_own_key_is_no_pin():
    site = pin_site()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    desk.sign(CARD)
    assert shown(desk) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CardError.PIN_CANCELLED, NoticeCode.PIN_NOT_GIVEN),
        (CardError.PIN_BLOCKED, NoticeCode.PIN_BLOCKED),
    ],
)
def test_a_pin_that_was_not_given(error, code):
    site = pin_site()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    desk.say(Response(desk.seq, error=error))
    assert codes(desk) == [code]


def test_a_pin_has_its_time():
    site = pin_site()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    keepalive(desk, PIN_PROOF_S + 1)
    assert codes(desk) == [NoticeCode.PIN_NOT_GIVEN]


def test_a_certificate_of_9a_outside_its_dates_is_refused():
    site = pin_site()
    site.facts[OTHER.token.value] = {"dates_hold": False}
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    person(desk)
    assert codes(desk) == [NoticeCode.CERTIFICATE_REFUSED]


def test_a_redirected_chained_card_shows_both_keys_for_a_pin():
    policy = Policy(
        piv=Who.CHAINED, chained_domains=("corp",), after_hotdesk=Extra.PIN, user_tries=3
    )
    site, owner, desk = redirected(policy)
    del site.registry[CARD.token]
    chain = {"chain": None, "upn": "alice@corp", "issuer": "CN=CA", "subject": "CN=alice"}
    site.facts[CARD.token.value] = site.facts[OTHER.token.value] = chain
    owner.hang_up()
    owner.connect("s2")
    owner.insert(CARD.token)
    owner.sign(CARD)
    person(owner)
    first = shown(owner)
    desk.insert(CARD.token)
    desk.sign(CARD)
    site.run(0.5)
    ticket = verify(desk.told(Redirect)[-1].ticket, site.core("s1").group.secrets)
    assert ticket.user == "alice"
    desk.follow(CARD.token)
    assert [line.slot for line in desk.told(Challenge)] == [Slot.CARD]
    desk.sign(CARD)
    assert [line.slot for line in desk.told(Challenge)] == [Slot.CARD, Slot.PERSON]
    person(desk)
    assert shown(desk) == first
