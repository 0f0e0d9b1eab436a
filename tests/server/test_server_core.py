"""Whole servers joined in memory: links, card in, card out, sessions, and the end of each."""

from ipaddress import IPv4Address

import pytest

from fakes.lan import ALICE, BOB, Site
from fakes.lan import STRANGER as OTHER_GROUP
from roamwire.control import (
    Alive,
    Cause,
    Connect,
    Disconnect,
    Hello,
    Insert,
    Keepalive,
    Notice,
    Redirect,
    Remove,
    Select,
    Server,
    Servers,
    Welcome,
)
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token
from sessionhost.core import links, sessions
from sessionhost.core.actions import (
    Grant,
    Lookup,
    Remember,
    Report,
    Revoke,
    SetKeyboard,
    StartSession,
    StopSession,
)
from sessionhost.core.registration import Registration
from sessionhost.core.timing import HELLO_S, LINK_SILENT_S, SESSION_START_S

STRANGER = Token("uid", "ffff")


@pytest.fixture
def site():
    """One server, settled."""
    one = Site("s1")
    one.run(1.0)
    return one


def codes(desk):
    return [line.code for line in desk.told(Notice)]


def shown(site):
    """Which desk shows which session: desk -> (server, session)."""
    return {desk: (server, session) for server, session, desk in site.sessions() if desk}


def opened(site, desk, token=ALICE):
    """Insert and wait until the session is on the screen; returns the Connect."""
    desk.insert(token)
    site.run(1.0)
    return desk.told(Connect)[-1]


# Links


def test_hello_is_answered_with_the_servers_of_the_group():
    site = Site("s1", "s2", "s3")
    site.run(2.0)
    desk = site.desk("s2")
    (welcome,) = desk.told(Welcome)
    assert (welcome.host, welcome.keepalive_ms, welcome.lost_ms) == ("s2", 500, 1500)
    assert welcome.servers == (
        Server("s2", "10.0.0.2", 7009),
        Server("s1", "10.0.0.1", 7009),
        Server("s3", "10.0.0.3", 7009),
    )
    assert site.core("s2").terminals() == [{"dtu": "desk1", "address": "10.0.0.101"}]


def test_terminals_are_told_when_servers_come_and_go():
    site = Site("s1", "s2")
    site.run(2.0)
    desk, silent = site.desk("s1"), site.desk("s1")
    silent.connect("s1", hello=False)
    site.kill("s2")
    site.run(2.0)
    assert desk.told(Servers) == []
    for _ in range(3):
        site.run(1.0)
        desk.say(Keepalive(1))
        silent.say(Keepalive(1))
    assert [[each.host for each in line.servers] for line in desk.told(Servers)] == [["s1"]]
    site.boot("s3")
    site.run(1.0)
    assert [each.host for each in desk.told(Servers)[-1].servers] == ["s1", "s3"]
    assert silent.told(Servers) == []


def test_a_server_with_another_secret_is_never_listed_and_gets_nobody():
    site = Site("s1")
    site.boot("s2", secrets=OTHER_GROUP)
    site.core("s1").group.standing.load = 4000
    site.run(3.0)
    desk = site.desk("s1")
    assert [each.host for each in desk.told(Welcome)[0].servers] == ["s1"]
    opened(site, desk)
    assert desk.told(Redirect) == []


def test_a_keepalive_is_answered_even_before_hello(site):
    desk = site.desk()
    desk.connect("s1", hello=False)
    desk.say(Keepalive(41))
    assert desk.lines == [Alive(41)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "verb"),
        (b"\x16\x03\x01", "binary"),
        (b"insert token=uid:04a1 cause=insert", "missing"),
        (b"insert token=uid:04a1 cause=insert seq=9" * 900, "oversize"),
        (b"select seq=1 session=a", "state"),
        (b"welcome host=s9 keepalive_ms=1 lost_ms=1", "state"),
    ],
)
def test_a_bad_line_is_counted_and_the_link_lives(site, line, reason):
    desk = site.desk("s1")
    desk.lines.clear()
    desk.say_bytes(line)
    assert site.core("s1").dropped == {reason: 1}
    desk.say(Keepalive(1))
    assert desk.lines == [Alive(1)]
    assert site.actions(Lookup) == []


