"""A session is a user's: a token that is somebody else's now never opens it, on any way."""

import dataclasses

import pytest

from fakes.lan import ALICE, Site
from fakes.proofs import RIGHT
from roamwire.control import (
    Ask,
    Cause,
    Connect,
    Notice,
    Question,
    Redirect,
    Remove,
    Select,
    Sessions,
)
from roamwire.errors import LocalProtocolError
from roamwire.notices import NoticeCode
from roamwire.tokens import Token
from sessionhost.core.actions import Audit, StartSession
from sessionhost.core.authentication import Admitted
from sessionhost.core.insert import ConnectHere
from sessionhost.core.links import Inserting
from sessionhost.core.policy import Extra, Policy, Who
from sessionhost.core.registration import Registration
from sessionhost.core.sessions import Session

BOBS = Registration("bob", True)
WITH_PASSWORD = Policy(after_hotdesk=Extra.PASSWORD)


def site_of(*names, policy=None):
    """Servers that have found each other; a session of Alice's card is made by `alices`."""
    site = Site(*names, policy=policy or Policy())
    site.passwords = {("alice", "secret"): RIGHT, ("bob", "bobs"): RIGHT}
    site.run(2.0)
    return site


def alices(site, server, token=ALICE):
    """Alice's session of the token at that server, which no terminal shows any more."""
    desk = site.desk(server)
    others = [node.machine for name, node in site.nodes.items() if name != server]
    for core in others:  # nobody else takes it
        core.group.standing.drain = True
        core.group.announce_soon(site.now)
    site.run(0.5)
    desk.insert(token)
    if desk.told(Ask):
        desk.type("secret", "alice")
    site.run(1.0)
    (shown,) = desk.told(Connect)
    desk.say(Remove(desk.seq))
    for core in others:
        core.group.standing.drain = False
        core.group.announce_soon(site.now)
    site.run(6.0)
    site.done.clear()
    return shown.session


def drained(site, server):
    """Whoever comes to that server is sent on."""
    site.core(server).group.standing.drain = True
    site.core(server).group.announce_soon(site.now)
    site.run(0.5)


def started(site):
    return [order.user for order in site.actions(StartSession)]


def shown(desk):
    return [line.session for line in desk.told(Connect)]


def codes(desk):
    return [line.code for line in desk.told(Notice)]


def test_a_card_that_was_given_to_somebody_else_opens_a_session_of_its_own():
    site = site_of("s1")
    old = alices(site, "s1")
    site.registry[ALICE] = BOBS
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    (new,) = shown(desk)
    assert new != old
    assert desk.told(Connect)[0].user == "bob"
    assert started(site) == ["bob"]


def test_the_password_of_the_new_user_does_not_open_the_session_of_the_last_one():
    site = site_of("s1", policy=WITH_PASSWORD)
    old = alices(site, "s1")
    site.registry[ALICE] = BOBS
    desk = site.desk("s1")
    desk.insert(ALICE)
    assert [(ask.what, ask.user) for ask in desk.told(Ask)] == [(Question.PASSWORD, "bob")]
    desk.type("bobs")
    site.run(1.0)
    assert old not in shown(desk)
    assert started(site) == ["bob"]


def test_the_card_is_the_first_users_again_and_opens_the_first_session():
    site = site_of("s1")
    old, alice = alices(site, "s1"), site.registry[ALICE]
    for registration in (BOBS, alice):
        site.registry[ALICE] = registration
        desk = site.desk("s1")
        desk.insert(ALICE)
        site.run(1.0)
        desk.say(Remove(desk.seq))
    assert shown(desk) == [old]


def test_another_server_is_not_told_of_the_session_of_the_last_user():
    site = site_of("s1", "s2")
    old = alices(site, "s2")
    site.registry[ALICE] = BOBS
    drained(site, "s1")
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    assert [line.host for line in desk.told(Redirect)] == ["s2"]
    desk.follow()
    site.run(1.0)
    (new,) = shown(desk)
    assert new != old
    assert started(site) == ["bob"]


def test_a_ticket_for_the_session_of_the_last_user_opens_nothing():
    site = site_of("s1", "s2")
    old = alices(site, "s2")
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    assert desk.told(Redirect)[-1].host == "s2"
    site.registry[ALICE] = BOBS  # while it is under way
    desk.follow()
    site.run(1.0)
    assert (codes(desk), shown(desk)) == ([NoticeCode.NOT_REGISTERED], [])
    reasons = [each.record.reason for each in site.actions(Audit, "s2")]
    assert "other-users-token" in reasons
    assert old in [session for _, session, _ in site.sessions()]


def test_a_server_that_was_not_told_yet_shows_nothing_to_whom_another_one_has_sent():
    site = site_of("s1", "s2")
    alices(site, "s2")
    site.own_registries["s1"] = {ALICE: BOBS}
    drained(site, "s1")
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    desk.follow()
    site.run(1.0)
    assert (codes(desk), shown(desk)) == ([NoticeCode.NOT_REGISTERED], [])


def test_a_user_that_a_ticket_vouches_for_gets_no_session_of_another_one():
    """s2 does not know the card any more, and still has the session of the last user."""
    site = site_of("s1", "s2", policy=Policy(uid=Who.SELF, after_hotdesk=Extra.PASSWORD))
    old = alices(site, "s2")
    site.registry = {}
    site.own_registries["s1"] = {ALICE: BOBS}
    drained(site, "s1")
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    desk.follow()
    site.run(0.5)
    for ask in desk.told(Ask):
        assert ask.user == "bob"
        desk.type("bobs")
    site.run(1.0)
    (new,) = shown(desk)
    assert new != old
    assert started(site) == ["bob"]


