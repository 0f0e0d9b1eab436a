"""Who may begin a TLS handshake, and how often. Connections are in tests/system."""

from sessionhost.adapters.guarded_server import (
    HANDSHAKES_AT_ONCE,
    HANDSHAKES_PER_S,
    MAX_ADDRESSES,
    Pace,
)


def allowed(pace, address, times, now):
    return sum(pace.allows(address, now) for _ in range(times))


def test_an_address_may_begin_some_at_once_and_then_so_many_a_second():
    pace = Pace()
    assert allowed(pace, "10.0.0.1", 1000, 5.0) == HANDSHAKES_AT_ONCE
    assert allowed(pace, "10.0.0.1", 1000, 6.0) == HANDSHAKES_PER_S
    assert allowed(pace, "10.0.0.1", 1000, 600.0) == HANDSHAKES_AT_ONCE, "no more than at first"


def test_one_address_takes_nothing_from_another():
    pace = Pace()
    allowed(pace, "10.0.0.1", 1000, 5.0)
    assert allowed(pace, "10.0.0.2", 1, 5.0) == 1


def test_what_is_remembered_is_bounded():
    pace = Pace()
    for number in range(3 * MAX_ADDRESSES):
        assert pace.allows(f"2001:db8::{number:x}", 1.0)
    assert len(pace._left) == MAX_ADDRESSES
