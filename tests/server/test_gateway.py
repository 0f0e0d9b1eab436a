"""Display tickets and epochs: who may see a session, and whom that ends."""

import pytest

from roamwire.blocks import dtu_key
from sessionhost.core import gateway
from sessionhost.core.gateway import Admitted, Close, DisplayGate, Grant, Granted, Refused


def grant(session="s", epoch=1, ticket="t", dtu="desk1", expires_at=20.0):
    return Grant(session, epoch, ticket, dtu, f"/run/{session}", expires_at)


def shown(gate, session="s", epoch=1, ticket="t", now=10.0):
    assert isinstance(gate.grant(grant(session, epoch, ticket), now), Granted)
    admitted = gate.attach(ticket, "desk1", now)
    assert isinstance(admitted, Admitted)
    return admitted


def test_a_ticket_opens_its_session():
    gate = DisplayGate()
    assert gate.grant(grant(), 10.0) == Granted()
    assert gate.attach("t", "desk1", 11.0) == Admitted(1, "s", 1, "/run/s")
    assert gate.connections() == (("s", 1),)


def test_a_ticket_is_good_once():
    gate = DisplayGate()
    shown(gate)
    assert gate.attach("t", "desk1", 10.0) == Refused("ticket")


def test_an_unknown_ticket_is_refused():
    assert DisplayGate().attach("t", "desk1", 10.0) == Refused("ticket")


def test_a_ticket_is_another_dtus_and_then_nobodys():
    gate = DisplayGate()
    gate.grant(grant(), 10.0)
    assert gate.attach("t", "desk2", 10.0) == Refused("dtu")
    assert gate.attach("t", "desk1", 10.0) == Refused("ticket")


def test_a_ticket_expires():
    gate = DisplayGate()
    gate.grant(grant(expires_at=20.0), 10.0)
    assert gate.attach("t", "desk1", 20.0) == Refused("expired")


def test_a_lower_epoch_is_refused():
    gate = DisplayGate()
    shown(gate, epoch=5)
    assert gate.grant(grant(epoch=4, ticket="old"), 10.0) == Refused("epoch")
    assert gate.attach("old", "desk1", 10.0) == Refused("ticket")
    assert gate.connections() == (("s", 5),)


def test_a_higher_grant_ends_the_older_connection_before_its_dtu_comes():
    gate = DisplayGate()
    first = shown(gate, epoch=5)
    answer = gate.grant(grant(epoch=6, ticket="new"), 10.0)
    assert answer == Granted((Close(first.connection, "s", 5, "epoch"),))
    assert gate.connections() == ()
    assert not gate.closed(first.connection)


def test_a_higher_grant_drops_the_older_ticket():
    gate = DisplayGate()
    gate.grant(grant(epoch=5), 10.0)
    gate.grant(grant(epoch=6, ticket="new"), 10.0)
    assert gate.attach("t", "desk1", 10.0) == Refused("ticket")
    assert isinstance(gate.attach("new", "desk1", 10.0), Admitted)


def test_an_equal_epoch_ends_the_older_connection_when_it_attaches():
    gate = DisplayGate()
    first = shown(gate, epoch=5)
    assert gate.grant(grant(epoch=5, ticket="again"), 10.0) == Granted()
    answer = gate.attach("again", "desk1", 10.0)
    assert isinstance(answer, Admitted)
    assert answer.close == (Close(first.connection, "s", 5, "epoch"),)
    assert gate.connections() == (("s", 5),)


def test_sessions_do_not_touch_each_other():
    gate = DisplayGate()
    shown(gate, "a", 5, "ta")
    shown(gate, "b", 1, "tb")
    assert gate.revoke("b", 9) == (Close(2, "b", 1, "revoked"),)
    assert gate.connections() == (("a", 5),)


