"""Another policy under a running server: what is judged by it, what goes on, who is told."""

from fakes.lan import ALICE, BOB
from fakes.proofs import CARD, codes, shown, site_of
from roamwire.control import Ask, Challenge, Welcome
from roamwire.datagrams import Host
from roamwire.notices import NoticeCode
from roamwire.proof import Slot
from roamwire.tokens import Token
from sessionhost.core.actions import Audit, CheckPassword
from sessionhost.core.policy import Extra, Policy, Who

NEW = "feedfeedfeedfeed"


def change(site, policy, digest=NEW):
    site.core("s1").change_policy(policy, digest, site.now)
    site.deliver()


def test_a_session_goes_on_and_the_next_insert_is_judged_anew():
    site = site_of()
    desk, other = site.desk("s1"), site.desk("s1")
    desk.insert(ALICE)
    (session,) = shown(desk)
    change(site, Policy(uid=Who.OFF))
    site.run(1.0)
    assert [each[1:] for each in site.sessions()] == [(session, "desk1")]
    assert not desk.closed
    other.insert(BOB)
    assert codes(other) == [NoticeCode.KIND_REFUSED]
    change(site, Policy())
    other.insert(BOB)
    assert len(shown(other)) == 1


def test_an_insert_under_way_goes_on_by_the_new_policy():
    site = site_of()
    desk = site.desk("s1")
    desk.insert(CARD.token)
    change(site, Policy(piv_proof="pin", after_hotdesk=Extra.NONE))
    desk.sign(CARD)
    assert [each.slot for each in desk.told(Challenge)] == [Slot.CARD, Slot.PERSON]


def test_the_hash_goes_into_host_messages_and_the_audit_log():
    site = site_of("s1", "s2")
    before = site.core("s1").group.standing.policy
    since = site.now
    change(site, Policy(uid=Who.OFF))
    site.run(1.0)
    told = [each.policy for _, sender, each in site.datagrams(Host, since) if sender == "s1"]
    assert set(told) == {NEW}
    site.core("s2").group.standing.policy = "00"
    assert site.core("s2").policies.differing(site.core("s2").group) == {"s1": NEW}
    noted = [each.record for each in site.actions(Audit) if each.record.what == "policy"]
    assert [(each.decision, each.reason) for each in noted] == [
        ("changed", f"{before} is {NEW} now")
    ]
    change(site, Policy(uid=Who.OFF))
    assert [each.record.what for each in site.actions(Audit)].count("policy") == 1


def test_connected_terminals_hear_whether_people_may_sign_in():
    site = site_of()
    desk = site.desk("s1")
    change(site, Policy())
    assert [each.login for each in desk.told(Welcome)] == [False]
    change(site, Policy(login=True))
    assert [each.login for each in desk.told(Welcome)] == [False, True]
    desk.insert(Token("pseudo", desk.name))
    assert desk.told(Ask)
    change(site, Policy())
    assert desk.told(Welcome)[-1].login is False


def test_what_was_counted_stays_and_the_new_limit_holds():
    site = site_of(policy=Policy(login=True, user_tries=5))
    for _ in range(2):
        desk = site.desk("s1")
        desk.insert(Token("pseudo", desk.name))
        desk.type("guess", "alice")
    change(site, Policy(login=True, user_tries=2))
    fresh = site.desk("s1")
    fresh.insert(Token("pseudo", fresh.name))
    fresh.type("secret", "alice")
    assert codes(fresh) == [NoticeCode.TOO_MANY_TRIES]
    assert len(site.actions(CheckPassword)) == 2