@pytest.mark.parametrize("line", [Insert(ALICE, Cause.INSERT, 1), Remove(1), Select(1, "a")])
def test_nothing_is_done_before_hello(site, line):
    desk = site.desk()
    desk.connect("s1", hello=False)
    desk.say(line)
    assert site.core("s1").dropped == {"state": 1}
    assert site.actions(Lookup) == []


def test_too_many_bad_lines_end_the_link_and_free_the_session(site):
    desk = site.desk("s1")
    opened(site, desk)
    for _ in range(links.MAX_BAD_LINES):
        desk.say_bytes(b"nonsense")
    assert not desk.closed
    desk.say_bytes(b"nonsense")
    assert desk.closed
    assert [each[2] for each in site.sessions()] == [None]
    assert site.core("s1").group.standing.dtus == 0


def test_a_silent_link_is_closed_and_a_talking_one_is_not(site):
    silent, talking = site.desk("s1"), site.desk("s1")
    for _ in range(int(LINK_SILENT_S) + 2):
        site.run(1.0)
        talking.say(Keepalive(1))
    assert silent.closed
    assert not talking.closed
    assert site.core("s1").group.standing.dtus == 1


def test_a_link_without_hello_is_closed_though_it_talks(site):
    desk = site.desk()
    desk.connect("s1", hello=False)
    for _ in range(int(HELLO_S) + 2):
        site.run(1.0)
        if not desk.closed:
            desk.say(Keepalive(1))
    assert desk.closed


def test_links_are_bounded(site, monkeypatch):
    monkeypatch.setattr("sessionhost.core.server.MAX_LINKS", 2)
    desks = [site.desk("s1") for _ in range(2)]
    third = site.desk()
    third.connect("s1", hello=False)
    assert third.closed
    assert not any(desk.closed for desk in desks)


def test_what_names_no_link_or_session_is_ignored(site):
    core = site.core("s1")
    core.receive_line(99, b"keepalive n=1", site.now)
    core.link_closed(99, site.now)
    core.looked_up(99, 1, None, site.now)
    core.session_ready("none", "/run/none", site.now)
    core.session_gone("none", DisconnectReason.ENDED, site.now)
    assert not core.end_session("none")
    assert core.next_action() is None


# Card in, card out


def test_a_first_card_starts_a_session_and_shows_it_when_it_runs(site):
    desk = site.desk("s1")
    seq = desk.insert()
    assert site.actions(StartSession) == [
        StartSession(site.sessions()[0][1], "alice", ALICE, "desktop", 1280, 800)
    ]
    assert codes(desk) == [NoticeCode.STARTING]
    assert desk.told(Connect) == []
    site.run(1.0)
    (connect,) = desk.told(Connect)
    (grant,) = site.actions(Grant)
    assert (connect.seq, connect.epoch, connect.port, connect.user) == (seq, 1, 7010, "alice")
    assert (grant.session, grant.epoch, grant.ticket) == (connect.session, 1, connect.ticket)
    assert (grant.dtu, grant.ttl_ms) == ("desk1", 10_000)
    assert grant.rfb_socket == f"/run/{connect.session}"
    assert site.actions(Remember)[-1].epoch == 1
    assert site.core("s1").group.standing.sessions == 1


def test_a_session_gets_the_keyboard_of_each_desk_that_shows_it(site):
    german, plain, english = site.desk("s1"), site.desk("s1"), site.desk("s1")
    german.say(Hello(german.name, keyboard="de"))
    english.say(Hello(english.name, keyboard="us(intl)"))
    german.insert()
    assert site.actions(SetKeyboard) == [], "its X server is not up yet"
    site.run(1.0)
    session = site.sessions()[0][1]
    assert site.actions(SetKeyboard) == [SetKeyboard(session, "de")]
    plain.insert()
    site.run(1.0)
    assert len(site.actions(SetKeyboard)) == 1, "a desk without a layout changes nothing"
    english.insert()
    site.run(1.0)
    assert site.actions(SetKeyboard)[1:] == [SetKeyboard(session, "us(intl)")]


def test_a_registration_may_name_a_recipe(site):
    site.registry[ALICE] = Registration("alice", True, recipe="kiosk")
    site.desk("s1").insert()
    assert site.actions(StartSession)[0].recipe == "kiosk"


