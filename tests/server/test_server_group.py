"""Servers of one group and a card between them: redirect, take-over, failover, races, forgeries."""

import dataclasses

import pytest

from fakes.lan import ALICE, BOB, SECRETS, STRANGER, Site
from roamwire import tickets
from roamwire.control import Cause, Connect, Disconnect, Keepalive, Notice, Redirect, Remove
from roamwire.datagrams import TokenQ
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tickets import MAX_HOPS
from sessionhost.core.actions import Lookup, Report, StartSession
from sessionhost.core.timing import NONCE_S, PENDING_RETRY_S, PENDING_ROUNDS, QUESTION_S


def group(*names, **loads):
    """Servers that know each other; `s1=3000` loads s1."""
    site = Site(*names)
    for name, load in loads.items():
        site.core(name).group.standing.load = load
    site.run(3.0)
    return site


def opened(site, desk, token=ALICE):
    """Insert, follow redirects, wait for the picture."""
    desk.insert(token)
    site.run(0.5)
    for _ in range(MAX_HOPS):
        if not desk.told(Redirect):
            break
        desk.follow(token)
        site.run(0.5)
    return desk.told(Connect)[-1]


def shown(site):
    return {desk: (server, session) for server, session, desk in site.sessions() if desk}


def test_a_new_session_is_placed_on_the_least_loaded_server():
    site = group("s1", "s2", "s3", s1=3000, s2=2000)
    desk = site.desk("s1")
    desk.insert()
    (redirect,) = desk.told(Redirect)
    assert (redirect.host, redirect.address, redirect.port) == ("s3", "10.0.0.3", 7009)
    assert site.actions(StartSession) == []
    desk.follow()
    site.run(1.0)
    assert shown(site) == {"desk1": ("s3", desk.told(Connect)[0].session)}
    assert site.actions(StartSession, "s3")


def test_a_card_finds_its_session_from_any_server():
    site = group("s1", "s2", "s3", s1=3000, s2=2000)
    home = opened(site, site.desk("s1"))
    for name in ("s1", "s2", "s3"):
        assert opened(site, site.desk(name)).session == home.session
    assert len(site.actions(StartSession)) == 1
    assert list(shown(site)) == ["desk4"]


def test_a_redirect_asks_nobody_a_second_time():
    site = group("s1", "s2", s1=3000)
    desk = site.desk("s1")
    desk.insert()
    start = site.now
    desk.follow()
    assert [name for _, name, message in site.datagrams(TokenQ, since=start) if message.token] == [
        "s1"
    ]


def test_the_card_goes_to_the_desk_where_it_was_put_in_last():
    site = group("s1", "s2", s1=3000)
    one, two = site.desk("s1"), site.desk("s2")
    for turn in range(6):
        desk, other = (one, two) if turn % 2 == 0 else (two, one)
        desk.lines.clear()
        other.lines.clear()
        connect = opened(site, desk)
        assert shown(site) == {desk.name: ("s2", connect.session)}
        if turn:
            assert other.told(Disconnect)[0].reason == "taken-over"


def two_sessions():
    """A partition has given one card two sessions; returns that of s1, s2's is the later one."""
    site = group("s1", "s2")
    site.nodes["s2"].cut = True
    site.run(6.0)
    older, newer = site.desk("s1"), site.desk("s2")
    first = opened(site, older)
    older.say(Remove(9))
    site.run(1.0)
    opened(site, newer)
    newer.say(Remove(9))
    site.nodes["s2"].cut = False
    site.run(3.0)
    assert len(site.sessions()) == 2
    return site, first


def test_the_most_recent_of_two_sessions_wins():
    """After a partition a token may have two; the later connected one is the person's."""
    site, older = two_sessions()
    third = site.desk("s1")
    assert opened(site, third).session != older.session
    assert third.server == "s2"


def test_a_session_that_ends_while_its_card_is_under_way_makes_no_new_one():
    """The person has an older one elsewhere; only if there is none is one made."""
    site, older = two_sessions()
    desk = site.desk("s1")
    desk.insert()
    (gone,) = [each.session for each in site.core("s2").sessions]
    site.core("s2").session_gone(gone, DisconnectReason.ENDED, site.now)
    assert desk.told(Redirect)[-1].host == "s2"
    desk.follow()
    assert desk.told(Redirect)[-1].host == "s1"
    desk.follow()
    assert desk.told(Connect)[-1].session == older.session
    assert len(site.sessions()) == 1


