"""A network that changes under a terminal: real leases with new values, pulled cables."""

import os
import time

import pytest

from roamtools.lab import plan
from roamtools.lab.dhcp import DhcpOptions
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

SERVERS = [str(plan.server_address(number)) for number in (1, 2)]
SILENT = DhcpOptions()
BLOCKED = {"dns_names": False, "mdns": False, "group_port": 7999}


@pytest.fixture(scope="module")
def lab():
    with Lab(f"changes-{os.getpid()}") as lab:
        lab.up(servers=2, desks=0, tied=True, told=SILENT)
        yield lab


def wait_for(condition, what, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def is_connected(lab, desk):
    return lab.desk_state(desk)["state"] == "connected"


def renew(lab, desk):
    """What the end of half the lease would do."""
    pid = lab.run(desk, ["cat", "/run/roamdesk-dtu/udhcpc-eth0.pid"]).stdout.strip()
    assert lab.run(desk, ["kill", "-USR1", pid]).returncode == 0


def desk_in_session(lab, card):
    lab.dhcp(True, DhcpOptions(auth=SERVERS))
    desk = lab.add_desk(settings=BLOCKED)
    wait_for(lambda: is_connected(lab, desk), "no server")
    with lab.trace(desk) as trace:
        lab.insert(desk, card)
        session = trace.wait("first_frame", 20)["session"]
    return desk, session, lab.desk_state(desk)["server"]


def test_a_renewed_lease_that_names_a_server_ends_the_search(lab):
    lab.dhcp(True, SILENT)
    desk = lab.add_desk(settings=BLOCKED)
    assert not is_connected(lab, desk)
    lab.dhcp(True, DhcpOptions(auth=SERVERS))
    renew(lab, desk)
    wait_for(lambda: is_connected(lab, desk), lab.logs(desk, "dtu"))
    assert "opt43" in lab.lease_text(desk)


def test_new_servers_domain_and_name_servers_leave_a_session_alone(lab):
    desk, _, server = desk_in_session(lab, "A")
    other = DhcpOptions(alt=[SERVERS[1]], dns="10.77.0.53", more=["domain=other.lab"])
    with lab.trace(desk) as trace:
        lab.dhcp(True, other)
        renew(lab, desk)
        wait_for(lambda: "10.77.0.53" in lab.lease_text(desk), "not renewed")
        with pytest.raises(TimeoutError):
            trace.wait("connect", 2.5)
    assert lab.desk_state(desk)["server"] == server


def test_another_address_leads_back_to_the_same_session(lab):
    desk, session, server = desk_in_session(lab, "B")
    before = lab.desk_state(desk)["address"]
    with lab.trace(desk) as trace:
        lab.dhcp(True, DhcpOptions(auth=SERVERS, leases=(210, 230)))  # the old address is refused
        renew(lab, desk)
        again = trace.wait("first_frame", 15)
    assert again["session"] == session
    assert lab.desk_state(desk)["server"] == server
    assert lab.desk_state(desk)["address"] != before


def test_a_cable_that_is_out_for_a_moment_costs_nothing(lab):
    desk, _, _ = desk_in_session(lab, "C")
    with lab.trace(desk) as trace:
        lab.plug(desk, False)
        time.sleep(0.8)
        lab.plug(desk, True)
        with pytest.raises(TimeoutError):
            trace.wait("connect", 3.0)


def test_a_cable_that_comes_back_after_a_while_leads_to_the_same_session(lab):
    desk, session, server = desk_in_session(lab, "A")
    with lab.trace(desk) as trace:
        lab.plug(desk, False)
        wait_for(lambda: not is_connected(lab, desk), "the loss was not noticed")
        time.sleep(2.0)
        lab.plug(desk, True)
        again = trace.wait("first_frame", 15)
    assert (again["session"], lab.desk_state(desk)["server"]) == (session, server)


@pytest.mark.parametrize("at_start", ["in", "out"])
def test_a_cable_that_comes_back_in_another_network_gets_its_values(lab, at_start):
    """The DHCP client does not see the cable: `roamdesk-link` tells it."""
    lab.dhcp(True, SILENT)
    desk = lab.add_desk(settings=BLOCKED)
    lab.plug(desk, False)
    if at_start == "out":
        lab.stop_process(desk, "link")
        lab.start_process(desk, "link")
    time.sleep(0.7)
    lab.dhcp(True, DhcpOptions(auth=SERVERS))
    lab.plug(desk, True)
    wait_for(lambda: is_connected(lab, desk), lab.logs(desk))