def test_a_failover_does_not_lead_to_an_older_session_of_the_last_user():
    site = site_of("s1", "s2")
    old = alices(site, "s2")
    site.registry[ALICE] = BOBS
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    while desk.told(Redirect):
        desk.follow()
        site.run(1.0)
    assert old not in shown(desk)
    site.kill("s1")
    desk.connect("s2")
    desk.lines.clear()
    desk.insert(ALICE, Cause.FAILOVER, lost="s1")
    site.run(1.0)
    assert len(shown(desk)) == 1
    assert old not in shown(desk)


def test_who_registers_a_free_card_gets_no_session_of_its_last_user():
    site = site_of("s1", policy=Policy(uid=Who.SELF))
    old = alices(site, "s1")
    del site.registry[ALICE]
    desk = site.desk("s1")
    desk.insert(ALICE)
    assert [ask.what for ask in desk.told(Ask)] == [Question.REGISTER]
    desk.type("bobs", "bob")
    site.run(1.0)
    (new,) = shown(desk)
    assert new != old
    assert started(site) == ["bob"]


def test_another_kiosk_user_gets_no_session_of_the_last_one():
    guests = Token("uid", "0e57")
    site = site_of("s1", policy=Policy(uid=Who.KIOSK, kiosk_user="guest"))
    old = alices(site, "s1", guests)
    other = Policy(uid=Who.KIOSK, kiosk_user="visitor")
    site.core("s1").change_policy(other, "0" * 16, site.now)
    desk = site.desk("s1")
    desk.insert(guests)
    site.run(1.0)
    assert old not in shown(desk)
    assert started(site) == ["visitor"]


def test_servers_of_two_kiosk_users_do_not_take_a_ticket_of_each_other():
    guests = Token("uid", "0e57")
    site = site_of("s1", "s2", policy=Policy(uid=Who.KIOSK, kiosk_user="guest"))
    site.core("s2").change_policy(Policy(uid=Who.KIOSK, kiosk_user="visitor"), "0" * 16, site.now)
    old = alices(site, "s2", guests)
    drained(site, "s1")
    desk = site.desk("s1")
    desk.insert(guests)
    site.run(1.0)
    desk.follow(guests)
    site.run(1.0)
    assert shown(desk) == [old]
    assert desk.told(Connect)[0].user == "visitor"
    assert site.core("s2").dropped["ticket"] == 1


def test_sessions_of_before_a_restart_are_still_their_users():
    site = site_of("s1")
    core = site.core("s1")
    core.recover([Session("a1", ALICE, "alice", "desktop", site.now, 3, "/run/a1")], site.now)
    site.registry[ALICE] = BOBS
    site.run(1.0)
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    assert started(site) == ["bob"]
    assert "a1" not in shown(desk)


# The menu


def with_two(site):
    """A desk that shows one of Alice's two sessions; the other one's name."""
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    first = shown(desk)[0]
    desk.say(Select(desk.seq))
    site.run(1.0)
    assert len(shown(desk)) == 2
    desk.lines.clear()
    site.done.clear()
    return desk, first


@pytest.mark.parametrize("now", [BOBS, None, Registration("alice", False)])
def test_a_menu_opens_nothing_more_once_the_token_is_not_the_users(now):
    site = site_of("s1")
    desk, first = with_two(site)
    site.registry[ALICE] = now
    for wish in (Select(desk.seq, first), Select(desk.seq)):
        desk.say(wish)
        site.run(1.0)
    assert shown(desk) == []
    assert site.actions(StartSession) == []
    assert len(desk.told(Sessions)) == 2
    refused = [each.record for each in site.actions(Audit) if each.record.decision == "refused"]
    assert [(record.what, record.who) for record in refused] == [("menu", "alice")] * 2


def test_a_menu_opens_nothing_when_the_registry_cannot_say_whose_the_token_is():
    site = site_of("s1")
    desk, first = with_two(site)
    site.registry_fails = True
    desk.say(Select(desk.seq, first))
    site.run(1.0)
    assert shown(desk) == []
    site.registry_fails = False
    desk.say(Select(desk.seq, first))
    site.run(1.0)
    assert shown(desk) == [first]


def test_a_choice_is_nothing_once_the_card_is_out():
    site = site_of("s1")
    desk, first = with_two(site)
    site.hold_lookups = True
    desk.say(Select(desk.seq, first))
    desk.say(Remove(desk.seq))
    site.answer_lookups()
    site.run(1.0)
    assert desk.lines == []


@pytest.mark.parametrize("server", ["s1", "s2"])
def test_a_menu_neither_lists_nor_opens_the_sessions_of_the_last_user(server):
    site = site_of("s1", "s2")
    old = alices(site, server)
    site.registry[ALICE] = BOBS
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    while desk.told(Redirect):
        desk.follow()
        site.run(1.0)
    (mine,) = shown(desk)
    desk.lines.clear()
    desk.say(Select(desk.seq, old))
    site.run(1.0)
    assert (shown(desk), desk.told(Redirect)) == ([], [])
    (listed,) = desk.told(Sessions)
    assert [offer.session for offer in listed.offers] == [mine]


def test_the_last_door_is_shut_too():
    """Whatever has decided it, a session is attached for its owner only."""
    site = site_of("s1")
    old = alices(site, "s1")
    desk, core = site.desk("s1"), site.core("s1")
    link = core._links[desk.link]
    inserting = Inserting(1, ALICE, Cause.INSERT, registration=BOBS)
    with pytest.raises(LocalProtocolError, match="somebody else's"):
        core._admit(Admitted(link, inserting, BOBS, ConnectHere(old)), site.now)
    alice = dataclasses.replace(inserting, registration=site.registry[ALICE])
    core._admit(Admitted(link, alice, alice.registration, ConnectHere(old)), site.now)
    assert core.sessions.get(old).attachment.dtu == desk.name
