"""Topology: the patent's Table A as a golden view, downs, reachability, bounds."""

import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.lan import interface
from roamwire.datagrams import Host, Interface
from roamwire.limits import MAX_HOSTS
from sessionhost.core.topology import MAX_UNTRUSTED, Topology

TABLE_A = (Path(__file__).parent.parent / "vectors" / "table_a.txt").read_text(encoding="ascii")
NOW, WALL = 5000.0, 950_739_902
PORT = 7009


def pairs(line):
    """The words of a line of Table A as key and value."""
    words = line.replace(" TRUSTED", "").split()
    return dict(zip(words[::2], words[1::2], strict=True))


def table():
    """Table A's hosts: (head, its interfaces), as dictionaries."""
    for block in re.split(r"^(?=Host )", TABLE_A, flags=re.M)[1:]:
        head, *rest = block.splitlines()
        yield pairs(head), [pairs(line) for line in rest]


def hexed(text):
    return IPv4Address(int(text, 16))


def host(name="s1", *interfaces, time=0, **more):
    found = interfaces or (interface("10.0.0.1"),)
    return Host(name, found[0].ip, time, interfaces=found, **more)


def hear(topology, message, source, now, *, trusted=True, wall=0.0):
    return topology.heard(message, trusted=trusted, source=(source, PORT), now=now, wall=wall)


def play_table_a():
    """Send each host's message at the times that Table A says, from the interfaces it says."""
    topology = Topology(60.0)
    packets = []
    for head, rows in table():
        found = tuple(
            Interface(row["interface"], *(hexed(row[key]) for key in ("ip", "mask", "bcast")))
            for row in rows
        )
        for row in rows:
            if row["lastpkt"] != "-1":
                packets.append((NOW - int(row["lastpkt"]), row["ip"], head, found))
    for at, source, head, found in sorted(packets, key=lambda packet: packet[0]):
        wall = WALL + at - NOW
        message = Host(
            head["Host"], hexed(head["addr"]), int(wall) + int(head["timeoff"]), interfaces=found
        )
        hear(topology, message, str(hexed(source)), at, wall=wall)
    return topology


def test_table_a_is_what_a_server_shows():
    shown = {view.host: view.lines() for view in play_table_a().view(NOW)}
    expected = {head["Host"]: [] for head, _ in table()}
    name = ""
    for line in TABLE_A.splitlines():
        name = line.split()[1] if line.startswith("Host ") else name
        expected[name].append(line)
    assert shown == expected


def test_a_hosts_lines_come_in_the_order_of_names():
    names = [view.host for view in play_table_a().view(NOW)]
    assert names == ["host05", "host21", "host22", "host41", "host45", "mud"]


@pytest.mark.parametrize(
    ("later", "down"),
    [
        (41.0, set()),
        (42.0, {"host41", "host45"}),
        (45.0, {"host41", "host45", "host22", "host21"}),
        (60.0, {"host41", "host45", "host22", "host21", "host05", "mud"}),
    ],
)
def test_hosts_of_table_a_go_down_after_sixty_seconds(later, down):
    topology = play_table_a()
    assert {view.host for view in topology.view(NOW + later) if view.down} == down
    assert {record.host for record in topology.mark_down(NOW + later)} == down
    assert {record.host for record in topology.live()} == {
        head["Host"] for head, _ in table()
    } - down
    assert topology.mark_down(NOW + later) == []


def test_next_down_is_the_first_host_to_go():
    topology = play_table_a()
    assert topology.next_down() == NOW - 18 + 60
    topology.mark_down(NOW + 42)
    assert topology.next_down() == NOW - 16 + 60
    assert Topology(4.0).next_down() is None


@pytest.mark.parametrize(
    ("name", "dtu", "address"),
    [
        ("host05", "192.168.128.77", "192.168.128.1"),
        ("mud", "192.168.128.77", "192.168.128.3"),
        ("host22", "129.144.167.30", "129.144.167.22"),  # le0, heard 16 s ago
        ("host41", "192.168.128.77", None),  # the one private address that four hosts have
        ("host22", "192.168.128.77", None),  # qfe0's wide subnet holds it, qfe0 was never heard
        ("mud", "129.144.167.30", None),  # on a network of ours, where mud is not
        ("mud", "129.144.127.9", "192.168.128.3"),  # on none of ours: where mud speaks from
        ("host22", "10.1.1.1", "129.144.167.22"),
    ],
)
def test_who_can_be_reached_in_table_a(name, dtu, address):
    """Subnets alone lie; a packet must have been heard from that very interface."""
    topology = play_table_a()
    mine = topology.trusted("host05").message.interfaces
    found = topology.reachable_address(topology.trusted(name), IPv4Address(dtu), mine, NOW)
    assert found == (IPv4Address(address) if address else None)