def test_a_killed_server_costs_its_desk_no_waiting():
    site = group("s1", "s2", "s3")
    desk = site.desk("s1")
    opened(site, desk)
    home = desk.server
    site.kill(home)
    other = next(name for name in ("s1", "s2", "s3") if name != home)
    desk.lines.clear()
    desk.connect(other)
    start = site.now
    desk.insert(cause=Cause.FAILOVER, lost=home)
    assert site.now == start
    assert desk.told(Notice) or desk.told(Redirect)
    if desk.told(Redirect):
        assert desk.told(Redirect)[-1].host not in (home, other)
        desk.follow()
    site.run(0.5)
    assert desk.told(Connect)
    assert desk.server != home


def test_a_dead_server_that_nobody_names_costs_one_question():
    site = group("s1", "s2")
    site.kill("s2")
    desk = site.desk("s1")
    desk.insert()
    assert desk.told(Notice) == []
    site.run(QUESTION_S + 0.01)
    assert desk.told(Notice)[0].code == NoticeCode.STARTING
    assert any("no answer about a token from s2" in each.text for each in site.actions(Report))


def test_a_refusing_server_costs_nothing():
    site = group("s1", "s2")
    site.kill("s2")
    site.refuse = True
    site.run(1.6)
    desk = site.desk("s1")
    desk.insert()
    assert desk.told(Notice)[0].code == NoticeCode.STARTING


def test_a_card_pulled_during_the_question_gets_no_answer():
    site = group("s1", "s2")
    site.kill("s2")
    desk = site.desk("s1")
    desk.insert()
    desk.say(Remove(2))
    site.run(1.0)
    assert desk.told(Connect) == desk.told(Notice) == []
    assert site.sessions() == []


def test_a_card_put_in_again_during_the_question_is_answered_once():
    site = group("s1", "s2")
    site.kill("s2")
    desk = site.desk("s1")
    desk.insert()
    site.run(0.1)
    desk.insert()
    site.run(1.0)
    assert [line.seq for line in desk.told(Connect)] == [2]
    assert len(site.actions(StartSession)) == 1


def test_a_draining_server_hands_new_sessions_over_and_keeps_its_own():
    site = group("s1", "s2", s2=3000)
    kept = opened(site, site.desk("s1"), ALICE)
    site.core("s1").group.standing.drain = True
    site.run(1.2)
    desk = site.desk("s1")
    desk.insert(BOB)
    assert desk.told(Redirect)[-1].host == "s2"
    assert opened(site, site.desk("s2"), ALICE).session == kept.session


# Two servers at the same time


@pytest.mark.parametrize("order", [("s1", "s2"), ("s2", "s1")])
@pytest.mark.parametrize("loads", [{}, {"s1": 3000}, {"s2": 3000}, {"s1": 3000, "s2": 2000}])
def test_one_card_at_two_desks_at_once_makes_one_session(order, loads):
    site = group("s1", "s2", "s3", **loads)
    desks = [site.desk(name) for name in order]
    site.hold_lookups = True
    for desk in desks:
        desk.insert()
    site.hold_lookups = False
    site.answer_lookups()
    for _ in range(12):
        site.run(0.25)
        for desk in desks:
            if desk.told(Redirect):
                desk.follow()
    assert len(site.sessions()) == 1
    assert len(shown(site)) == 1


def stuck(site):
    """A desk whose insert at s1 is proven and does not come to a decision."""
    site.core("s1").authentication.selection.wait_for_others(site.now + 100)
    desk = site.desk("s1")
    desk.insert()
    return desk


def test_a_server_that_is_stuck_holds_nobody_up_for_long():
    site = group("s1", "s2", s1=3000)
    stuck(site)
    desk = site.desk("s2")
    desk.insert()
    assert desk.told(Notice) == []
    site.run(PENDING_RETRY_S * PENDING_ROUNDS + 0.1)
    assert desk.told(Notice)[0].code == NoticeCode.STARTING


def test_a_server_whose_registry_hangs_holds_nobody_up():
    site = group("s1", "s2", s1=3000)
    site.hold_lookups = True
    stuck = site.desk("s1")
    stuck.insert()
    waiting = list(site.lookups)
    site.lookups.clear()
    site.hold_lookups = False
    desk = site.desk("s2")
    desk.insert()
    assert desk.told(Notice)[0].code == NoticeCode.STARTING
    site.lookups += waiting
    site.answer_lookups()
    site.deliver()
    assert stuck.told(Redirect)[-1].host == "s2"


