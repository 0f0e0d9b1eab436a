"""Group managers with IPv6: announcing, who is reachable, serverQ; with and without IPv4."""

import random
from ipaddress import IPv4Address, IPv6Address

import pytest

from fakes.lan import GROUP_PORT, SECRETS, interface, manager
from roamwire.addresses import GROUP6, NO_ADDRESS
from roamwire.control import Server
from roamwire.datagrams import (
    Host,
    Interface,
    ServerQ,
    ServerR,
    encode_datagram,
    parse_datagram,
)
from sessionhost.core.announcing import Standing
from sessionhost.core.group import GroupManager
from sessionhost.core.timing import PROFILES
from sessionhost.core.topology import Topology

NOW = 1000.0
DTU = IPv6Address("fd77::99")


def six(number, name="eth0"):
    return Interface(name, NO_ADDRESS, NO_ADDRESS, NO_ADDRESS, f"fd77::{number}/64")


def both(number):
    plain = interface(f"10.0.0.{number}")
    return Interface(plain.interface, plain.ip, plain.mask, plain.bcast, f"fd77::{number}/64")


def machine(*interfaces, **options):
    standing = Standing("s1", interfaces=interfaces)
    return GroupManager(standing, SECRETS, PROFILES["fast"], random.Random(1), **options)


def announced(group):
    group.announce_now(NOW)
    return {(each.address, each.interface, each.source) for each in group.datagrams_to_send(NOW)}


def test_without_ipv4_it_announces_to_the_links_group_from_its_global_address():
    assert announced(machine(six(1))) == {(GROUP6, "eth0", "fd77::1")}


def test_with_both_it_announces_by_both():
    assert announced(machine(both(1))) == {("10.0.0.255", "eth0", ""), (GROUP6, "eth0", "fd77::1")}


def test_with_neither_broadcast_nor_multicast_there_are_seeds_only():
    group = machine(six(1), broadcast=False, seeds=["fd77::2"])
    assert announced(group) == {("fd77::2", "", "")}


def test_multicast_alone_is_for_both_families():
    group = machine(both(1), broadcast=False, multicast="239.255.70.9")
    assert announced(group) == {("239.255.70.9", "eth0", ""), (GROUP6, "eth0", "fd77::1")}


def ask(group, source, on="eth0"):
    question = encode_datagram(ServerQ("n", "desk1"))
    group.receive_datagram(question, (source, 40000), on, NOW, "multicast")
    return [
        (out.address, str(parse_datagram(out.data).addr)) for out in group.datagrams_to_send(NOW)
    ]


def test_a_server_q_is_answered_in_the_family_of_the_question():
    group = machine(both(1))
    assert ask(group, "fd77::99") == [("fd77::99", "fd77::1")]
    assert ask(group, "10.0.0.99") == [("10.0.0.99", "10.0.0.1")]
    assert ask(group, "fe80::99%eth0") == [("fe80::99%eth0", "fd77::1")]


def test_a_server_that_has_no_address_of_that_family_says_nothing():
    assert ask(machine(six(1)), "10.0.0.99") == []
    assert ask(machine(interface("10.0.0.1")), "fd77::99") == []
    assert ask(machine(six(1)), "no address") == []


def heard(*packets):
    """A topology that has heard host s2 from these addresses at these times."""
    topology = Topology(4.0)
    record = None
    for number, (source, at) in enumerate(packets):
        message = Host("s2", NO_ADDRESS, 0, boot="b", seq=number, interfaces=(both(2),))
        record = topology.heard(message, trusted=True, source=(source, GROUP_PORT), now=at, wall=0)
    return topology, record


def reach(dtu, *packets):
    topology, record = heard(*packets)
    found = topology.reachable_address(record, dtu, (both(1),), NOW)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("dtu", "packets", "address"),
    [
        ("fd77::99", [("fd77::2", NOW)], "fd77::2"),
        ("10.0.0.99", [("10.0.0.2", NOW)], "10.0.0.2"),
        ("fd77::99", [("fd77::2", NOW - 1), ("10.0.0.2", NOW)], "fd77::2"),
        ("10.0.0.99", [("10.0.0.2", NOW - 1), ("fd77::2", NOW)], "10.0.0.2"),
        # In the DTU's subnet, but nothing was heard of it by that family.
        ("fd77::99", [("10.0.0.2", NOW)], None),
        ("10.0.0.99", [("fd77::2", NOW)], None),
        ("fd77::99", [("fd77::2", NOW - 5), ("10.0.0.2", NOW)], None),
        # Behind a router: the address that the host speaks from.
        ("fd99::99", [("fd77::2", NOW)], "fd77::2"),
        ("fd99::99", [("fd77::2", NOW - 1), ("10.0.0.2", NOW)], "fd77::2"),
        ("fd99::99", [("10.0.0.2", NOW)], None),
    ],
)
def test_an_address_is_offered_only_if_a_packet_came_from_there(dtu, packets, address):
    dtu = IPv6Address(dtu) if ":" in dtu else IPv4Address(dtu)
    assert reach(dtu, *packets) == address


def test_an_interface_that_is_gone_is_forgotten_in_both_families():
    topology, record = heard(("fd77::2", NOW), ("10.0.0.2", NOW))
    assert (record.lastpkt, record.lastpkt6) == ({"eth0": NOW}, {"eth0": NOW})
    message = Host("s2", NO_ADDRESS, 0, boot="b", seq=9, interfaces=(six(3, "eth1"),))
    topology.heard(message, trusted=True, source=("fd77::3", GROUP_PORT), now=NOW, wall=0)
    assert (record.lastpkt, record.lastpkt6) == ({}, {"eth1": NOW})


def test_table_a_tells_of_ipv6_where_there_is_some():
    topology, _ = heard(("fd77::2", NOW - 1))
    (view,) = topology.view(NOW)
    (line,) = view.lines()[1:]
    assert line.endswith("lastpkt -1 ip6 fd77::2/64 lastpkt6 1")
    assert not view.interfaces[0].down


def test_the_list_for_a_dtu_has_addresses_of_its_family():
    one, two = machine(both(1)), manager("s2", "10.0.0.2")
    two.set_interfaces([both(2)], NOW)
    one.standing.host = "s1"
    for source, group, other in (("fd77::2", two, one), ("fd77::1", one, two)):
        group.announce_now(NOW)
        for out in group.datagrams_to_send(NOW):
            other.receive_datagram(out.data, (source, GROUP_PORT), "eth0", NOW, "multicast")
    # Each proves the other's boot first; the questions and answers go both ways.
    for _ in range(4):
        two.answer_proofs()
        for out in two.datagrams_to_send(NOW):
            one.receive_datagram(out.data, ("fd77::2", GROUP_PORT), "eth0", NOW)
        for out in one.datagrams_to_send(NOW):
            two.receive_datagram(out.data, ("fd77::1", GROUP_PORT), "eth0", NOW)
    assert one.servers_for(DTU, NOW) == (
        Server("s1", "fd77::1", 7009),
        Server("s2", "fd77::2", 7009),
    )
    assert one.servers_for(IPv4Address("10.0.0.99"), NOW) == (Server("s1", "10.0.0.1", 7009),)


def test_a_refusal_from_any_address_of_a_host_counts():
    _, record = heard(("fd77::2", NOW))
    assert record.is_at("fd77::2")
    assert record.is_at("10.0.0.2")
    assert not record.is_at("fd77::3")


def test_an_answer_names_the_servers_ipv6_address():
    answer = ServerR("n", "s1", DTU)
    assert parse_datagram(encode_datagram(answer)).addr == DTU