def test_an_interface_that_has_fallen_silent_is_not_reachable():
    topology = Topology(4.0)
    near, far = interface("10.0.0.1"), interface("10.9.0.1", "eth1")
    both = host("s1", near, far)
    hear(topology, both, "10.0.0.1", 100.0)
    hear(topology, both, "10.9.0.1", 103.0)
    record, mine = topology.trusted("s1"), [interface("10.0.0.7"), interface("10.9.0.7", "eth1")]
    dtu = IPv4Address("10.0.0.99")
    assert topology.reachable_address(record, dtu, mine, 103.9) == near.ip
    assert topology.reachable_address(record, dtu, mine, 104.0) is None
    down = {each.interface: each.down for each in topology.view(104.0)[0].interfaces}
    assert down == {"eth0": True, "eth1": False}


def test_a_view_marks_who_is_not_trusted_and_who_is_down():
    topology = Topology(4.0)
    hear(topology, host("good"), "10.0.0.1", 100.0)
    hear(topology, host("evil", interface("10.0.0.2")), "10.0.0.2", 102.0, trusted=False)
    good, evil = (view.lines() for view in topology.view(105.0))
    assert good[0] == "Host good lastseen 5 timeoff 0 addr 0a000001 numifs 1 TRUSTED down"
    assert evil[0] == "Host evil lastseen 3 timeoff 0 addr 0a000002 numifs 1"
    assert evil[1].endswith("lastpkt 3")


def test_a_host_without_the_signature_never_replaces_a_trusted_one():
    topology = Topology(4.0)
    hear(topology, host("s1", load=7), "10.0.0.1", 100.0)
    hear(topology, host("s1", load=9), "10.0.0.66", 101.0, trusted=False)
    assert topology.trusted("s1").message.load == 7
    assert topology.trusted("s1").lastseen == 100.0
    assert [view.trusted for view in topology.view(101.0)] == [True, False]
    assert [record.host for record in topology.live()] == ["s1"]


def test_a_host_whose_secret_was_set_right_is_in_the_table_once():
    topology = Topology(4.0)
    hear(topology, host("s1"), "10.0.0.1", 100.0, trusted=False)
    hear(topology, host("s1"), "10.0.0.1", 101.0)
    assert [(view.host, view.trusted) for view in topology.view(101.0)] == [("s1", True)]


def test_hosts_without_the_signature_are_bounded_and_the_oldest_goes():
    topology = Topology(4.0)
    hear(topology, host("s1"), "10.0.0.1", 100.0)
    for number in range(MAX_UNTRUSTED + 10):
        hear(topology, host(f"x{number}"), "10.0.0.66", 101.0, trusted=False)
    hear(topology, host("x10"), "10.0.0.66", 102.0, trusted=False)
    hear(topology, host("y"), "10.0.0.66", 103.0, trusted=False)
    names = [view.host for view in topology.view(103.0)]
    assert len(names) == MAX_UNTRUSTED + 1
    assert names[0] == "s1"
    assert "x10" in names
    assert "x11" not in names
    assert topology.mark_down(200.0) == [topology.trusted("s1")]


def test_trusted_hosts_are_bounded():
    topology = Topology(4.0)
    for number in range(MAX_HOSTS):
        assert hear(topology, host(f"s{number}"), "10.0.0.1", 100.0) is not None
    assert hear(topology, host("more"), "10.0.0.1", 100.0) is None
    assert hear(topology, host("s0"), "10.0.0.1", 101.0) is not None
    assert len(topology.view(101.0)) == MAX_HOSTS


@pytest.mark.parametrize("trusted", [True, False])
def test_interfaces_that_are_gone_are_forgotten(trusted):
    topology = Topology(4.0)
    for number in range(100):
        each = host("s1", interface("10.0.0.1", f"veth{number}"))
        record = hear(topology, each, "10.0.0.1", 100.0 + number, trusted=trusted)
    assert record.lastpkt == {"veth99": 199.0}


def test_an_announcement_that_was_overtaken_takes_nothing_back_and_proves_nothing():
    topology = Topology(4.0)
    hear(topology, host("s1", boot="b", seq=7, load=7), "10.0.0.1", 100.0)
    hear(topology, host("s1", boot="b", seq=6, load=6), "10.0.0.1", 102.0)
    assert topology.trusted("s1").message.load == 7
    assert topology.next_down() == 104.0
    topology.mark_down(104.0)
    assert hear(topology, host("s1", boot="b", seq=5), "10.0.0.1", 105.0) is None
    assert hear(topology, host("s1", boot="b", seq=8), "10.0.0.1", 105.0) is not None
    assert hear(topology, host("s1", boot="c", seq=1, load=1), "10.0.0.1", 106.0) is not None
    assert topology.trusted("s1").message.load == 1


@given(st.floats(0, 1e7), st.sampled_from([4.0, 60.0]))
def test_a_host_is_down_at_the_deadline_that_was_named(now, limit):
    topology = Topology(limit)
    hear(topology, host("s1"), "10.0.0.1", now)
    assert [record.host for record in topology.mark_down(topology.next_down())] == ["s1"]
    assert topology.next_down() is None
