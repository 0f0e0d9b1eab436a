"""The session table: epochs rise, old epochs are ignored, claims tell the newest first."""

import random

import pytest

from roamwire.datagrams import Claim
from roamwire.tokens import Token
from sessionhost.core.registration import Owner
from sessionhost.core.sessions import MAX_SESSIONS, Attachment, Session, SessionManager

CARD, OTHER = Token("uid", "04a1"), Token("uid", "04b0")
ALICES, OTHERS = Owner(CARD, "alice"), Owner(OTHER, "alice")


@pytest.fixture
def manager():
    return SessionManager(random.Random(1))


def create(manager, token=CARD, now=100.0, user="alice"):
    return manager.create(Owner(token, user), "desktop", now, now + 20)


def test_a_new_session_is_found_and_is_not_running_yet(manager):
    session = create(manager)
    assert manager.get(session.session) is session
    assert manager.for_owner(ALICES) == [session]
    assert manager.for_owner(OTHERS) == []
    assert (session.user, session.recipe, session.epoch) == ("alice", "desktop", 0)
    assert not session.running
    session.rfb_socket = "/run/x"
    assert session.running
    assert manager.owners() == [ALICES]
    assert [len(manager), list(manager)] == [1, [session]]


def test_a_token_that_is_somebody_elses_now_has_none_of_the_sessions_of_before(manager):
    session, bobs = create(manager), Owner(CARD, "bob")
    assert manager.for_owner(bobs) == []
    assert manager.claims(bobs, 100.0) == ()
    newer = create(manager, user="bob")
    assert (manager.for_owner(ALICES), manager.for_owner(bobs)) == ([session], [newer])
    assert manager.owners() == [ALICES, bobs]


def test_what_a_token_shows_is_found_whoever_it_belongs_to(manager):
    alices, bobs = create(manager), create(manager, user="bob")
    assert manager.shown_for(CARD) == []
    manager.attach(alices, 1, "desk1", 101.0)
    manager.attach(bobs, 2, "desk2", 102.0)
    assert manager.shown_for(CARD) == [alices, bobs]
    assert manager.shown_for(OTHER) == []


def test_sessions_are_bounded_by_the_host(manager):
    names = {create(manager, Token("uid", str(n))).session for n in range(MAX_SESSIONS)}
    assert len(names) == MAX_SESSIONS
    assert create(manager, OTHER) is None
    assert manager.for_owner(OTHERS) == []


def test_an_ended_session_is_gone_and_its_token_too(manager):
    first, second = create(manager), create(manager)
    assert manager.ended(first.session) is first
    assert manager.ended(first.session) is None
    assert manager.for_owner(ALICES) == [second]
    assert manager.ended(second.session) is second
    assert manager.owners() == []
    assert len(manager) == 0


def test_attaching_raises_the_epoch_and_tells_who_lost_it(manager):
    session = create(manager)
    assert manager.attach(session, 1, "desk1", 101.0) is None
    assert session.attachment == Attachment(1, "desk1", 1)
    assert manager.attach(session, 2, "desk2", 102.0) == Attachment(1, "desk1", 1)
    assert session.attachment == Attachment(2, "desk2", 2)
    assert session.last_connected == 102.0


def test_a_late_detach_of_an_older_epoch_is_ignored(manager):
    session = create(manager)
    manager.attach(session, 1, "desk1", 101.0)
    manager.attach(session, 2, "desk2", 102.0)
    assert not manager.detach(session, 1, 103.0)
    assert session.attachment == Attachment(2, "desk2", 2)
    assert manager.detach(session, 2, 104.0)
    assert session.attachment is None
    assert session.last_connected == 104.0
    assert not manager.detach(session, 2, 105.0)
    assert session.last_connected == 104.0


def test_epochs_go_on_rising_after_a_detach(manager):
    session = create(manager)
    for expected in (1, 2, 3):
        manager.attach(session, 1, "desk1", 100.0 + expected)
        assert session.attachment.epoch == expected
        manager.detach(session, expected, 100.0 + expected)


def test_claims_have_ages_and_the_attached_one_is_newest(manager):
    old, shown, newer = create(manager), create(manager), create(manager)
    for session, at in ((old, 101.0), (shown, 102.0), (newer, 103.0)):
        manager.attach(session, 1, "desk1", at)
    manager.detach(old, 1, 101.5)
    manager.detach(newer, 1, 103.25)
    assert manager.claims(ALICES, 104.0) == (
        Claim(newer.session, 750, 1, False),
        Claim(shown.session, 0, 1, True),
        Claim(old.session, 2500, 1, False),
    )
    assert manager.claims(OTHERS, 104.0) == ()


def test_a_claim_is_never_of_the_future(manager):
    create(manager, now=100.0)
    assert manager.claims(ALICES, 99.0)[0].age == 0


def test_the_most_recently_connected_session_comes_first(manager):
    first, second = create(manager, now=100.0), create(manager, now=101.0)
    assert manager.for_owner(ALICES) == [second, first]
    manager.attach(first, 1, "desk1", 102.0)
    assert manager.for_owner(ALICES) == [first, second]


def test_a_session_that_was_running_is_adopted_once(manager):
    found = Session("a1", CARD, "alice", "desktop", 90.0, epoch=7, rfb_socket="/run/a1")
    manager.adopt(found)
    manager.adopt(Session("a1", CARD, "alice", "desktop", 90.0))
    assert manager.for_owner(ALICES) == [found]
    manager.attach(found, 1, "desk1", 100.0)
    assert found.epoch == 8


def test_sessions_that_do_not_start_become_overdue(manager):
    assert manager.next_start_deadline() is None
    first, second = create(manager, now=100.0), create(manager, OTHER, now=105.0)
    assert manager.next_start_deadline() == 120.0
    assert manager.overdue(119.9) == []
    assert manager.overdue(120.0) == [first]
    first.start_by = None
    assert manager.next_start_deadline() == 125.0
    assert manager.overdue(130.0) == [second]
