"""A terminal whose network changes: renewed leases, other addresses, pulled cables, expiry."""

import pytest

from dtu.core import catalogue, timing
from dtu.core.actions import (
    Blank,
    Broadcast,
    CloseDisplay,
    Connect,
    Hangup,
    Lookup,
    Report,
    Show,
)
from dtu.core.ip6 import Ip6
from dtu.core.lease import Lease
from dtu.core.lookups import AddressesOf, ServiceOf
from dtu.core.states import State
from fakes.bench import ALICE, S1, S2, S3, Bench, bench_at, in_session, targets
from roamwire.control import Cause, Insert, Welcome
from roamwire.control import Connect as ConnectLine


def lease(bench, address="10.0.0.99", **more):
    bench.terminal.address(Lease("eth0", address, 24, **more), bench.now)
    return bench.act()


def ip6(bench, *addresses, **more):
    bench.terminal.address(Ip6("eth0", addresses, **more), bench.now)
    return bench.act()


def cable(bench, plugged):
    bench.terminal.cable(plugged, bench.now)
    return bench.act()


# Renewal


@pytest.mark.parametrize(
    "change",
    [
        {"routers": ("10.0.0.2",)},
        {"domain": "other.example"},
        {"dns": ("10.0.0.53",)},
        {"auth_servers": ("10.0.0.8",)},
        {"lease_s": 60},
    ],
)
def test_new_values_with_the_same_address_disturb_no_session(change):
    bench = in_session()
    lease(bench, **change)
    assert bench.of(Connect) == bench.of(Hangup) == bench.of(Show) == bench.of(Blank) == []
    assert bench.state is State.CONNECTED


def test_a_terminal_that_seeks_tries_a_new_server_at_once():
    bench = bench_at(State.SEEKING)
    bench.run(20.0)
    lease(bench, auth_servers=("10.0.0.8",))
    assert bench.terminal.next_deadline() == bench.now
    bench.due()
    assert targets(bench)[-1] == "10.0.0.8"


def test_the_same_values_again_do_not_hurry_the_search():
    bench = Bench()
    bench.lease()
    bench.run(20.0)
    before = bench.terminal.next_deadline()
    bench.lease()
    assert bench.terminal.next_deadline() == before


def test_new_servers_are_used_when_the_present_one_is_lost():
    bench = in_session()
    lease(bench, auth_servers=("10.0.0.8",))
    bench.server_dies()
    for _ in range(3):
        bench.due()
        bench.closed("refused")
    assert "10.0.0.8" in targets(bench)


def test_a_new_domain_is_asked_in_the_next_search():
    bench = Bench(dns=True)
    lease(bench, domain="one.example")
    bench.due()
    assert bench.of(Lookup)[-1].question == ServiceOf("one.example")
    lease(bench, domain="two.example", dns=("10.0.0.53",))
    bench.due()
    assert bench.of(Lookup)[-1].question == ServiceOf("two.example", ("10.0.0.53",))


# Another address


def test_with_another_address_it_goes_back_to_the_same_server_and_keeps_the_picture():
    bench = in_session()
    lease(bench, "10.0.1.99")
    assert bench.of(CloseDisplay) == bench.of(Blank) == bench.of(Show) == []
    assert bench.state is State.RETURNING
    bench.due()
    assert targets(bench) == ["10.0.0.1"]
    bench.welcome("s1", S1, S2)
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.FAILOVER, "")


def test_between_the_old_address_and_the_new_one_there_may_be_none():
    bench = in_session()
    bench.no_lease()
    lease(bench, "10.0.1.99")
    assert bench.state is State.RETURNING
    assert bench.of(CloseDisplay) == []


def test_the_same_address_again_after_a_gap_is_no_reason_to_leave():
    bench = in_session()
    bench.no_lease()
    bench.lease("10.0.0.1")
    assert bench.state is State.CONNECTED
    assert bench.of(Hangup) == []


def test_if_the_server_cannot_be_reached_from_there_another_one_is_sought():
    bench = in_session()
    lease(bench, "10.0.1.99")
    end = bench.now + timing.CRASH_RETURN_S + 2.5
    while bench.now < end and targets(bench)[-1:] != ["10.0.0.2"]:
        bench.due()
        if bench.state is State.CONNECTING and targets(bench)[-1] == "10.0.0.1":
            bench.closed("unreachable")
    assert targets(bench)[-1] == "10.0.0.2"


def test_another_address_of_the_other_family_is_no_reason_to_leave():
    bench = in_session()
    ip6(bench, "fd00::5")
    ip6(bench, "fd00::6")
    ip6(bench)
    assert bench.of(Connect) == bench.of(Hangup) == []


def test_a_second_address_beside_the_first_changes_nothing():
    bench = Bench()
    ip6(bench, "fd00::5")
    bench.due()
    ip6(bench, "fd00::5", "fd01::5")
    assert bench.of(Connect) == []
    assert bench.state is State.SEEKING


