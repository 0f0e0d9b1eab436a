"""Reader desks on a whole server in memory: they open nothing, note what they see, enrol cards."""

import asyncio

import pytest

from fakes.lan import ALICE, SECRETS, Site
from fakes.proofs import CARD, COPY, OTHER, codes, reports, shown, site_of
from roamtools.sim.cards import SimCard
from roamwire.control import Challenge
from roamwire.notices import NoticeCode
from roamwire.proof import Slot
from roamwire.tokens import Token
from sessionhost.app.admin import status
from sessionhost.app.admin_cards import CardQuestions
from sessionhost.core import readers
from sessionhost.core.actions import Register, Report
from sessionhost.core.policy import Policy
from sessionhost.core.readers import Enrolment, ReaderDesks
from sessionhost.core.timing import ENROL_S

STRANGER = Token("uid", "0999")
PERSON_KEY = SimCard(OTHER.token, b"public key 9")


@pytest.fixture
def site():
    made = site_of()
    made.readers.add("desk1")
    return made


def desk_of(site):
    return site.desk("s1")


def order(site, user="carol", **given):
    """An administrator waits for a card at desk1."""
    found = Enrolment("desk1", user, given.pop("label", ""), given.pop("pin", False))
    assert site.core("s1").authentication.readers.order(found, site.now)
    return found


def seen(site):
    return list(site.core("s1").authentication.readers.seen)


def test_a_reader_desk_opens_nothing_and_notes_what_it_sees(site):
    desk = desk_of(site)
    for token in (ALICE, STRANGER):
        desk.insert(token)
    desk.insert(CARD.token)
    desk.sign(CARD)
    assert codes(desk) == [NoticeCode.TOKEN_SEEN] * 3
    assert shown(desk) == []
    assert [(each.token, each.proven) for each in seen(site)] == [
        (ALICE, False),
        (STRANGER, False),
        (CARD.token, True),
    ]


def test_a_copy_is_not_noted(site):
    desk = desk_of(site)
    desk.insert(CARD.token)
    desk.sign(COPY)
    assert codes(desk) == [NoticeCode.NOT_PROVEN]
    assert seen(site) == []


def test_the_next_card_is_the_users(site):
    desk = desk_of(site)
    wait = order(site, label="blue")
    desk.insert(OTHER.token)
    assert site.actions(Register) == []
    desk.sign(OTHER)
    (made,) = site.actions(Register)
    assert (made.token, made.user, made.label) == (OTHER.token, "carol", "blue")
    assert codes(desk) == [NoticeCode.TOKEN_ENROLLED]
    assert (wait.token, wait.outcome) == (str(OTHER.token), "registered")
    # One order, one card.
    desk.insert(STRANGER)
    assert len(site.actions(Register)) == 1
    site.readers.clear()
    desk.insert(OTHER.token)
    desk.sign(OTHER)
    assert shown(desk)


def test_a_copy_is_not_enrolled(site):
    desk = desk_of(site)
    wait = order(site)
    desk.insert(CARD.token)
    desk.sign(COPY)
    assert site.actions(Register) == []
    assert wait.outcome == ""


def test_a_card_of_somebody_is_not_given_away(site):
    desk = desk_of(site)
    wait = order(site)
    desk.insert(CARD.token)
    desk.sign(CARD)
    assert "belongs to somebody" in wait.outcome
    assert site.registry[CARD.token].user == "alice"
    assert "not registered" in reports(site)


def test_with_a_pin_both_keys_are_registered(site):
    desk = desk_of(site)
    order(site, pin=True)
    desk.insert(OTHER.token)
    desk.sign(OTHER)
    assert [line.slot for line in desk.told(Challenge)] == [Slot.CARD, Slot.PERSON]
    assert site.actions(Register) == []
    desk.sign(PERSON_KEY)
    (made,) = site.actions(Register)
    assert made.person_key == SimCard.with_key(9).token.value


def test_a_policy_with_a_pin_wants_both_keys_at_once():
    site = site_of(policy=Policy(piv_proof="pin"))
    site.readers.add("desk1")
    desk = desk_of(site)
    order(site)
    desk.insert(OTHER.token)
    desk.sign(OTHER)
    assert desk.told(Challenge)[-1].slot is Slot.PERSON


def test_other_desks_are_not_waited_for(site):
    first = desk_of(site)
    other = desk_of(site)
    order(site)
    other.insert(STRANGER)
    assert site.actions(Register) == []
    assert first.lines != other.lines


def test_an_order_has_its_time_and_can_be_cancelled():
    desks = ReaderDesks()
    desks.order(Enrolment("d", "alice", "", pin=False), 0.0)
    assert desks.wanted("d", ENROL_S - 1) is not None
    assert desks.wanted("d", ENROL_S) is None
    assert desks.outcome("d", ENROL_S) is None
    desks.order(Enrolment("d", "bob", "", pin=False), 0.0)
    desks.cancel("d")
    assert desks.wanted("d", 1.0) is None


def test_orders_and_seen_tokens_are_bounded(site, monkeypatch):
    monkeypatch.setattr(readers, "MAX_ORDERS", 2)
    desks = ReaderDesks()
    made = [desks.order(Enrolment(name, "alice", "", pin=False), 0.0) for name in "abca"]
    assert made == [True, True, False, True]
    assert desks.order(Enrolment("c", "alice", "", pin=False), ENROL_S)
    assert desks.seen.maxlen == readers.MAX_SEEN


def test_what_roamctl_asks(site):
    async def is_reader(dtu):
        return dtu in site.readers

    questions = CardQuestions(site.core("s1"), is_reader)

    def answer(*words):
        return asyncio.run(questions.answer(list(words)))

    assert "no reader desk" in answer("enrol", "desk9", "alice", "card")["error"]
    assert "no reader desk" in answer("enrol", "%", "alice", "card")["error"]
    assert "not connected" in answer("enrol", "desk1", "alice", "card")["error"]
    desk = desk_of(site)
    assert answer("enrol", "desk1", "carol", "pin", "blue%20card") == {"seconds": ENROL_S}
    assert answer("seen") == {"seen": []}
    assert answer("what") is None
    assert "label" in answer("enrol", "desk1", "carol", "card", "%")["error"]
    assert answer("enrol-cancel", "desk1") == {"cancelled": "desk1"}
    desk.insert(STRANGER)
    (row,) = answer("seen")["seen"]
    assert (row["token"], row["dtu"], row["proven"]) == (str(STRANGER), "desk1", False)


# One policy for all


def test_another_policy_is_told_once_and_when_it_is_over():
    site = Site("s1", "s2", "s3")
    for name, digest in (("s1", "a" * 16), ("s2", "b" * 16)):
        site.core(name).group.standing.policy = digest
    site.run(5.0)
    core = site.core("s1")
    told = [each.text for each in site.actions(Report, "s1") if "policy" in each.text]
    assert len(told) == 1
    assert told[0].startswith(f"s2 has policy {'b' * 16}, we have {'a' * 16}")
    assert status(core, site.now)["other_policies"] == {"s2": "b" * 16}
    site.core("s2").group.standing.policy = "a" * 16
    site.run(5.0)
    told = [each.text for each in site.actions(Report, "s1") if "policy" in each.text]
    assert told[1:] == ["s2 has our policy again"]
    assert status(core, site.now)["other_policies"] == {}
    assert SECRETS.live