def test_revoke_ends_tickets_and_connections_up_to_its_epoch():
    gate = DisplayGate()
    first = shown(gate, epoch=5)
    gate.grant(grant(epoch=5, ticket="waiting"), 10.0)
    assert gate.revoke("s", 4) == ()
    assert gate.revoke("s", 5) == (Close(first.connection, "s", 5, "revoked"),)
    assert gate.attach("waiting", "desk1", 10.0) == Refused("ticket")
    assert gate.grant(grant(epoch=5, ticket="late"), 10.0) == Refused("epoch")
    assert gate.grant(grant(epoch=6, ticket="next"), 10.0) == Granted()


def test_revoke_of_an_old_epoch_leaves_the_newer_ticket():
    gate = DisplayGate()
    gate.grant(grant(epoch=6), 10.0)
    gate.revoke("s", 5)
    assert isinstance(gate.attach("t", "desk1", 10.0), Admitted)


def test_a_closed_connection_is_told_once():
    gate = DisplayGate()
    admitted = shown(gate)
    assert gate.closed(admitted.connection)
    assert not gate.closed(admitted.connection)


def test_tickets_are_bounded_and_expired_ones_make_room(monkeypatch):
    monkeypatch.setattr(gateway, "MAX_TICKETS", 2)
    gate = DisplayGate()
    for name in ("a", "b"):
        gate.grant(grant(name, ticket=name, expires_at=20.0), 10.0)
    assert gate.grant(grant("c", ticket="c"), 19.0) == Refused("full")
    assert gate.grant(grant("c", ticket="c", expires_at=30.0), 20.0) == Granted()


def test_remembered_sessions_are_bounded_and_the_idle_one_goes_first(monkeypatch):
    monkeypatch.setattr(gateway, "MAX_SESSIONS", 2)
    gate = DisplayGate()
    shown(gate, "a", 5, "ta")
    gate.revoke("b", 5)
    assert gate.grant(grant("c", ticket="tc"), 10.0) == Granted()  # b is forgotten
    assert gate.grant(grant("a", 4, "ta"), 10.0) == Refused("epoch")
    assert gate.grant(grant("d", ticket="td"), 10.0) == Refused("full")  # a shown, c waited for


def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(gateway, "MAX_CONNECTIONS", 1)
    gate = DisplayGate()
    shown(gate, "a", 1, "ta")
    gate.grant(grant("b", 1, "tb"), 10.0)
    assert gate.attach("tb", "desk1", 10.0) == Refused("full")


@pytest.mark.parametrize("epochs", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 2, 3), (3, 3, 3)])
def test_never_two_screens_and_never_a_step_back(epochs):
    gate = DisplayGate()
    highest = 0
    for number, epoch in enumerate(epochs):
        answer = gate.grant(grant(epoch=epoch, ticket=str(number)), 10.0)
        assert isinstance(answer, Granted) == (epoch >= highest)
        gate.attach(str(number), "desk1", 10.0)
        highest = max(highest, epoch)
        assert gate.connections() == (("s", highest),)


def test_a_banned_dtu_loses_what_it_shows_and_gets_nothing_until_it_is_let_in_again():
    gate = DisplayGate()
    gate.grant(grant("a", 1, "t1", "desk1"), 0.0)
    gate.grant(grant("b", 1, "t2", "desk2"), 0.0)
    shown = gate.attach("t1", "desk1", 0.0)
    other = gate.attach("t2", "desk2", 0.0)
    assert gate.ban(dtu_key("desk1")) == (Close(shown.connection, "a", 1, "revoked"),)
    assert gate.connections() == (("b", 1),)
    gate.grant(grant("a", 2, "t3", "desk1"), 0.0)
    assert gate.attach("t3", "desk1", 0.0) == Refused("revoked")
    gate.grant(grant("a", 3, "t4", "desk1"), 0.0)
    gate.unban(dtu_key("desk1"))
    assert isinstance(gate.attach("t4", "desk1", 0.0), Admitted)
    gate.ban(dtu_key("desk2"))
    gate.unban()
    gate.grant(grant("b", 2, "t5", "desk2"), 0.0)
    assert isinstance(gate.attach("t5", "desk2", 0.0), Admitted)
    assert other.connection == 2