def test_a_users_name_passes_for_nothing_else_in_the_log(site):
    name = "alice is gone: ended"
    site.registry[ALICE] = Registration(name, True)
    desk = site.desk("s1")
    desk.insert()
    site.run(1.0)
    site.core("s1").session_gone(desk.told(Connect)[0].session, DisconnectReason.ENDED, site.now)
    site.deliver()
    told = [action.text for action in site.actions(Report)]
    assert sum(name in text for text in told) == sum(repr(name) in text for text in told) == 3


def test_the_card_goes_out_and_comes_back_to_the_same_session(site):
    desk = site.desk("s1")
    first = opened(site, desk)
    desk.say(Remove(desk.seq + 1))
    assert site.actions(Revoke) == [Revoke(first.session, 1)]
    assert shown(site) == {}
    desk.lines.clear()
    desk.insert()
    (again,) = desk.told(Connect)
    assert (again.session, again.epoch) == (first.session, 2)
    assert again.ticket != first.ticket
    assert len(site.actions(StartSession)) == 1


def test_an_insert_asked_again_gives_a_new_ticket_for_the_same_session(site):
    desk = site.desk("s1")
    first = opened(site, desk)
    second = opened(site, desk)
    assert second.session == first.session
    assert second.epoch > first.epoch
    assert shown(site) == {"desk1": ("s1", first.session)}


def test_two_cards_at_two_desks_have_two_sessions(site):
    one, two = site.desk("s1"), site.desk("s1")
    first, second = opened(site, one, ALICE), opened(site, two, BOB)
    assert first.session != second.session
    assert (first.user, second.user) == ("alice", "bob")
    assert shown(site) == {"desk1": ("s1", first.session), "desk2": ("s1", second.session)}


def test_a_second_desk_takes_the_session_over(site):
    one, two = site.desk("s1"), site.desk("s1")
    first = opened(site, one)
    second = opened(site, two)
    assert second.session == first.session
    assert one.told(Disconnect) == [Disconnect(one.seq, "taken-over", desk=two.name)]
    assert site.actions(Revoke)[-1] == Revoke(first.session, first.epoch)
    assert shown(site) == {"desk2": ("s1", first.session)}
    one.say(Remove(one.seq + 1))  # the loser's card out must not blank the winner
    assert shown(site) == {"desk2": ("s1", first.session)}


def test_a_session_still_starting_can_be_taken_over(site):
    one, two = site.desk("s1"), site.desk("s1")
    one.insert()
    two.insert()
    site.run(1.0)
    assert one.told(Connect) == []
    assert one.told(Disconnect) == [Disconnect(1, "taken-over", desk="desk2")]
    assert two.told(Connect)[0].epoch == 2
    assert len(site.actions(StartSession)) == 1


def test_a_card_pulled_while_the_session_starts_shows_nothing(site):
    desk = site.desk("s1")
    desk.insert()
    desk.say(Remove(2))
    site.run(1.0)
    assert desk.told(Connect) == []
    assert shown(site) == {}
    desk.seq = 2
    opened(site, desk)
    assert len(site.actions(StartSession)) == 1


def test_a_desk_that_vanishes_leaves_its_session_alone(site):
    desk = site.desk("s1")
    first = opened(site, desk)
    desk.hang_up()
    assert site.actions(Revoke) == [Revoke(first.session, 1)]
    assert [each[1] for each in site.sessions()] == [first.session]
    desk.connect("s1")
    assert opened(site, desk).session == first.session


@pytest.mark.parametrize(
    ("registration", "fails", "code"),
    [
        (None, False, NoticeCode.NOT_REGISTERED),
        (None, True, NoticeCode.REGISTRY_DOWN),
        (Registration("alice", False), False, NoticeCode.TOKEN_DISABLED),
    ],
)
def test_a_token_that_may_not_in_is_told_why(site, registration, fails, code):
    site.registry[STRANGER], site.registry_fails = registration, fails
    desk = site.desk("s1")
    seq = desk.insert(STRANGER)
    assert desk.told(Notice) == [Notice(seq, int(code))]
    site.run(1.0)
    assert site.sessions() == []


