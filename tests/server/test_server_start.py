"""What a server does in its first half second, and what a cut link says of the last use."""

from fakes.lan import ALICE, Site
from roamwire.control import Connect, Notice, Redirect
from roamwire.notices import NoticeCode
from sessionhost.core.timing import LINK_SILENT_S


def with_a_session_on_s2():
    site = Site("s1", "s2")
    site.run(2.0)
    site.core("s1").group.standing.drain = True
    desk = site.desk("s2")
    desk.insert(ALICE)
    site.run(1.0)
    (session,) = site.core("s2").sessions
    desk.hang_up()
    return site, session


def test_a_server_that_has_just_started_makes_no_second_session():
    site, session = with_a_session_on_s2()
    site.kill("s1")
    site.run(0.2)
    site.boot("s1")
    site.core("s1").recover([], site.now)
    late = site.desk("s1")
    late.insert(ALICE)
    site.run(1.0)
    (redirect,) = late.told(Redirect)
    assert redirect.host == "s2"
    assert list(site.core("s1").sessions) == []
    assert list(site.core("s2").sessions) == [session]


def test_a_lonely_server_starts_a_session_after_its_grace():
    site = Site("s1")
    site.core("s1").recover([], site.now)
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    assert desk.told(Notice)[0].code == NoticeCode.STARTING
    assert desk.told(Connect)


def test_a_link_that_was_cut_was_last_used_when_it_was_last_heard():
    site = Site("s1")
    desk = site.desk("s1")
    desk.insert(ALICE)
    site.run(1.0)
    heard = site.now
    (session,) = site.core("s1").sessions
    site.run(LINK_SILENT_S + 2)
    assert session.attachment is None
    assert session.last_connected <= heard
