"""A person chooses among the sessions of their token: lists, choices, one more, sign-off."""

import pytest

from fakes.lan import ALICE, Site
from roamwire.control import (
    Browse,
    Connect,
    Disconnect,
    Notice,
    Offer,
    Redirect,
    Remove,
    Select,
    Sessions,
    SignOff,
)  # fmt: skip
from roamwire.notices import DisconnectReason, NoticeCode
from sessionhost.core.actions import Revoke, StartSession, StopSession
from sessionhost.core.choosing import MAX_SESSIONS_PER_TOKEN
from sessionhost.core.registration import Owner


@pytest.fixture
def site():
    """Two servers, settled."""
    made = Site("s1", "s2")
    made.run(2.0)
    return made


def opened(site, server):
    """A desk at that server with Alice's session on its screen, and the Connect."""
    desk = site.desk(server)
    desk.insert(ALICE)
    site.run(1.0)
    while desk.told(Redirect):
        desk.follow()
        site.run(1.0)
    return desk, desk.told(Connect)[-1]


def offers(site, desk):
    desk.lines.clear()
    desk.say(Browse(desk.seq))
    site.run(0.5)
    (line,) = desk.told(Sessions)
    assert line.seq == desk.seq
    return line.offers


def silence(site, desk):
    """The other server is there and does not answer."""
    site.nodes["s2" if desk.server == "s1" else "s1"].cut = True


def one_more(site, desk):
    desk.lines.clear()
    desk.say(Select(desk.seq))
    site.run(1.0)
    return desk.told(Connect)[-1]


def test_the_only_session_is_on_the_list(site):
    desk, shown = opened(site, "s1")
    assert offers(site, desk) == (Offer(shown.session, desk.server, 0, True),)


def test_one_more_session_is_shown_and_the_other_lives_on(site):
    desk, first = opened(site, "s1")
    site.done.clear()
    second = one_more(site, desk)
    assert second.session != first.session
    assert [line.code for line in desk.told(Notice)] == [NoticeCode.STARTING]
    assert site.actions(Revoke) == [Revoke(first.session, first.epoch)]
    (order,) = site.actions(StartSession)
    assert (order.session, order.user, order.token) == (second.session, "alice", ALICE)
    assert {each.session: each.shown for each in offers(site, desk)} == {
        first.session: False,
        second.session: True,
    }


def test_another_session_of_this_server_is_chosen(site):
    desk, first = opened(site, "s1")
    one_more(site, desk)
    desk.lines.clear()
    desk.say(Select(desk.seq, first.session))
    site.run(0.5)
    (shown,) = desk.told(Connect)
    assert (shown.session, shown.epoch) == (first.session, first.epoch + 1)
    assert site.lookups == []


def test_an_older_session_of_another_server_is_chosen(site):
    desk, first = opened(site, "s1")
    away = "s2" if desk.server == "s1" else "s1"
    sessions = site.core(away).sessions
    alice = Owner(ALICE, "alice")
    older = sessions.create(alice, "desktop", site.now - 7200, None)
    newer = sessions.create(alice, "desktop", site.now - 60, None)
    older.rfb_socket = newer.rfb_socket = "/run/x"
    assert [(each.session, each.host) for each in offers(site, desk)] == [
        (first.session, desk.server),
        (newer.session, away),
        (older.session, away),
    ]
    assert offers(site, desk)[2].age_s == 7200
    desk.say(Select(desk.seq, older.session))
    site.run(0.5)
    assert [line.host for line in desk.told(Redirect)] == [away]
    desk.follow()
    site.run(0.5)
    assert desk.told(Connect)[-1].session == older.session


def test_a_session_that_is_gone_ends_in_a_new_list(site):
    desk, shown = opened(site, "s1")
    desk.lines.clear()
    desk.say(Select(desk.seq, "gone"))
    site.run(0.5)
    (line,) = desk.told(Sessions)
    assert [each.session for each in line.offers] == [shown.session]
    assert desk.told(Connect) == desk.told(Redirect) == []


def test_the_session_on_the_screen_is_chosen_for_nothing(site):
    desk, shown = opened(site, "s1")
    desk.lines.clear()
    desk.say(Select(desk.seq, shown.session))
    site.run(0.5)
    assert desk.lines == []


def test_sessions_of_a_token_are_bounded(site):
    desk, _ = opened(site, "s1")
    for _ in range(MAX_SESSIONS_PER_TOKEN - 1):
        one_more(site, desk)
    site.done.clear()
    desk.lines.clear()
    desk.say(Select(desk.seq))
    site.run(0.5)
    assert site.actions(StartSession) == []
    assert len(desk.told(Sessions)[0].offers) == MAX_SESSIONS_PER_TOKEN


def test_a_full_server_makes_no_further_session(site):
    desk, shown = opened(site, "s1")
    site.core(desk.server).group.standing.drain = True
    site.done.clear()
    desk.lines.clear()
    desk.say(Select(desk.seq))
    site.run(0.5)
    assert site.actions(StartSession) == []
    assert [each.session for each in desk.told(Sessions)[0].offers] == [shown.session]


def test_signing_off_stops_the_session(site):
    desk, shown = opened(site, "s1")
    desk.lines.clear()
    desk.say(SignOff(desk.seq))
    assert site.actions(StopSession) == [StopSession(shown.session)]
    site.core(desk.server).session_gone(shown.session, DisconnectReason.ENDED, site.now)
    site.run(0.1)
    assert desk.told(Disconnect) == [Disconnect(desk.seq, "ended")]


@pytest.mark.parametrize("line", [Browse, Select, SignOff])
def test_nothing_is_asked_without_a_session_or_for_another_card(site, line):
    desk, _ = opened(site, "s1")
    site.done.clear()
    before = site.core(desk.server).dropped["state"]
    desk.say(line(desk.seq + 1))
    empty = site.desk(desk.server)
    empty.say(line(0))
    assert site.core(desk.server).dropped["state"] == before + 2
    assert site.actions(StopSession) == []


def test_a_card_that_is_pulled_gets_no_list(site):
    desk, _ = opened(site, "s1")
    silence(site, desk)
    desk.lines.clear()
    desk.say(Browse(desk.seq))
    desk.say(Remove(desk.seq))
    site.run(0.5)
    assert desk.told(Sessions) == []


def test_a_choice_is_forgotten_when_the_terminal_goes(site):
    desk, _ = opened(site, "s1")
    core = site.core(desk.server)
    silence(site, desk)
    desk.say(Select(desk.seq, "elsewhere"))
    core.link_closed(desk.link, site.now)
    desk.lines.clear()
    site.run(0.5)
    assert desk.lines == []