def test_a_card_pulled_while_another_server_goes_first_asks_no_more():
    site = group("s1", "s2", s1=3000)
    stuck(site)
    desk = site.desk("s2")
    desk.insert()
    desk.say(Remove(2))
    start = site.now + 0.001
    site.run(1.0)
    assert [m for _, name, m in site.datagrams(TokenQ, since=start) if m.token] == []
    assert desk.told(Notice) == []


# Tickets


def redirected(**loads):
    """A desk at s1 that has just been told to go to s2, and its ticket."""
    site = group("s1", "s2", **(loads or {"s1": 3000}))
    desk = site.desk("s1")
    desk.insert()
    return site, desk, desk.told(Redirect)[-1].ticket


def plain(site):
    """Whether s2 took the last insert for an ordinary one: it asked the others."""
    return any(name == "s2" and m.token for _, name, m in site.datagrams(TokenQ, since=site.now))


def test_a_right_ticket_ends_the_search():
    site, desk, _ = redirected()
    site.run(1.0)
    desk.follow()
    assert not plain(site)
    assert site.core("s2").dropped == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda ticket: "",
        lambda ticket: "1~garbage",
        lambda ticket: ticket[:-1],
        lambda ticket: ticket.replace("~s2~", "~s3~"),
        lambda ticket: ticket.replace("~1~", "~0~"),
        lambda ticket: tickets.issue(tickets.verify(ticket, SECRETS), STRANGER),
        lambda ticket: forged(ticket, target="s3"),
        lambda ticket: forged(ticket, dtu="desk9"),
        lambda ticket: forged(ticket, token="00" * 32),
        lambda ticket: forged(ticket, nonce="00" * 12),
    ],
)
def test_a_ticket_that_is_not_right_makes_an_ordinary_insert(damage):
    site, desk, ticket = redirected()
    site.run(1.0)
    desk.connect("s2")
    desk.insert(ALICE, Cause.REDIRECT, damage(ticket))
    assert plain(site)
    assert site.core("s2").dropped == {"ticket": 1}
    assert len(site.actions(Lookup, "s2")) == 1


def forged(ticket, **changes):
    """As a server of the group could sign it by mistake."""
    return tickets.issue(dataclasses.replace(tickets.verify(ticket, SECRETS), **changes), SECRETS)


def test_a_ticket_is_good_once():
    site, desk, ticket = redirected()
    desk.follow()
    site.run(1.0)
    thief = site.desk("s2")
    thief.name = desk.name
    thief.connect("s2")
    thief.insert(ALICE, Cause.REDIRECT, ticket)
    assert site.core("s2").dropped == {"ticket": 1}


def test_a_ticket_is_good_for_ten_seconds():
    site, desk, ticket = redirected()
    for _ in range(int(NONCE_S) + 1):
        site.run(1.0)
        desk.say(Keepalive(1))
    desk.connect("s2")
    desk.insert(ALICE, Cause.REDIRECT, ticket)
    assert plain(site)


def test_a_ticket_is_no_proof_that_the_card_is_registered():
    site, desk, _ = redirected()
    del site.registry[ALICE]
    desk.follow()
    assert desk.told(Notice)[0].code == NoticeCode.NOT_REGISTERED


def test_a_ticket_of_another_desk_is_worth_nothing():
    site, _, ticket = redirected()
    other = site.desk("s2")
    other.insert(ALICE, Cause.REDIRECT, ticket)
    assert plain(site)
    assert site.core("s2").dropped == {"ticket": 1}


def test_a_ticket_of_another_card_is_worth_nothing():
    site, desk, ticket = redirected()
    desk.connect("s2")
    desk.insert(BOB, Cause.REDIRECT, ticket)
    assert plain(site)
    assert site.core("s2").dropped == {"ticket": 1}


def test_a_redirected_card_goes_on_when_the_target_has_begun_to_drain():
    site, desk, _ = redirected(s1=1000)
    site.core("s2").group.standing.drain = True
    desk.follow()
    assert desk.told(Redirect)[-1].host == "s1"
    desk.follow()
    site.run(1.0)
    assert desk.told(Connect)[-1].seq == desk.seq
    assert desk.server == "s1"


def test_redirections_end_after_two_hops():
    site = group("s1", "s2", "s3", s1=3000, s2=2000)
    desk = site.desk("s1")
    desk.insert()
    hops = 0
    while desk.told(Redirect) and hops < 10:
        target = desk.told(Redirect)[-1].host
        for name in ("s1", "s2", "s3"):
            site.core(name).group.standing.drain = name == target
        desk.follow()
        hops += 1
    site.run(1.0)
    assert hops <= MAX_HOPS
    assert desk.told(Connect)