def test_an_answer_of_the_registry_that_comes_too_late_counts_for_nothing(site):
    site.hold_lookups = True
    desk = site.desk("s1")
    desk.insert(ALICE)
    desk.say(Remove(2))
    desk.seq = 2
    desk.insert(BOB)
    site.answer_lookups()
    site.deliver()
    assert [each.user for each in site.actions(StartSession)] == ["bob"]
    site.hold_lookups = False
    desk.say(Remove(4))
    site.answer_lookups()
    assert len(site.actions(StartSession)) == 1


def test_a_full_host_says_so(site, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 1)
    opened(site, site.desk("s1"), ALICE)
    desk = site.desk("s1")
    desk.insert(BOB)
    assert codes(desk) == [NoticeCode.NO_SERVER_FREE]


# The end of a session


def test_a_session_that_ends_is_told_to_its_desk(site):
    desk = site.desk("s1")
    first = opened(site, desk)
    site.core("s1").session_gone(first.session, DisconnectReason.ENDED, site.now)
    site.deliver()
    assert desk.told(Disconnect) == [Disconnect(desk.seq, "ended")]
    assert site.sessions() == []
    assert site.core("s1").group.standing.sessions == 0
    assert opened(site, desk).session != first.session


def test_a_session_that_ends_unseen_is_told_to_nobody(site):
    one, two = site.desk("s1"), site.desk("s1")
    first = opened(site, one)
    opened(site, two, BOB)
    one.say(Remove(2))
    site.core("s1").session_gone(first.session, DisconnectReason.ENDED, site.now)
    site.deliver()
    assert one.told(Disconnect) == two.told(Disconnect) == []
    assert len(site.sessions()) == 1


def test_a_session_that_does_not_start_is_stopped_and_told():
    site = Site("s1", start_s=None)
    site.run(1.0)
    desk = site.desk("s1")
    desk.insert()
    for _ in range(int(SESSION_START_S) + 1):
        site.run(1.0)
        desk.say(Keepalive(1))
    assert codes(desk) == [NoticeCode.STARTING, NoticeCode.SESSION_FAILED]
    assert len(site.actions(StopSession)) == 1
    assert site.sessions() == []


def test_an_administrator_ends_a_session(site):
    desk = site.desk("s1")
    first = opened(site, desk)
    assert site.core("s1").end_session(first.session)
    site.deliver()
    assert site.actions(StopSession) == [StopSession(first.session)]


# Daemons restart


def test_sessions_survive_a_restart_of_the_daemon():
    site = Site("s1", "s2")
    site.core("s2").group.standing.load = 3000
    site.run(2.0)
    desk, other = site.desk("s1"), site.desk("s2")
    first = opened(site, desk)
    before = list(site.core("s1").sessions)
    site.core("s1").begin_restart(site.now)
    site.deliver()
    (told,) = desk.told(Disconnect)
    assert (told.reason, told.retry_ms) == ("restarting", 3000)
    site.kill("s1")
    site.refuse = True
    other.insert(ALICE)  # meanwhile the card is put in elsewhere
    site.run(1.0)
    assert other.told(Connect) == []
    core = site.boot("s1")
    for each in before:
        each.attachment = None
    core.recover(before, site.now)
    site.run(1.5)
    assert other.told(Redirect)[-1].host == "s1"
    other.follow()
    connect = other.told(Connect)[-1]
    assert connect.session == first.session
    assert connect.epoch > first.epoch
    assert len(site.actions(StartSession)) == 1


def test_a_second_host_with_our_name_is_reported(site):
    twin = Site("s1", seed=9)
    twin.run(0.1)
    core = site.core("s1")
    for _, _, out in twin.sent:
        core.receive_datagram(out.data, ("10.0.0.77", 7009), "eth0", site.now, "broadcast")
    site.deliver()
    assert any("uses our name" in each.text for each in site.actions(Report))


def test_a_hello_says_nothing_about_who_one_is(site):
    """The name is the certificate's; the one in hello is for the log of old terminals."""
    desk = site.desk("s1")
    desk.say(Hello("somebody-else", width=640, height=480))
    opened(site, desk)
    assert site.actions(Grant)[-1].dtu == "desk1"
    assert site.actions(StartSession)[-1].width == 640
    assert site.core("s1").terminals() == [
        {"dtu": "desk1", "address": str(IPv4Address("10.0.0.101"))}
    ]
