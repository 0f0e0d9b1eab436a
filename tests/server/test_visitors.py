"""Visitors' sessions: a box of cards does not fill a server, and nobody else's session is ended."""

import random

import pytest

from fakes.lan import ALICE, BOB, Site
from roamwire.control import Cause, Connect, Notice, Remove
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token
from sessionhost.core import visitors
from sessionhost.core.actions import Outbox, StopSession
from sessionhost.core.links import Inserting
from sessionhost.core.policy import Policy, Who
from sessionhost.core.registration import Owner, Registration
from sessionhost.core.sessions import MAX_SESSIONS, SessionManager
from sessionhost.core.visitors import MAX_VISITORS_OF_DTU, Visitors

KIOSK = Policy(uid=Who.KIOSK, pseudo=Who.KIOSK, login=True, kiosk_user="guest")


@pytest.fixture
def site():
    """One server with a kiosk; sessions that are stopped are gone at once."""
    made = Site("s1", policy=KIOSK)
    made.run(1.0)
    return made


def card(number):
    return Token("uid", f"{number:08x}")


def stop_what_is_to_be_stopped(site):
    for order in site.actions(StopSession):
        site.core("s1").session_gone(order.session, DisconnectReason.ENDED, site.now)
    site.done.clear()


def visit(site, desk, number, leave=True):
    """A visitor's card is put in, and pulled after a moment; the session that was shown."""
    desk.lines.clear()
    desk.insert(card(number) if isinstance(number, int) else number)
    site.run(1.0)
    if leave:
        desk.say(Remove(desk.seq))
    stop_what_is_to_be_stopped(site)
    return [line.session for line in desk.told(Connect)]


def test_one_desk_with_any_number_of_cards_has_a_few_sessions(site):
    desk = site.desk("s1")
    for number in range(260):
        if number % 20 == 0:
            desk.connect("s1")
        assert visit(site, desk, number)
        assert len(site.sessions()) <= MAX_VISITORS_OF_DTU


def test_connections_beside_each_other_make_no_more_of_it(site):
    desk = site.desk("s1")
    for number in range(2 * MAX_VISITORS_OF_DTU):
        desk.connect("s1")
        assert visit(site, desk, number, leave=False)
        desk.link = 0  # it stays open; the fifth closes the oldest
        assert len(site.sessions()) <= MAX_VISITORS_OF_DTU


def test_the_visitor_who_was_here_last_finds_the_session_again(site):
    desk = site.desk("s1")
    first = [visit(site, desk, number)[0] for number in range(MAX_VISITORS_OF_DTU)]
    assert visit(site, desk, 0) == first[:1]
    visit(site, desk, 50)  # ends the one of card 1, which has been away the longest
    assert visit(site, desk, 0) == first[:1]
    assert visit(site, desk, 1) != first[1:2]


def test_nobody_elses_session_is_ended(site):
    desk = site.desk("s1")
    theirs = [visit(site, desk, token)[0] for token in (ALICE, BOB, Token("pseudo", "desk1"))]
    other = visit(site, site.desk("s1"), 1000)
    for number in range(2 * MAX_VISITORS_OF_DTU):
        visit(site, desk, number)
    left = [session for _, session, _ in site.sessions()]
    assert set(theirs + other) <= set(left)
    assert len(left) == len(theirs + other) + MAX_VISITORS_OF_DTU


def test_sessions_that_do_not_end_stop_the_next_visitors(site):
    desk = site.desk("s1")
    for number in range(3 * MAX_VISITORS_OF_DTU):
        desk.lines.clear()
        desk.insert(card(number))
        site.run(1.0)
        desk.say(Remove(desk.seq))
    assert len(site.sessions()) == 2 * MAX_VISITORS_OF_DTU
    assert NoticeCode.NO_SERVER_FREE in [line.code for line in desk.told(Notice)]
    desk.insert(ALICE)
    site.run(1.0)
    assert desk.told(Connect)


def inserting(number=1):
    return Inserting(1, card(number), Cause.INSERT, vouched="guest")


def test_all_desks_together_leave_half_of_a_server_to_others():
    manager, outbox = SessionManager(random.Random(1)), Outbox()
    rooms = Visitors(manager, outbox)
    for number in range(MAX_SESSIONS // 2):
        assert rooms.room_for(inserting(), f"desk{number}", KIOSK)
        session = manager.create(Owner(card(number), "guest"), "desktop", float(number), None)
        manager.attach(session, number, f"desk{number}", float(number))
    assert not rooms.room_for(inserting(), "another", KIOSK)
    assert outbox.take() is None
    third = manager.for_owner(Owner(card(3), "guest"))[0]
    manager.detach(third, third.epoch, 500.0)
    assert rooms.room_for(inserting(), "another", KIOSK)
    assert third.ending


def test_a_registered_card_of_the_kiosks_user_is_no_visitors(monkeypatch):
    monkeypatch.setattr(visitors, "MAX_VISITORS_OF_DTU", 0)
    monkeypatch.setattr(visitors, "MAX_VISITORS", 0)
    rooms = Visitors(SessionManager(random.Random(1)), Outbox())
    assert not rooms.room_for(inserting(), "desk1", KIOSK)
    known = inserting()
    known.registration = Registration("guest", True)
    assert rooms.room_for(known, "desk1", KIOSK)
    alices = Inserting(1, card(1), Cause.INSERT, vouched="alice")
    assert rooms.room_for(alices, "desk1", KIOSK)