def test_ipv6_alone_is_an_address():
    bench = Bench(dns=True)
    ip6(bench, link_local="fe80::5%eth0")
    assert bench.state is State.NO_ADDRESS, "a link-local address is there without any network"
    ip6(bench, "fd00::5", dns=("fd00::53",), domain="six.example", link_local="fe80::5%eth0")
    assert bench.state is State.SEEKING
    bench.due()
    assert bench.of(Lookup)[-1].question == ServiceOf("six.example", ("fd00::53",))
    ip6(bench, link_local="fe80::5%eth0")
    assert bench.state is State.NO_ADDRESS


def test_without_a_lease_ipv6_goes_on():
    bench = bench_at(State.SEEKING)
    ip6(bench, "fd00::5")
    bench.no_lease()
    assert bench.state is State.SEEKING


def test_the_log_tells_what_the_network_told():
    bench = Bench()
    lease(bench, auth_servers=("10.0.0.8",), domain="desks.example")
    (line,) = [each.text for each in bench.of(Report) if each.text.startswith("network")]
    told = "addresses 10.0.0.99, servers 10.0.0.8, name servers none, domain desks.example"
    assert line == f"network: {told}"


def test_dhcp_goes_before_the_router():
    bench = Bench(dns=True)
    ip6(bench, "fd00::5", dns=("fd00::53",), domain="six.example")
    lease(bench, domain="four.example", dns=("10.0.0.53",))
    bench.due()
    assert bench.of(Lookup)[-1].question == ServiceOf("four.example", ("10.0.0.53", "fd00::53"))


# Expiry


def test_a_server_that_is_lost_without_an_address_is_not_named_as_lost():
    bench = in_session()
    bench.no_lease()
    assert bench.state is State.CONNECTED
    bench.run(timing.LOST_S + timing.KEEPALIVE_S)
    assert bench.state is State.NO_ADDRESS
    assert bench.terminal.next_deadline() is None
    assert bench.words == catalogue.POWERED_UP.code
    bench.lease("10.0.0.7")
    bench.due()
    assert targets(bench) == ["10.0.0.1"], "where its session is"
    bench.welcome("s1", S1, S2)
    (insert,) = bench.said(Insert)
    assert (insert.token, insert.cause, insert.lost) == (ALICE, Cause.FAILOVER, "")


# The cable


def test_a_cable_that_is_out_for_a_second_costs_nothing():
    bench = in_session()
    cable(bench, False)
    bench.now += 1.0
    cable(bench, True)
    bench.alive(5.0)
    assert bench.state is State.CONNECTED
    assert bench.of(Connect) == bench.of(Show) == []


def test_after_the_cable_was_out_it_goes_back_to_its_session_first():
    bench = in_session()
    cable(bench, False)
    bench.run(timing.LOST_S + timing.KEEPALIVE_S)
    assert bench.words == catalogue.CABLE_OUT.code
    for _ in range(12):
        bench.due()
        if bench.state is State.CONNECTING:
            bench.closed("network is unreachable")
    bench.done.clear()
    if bench.state is State.CONNECTING:
        bench.closed("network is unreachable")
    cable(bench, True)
    assert bench.words != catalogue.CABLE_OUT.code
    bench.due()
    assert targets(bench) == ["10.0.0.1"]
    bench.welcome("s1", S1, S2)
    (insert,) = bench.said(Insert)
    assert insert.lost == ""


def test_a_server_that_dies_with_the_cable_in_is_named():
    bench = in_session()
    bench.server_dies()
    bench.due()
    bench.welcome("s2", S1, S2)
    (insert,) = bench.said(Insert)
    assert insert.lost == "s1"


def test_after_a_round_in_vain_nobody_is_named_as_lost():
    """A switch without power takes all servers away, and no carrier tells of it."""
    bench = in_session()
    bench.server_dies()
    while not bench.of(Broadcast):
        bench.due()
        if bench.state is State.CONNECTING:
            bench.closed("no route")
    while bench.state is not State.CONNECTING:
        bench.due()
    bench.hear(Welcome("s2", 500, 1500, (S1, S2, S3)))
    (insert,) = bench.said(Insert)
    assert (insert.cause, insert.lost) == (Cause.FAILOVER, "")
    bench.hear(ConnectLine(bench.seq, "a1", 2, "t", 7010))
    assert bench.terminal.session == "a1"


def test_a_name_of_the_lease_is_looked_up_with_the_leases_own_servers():
    bench = Bench()
    lease(bench, listed_servers=("hosting",), dns=("10.0.0.53",), domain="desks.example")
    bench.due()
    question = AddressesOf("hosting", "desks.example", ("10.0.0.53",))
    assert bench.of(Lookup)[-1].question == question
