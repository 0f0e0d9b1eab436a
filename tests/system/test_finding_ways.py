"""Each way of finding a server alone, with real DHCP, DNS and multicast DNS; the others blocked."""

import json
import os
import sys
import time

import pytest

from roamtools.lab import plan
from roamtools.lab.dhcp import DOMAIN, DhcpOptions
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

SERVER = str(plan.server_address(1))
NOBODY = "10.77.0.250"  # packets to it vanish
SILENT = DhcpOptions()
BLOCKED = {"dns_names": False, "mdns": False, "group_port": 7999}  # nobody answers serverQ there

WAYS = {
    "option 43, AuthSrvr": (DhcpOptions(auth=[SERVER]), {}),
    "option 43, AltAuth": (DhcpOptions(alt=[SERVER]), {}),
    "option 224, an address": (DhcpOptions(listed=SERVER), {}),
    "option 224, a name": (
        DhcpOptions(listed="hosting", more=[f"host-record=hosting.{DOMAIN},{SERVER}"]),
        {},
    ),
    "configured": (SILENT, {"servers": [SERVER]}),
    "DNS, SRV": (
        DhcpOptions(
            more=[
                f"srv-host=_roamdesk._tcp.{DOMAIN},gone.{DOMAIN},7009,1",
                f"srv-host=_roamdesk._tcp.{DOMAIN},one.{DOMAIN},7009,2",
                f"host-record=gone.{DOMAIN},{NOBODY}",
                f"host-record=one.{DOMAIN},{SERVER}",
            ]
        ),
        {"dns_names": True},
    ),
    "DNS, the name": (
        DhcpOptions(more=[f"host-record=roamdesk-servers.{DOMAIN},{SERVER}"]),
        {"dns_names": True},
    ),
    "multicast DNS": (SILENT, {"mdns": True}),
    "serverQ": (SILENT, {"group_port": 7009}),
    "serverQ, after a name server that is dead": (
        DhcpOptions(dns=NOBODY),
        {"dns_names": True, "group_port": 7009},
    ),
}


@pytest.fixture(scope="module")
def lab():
    with Lab(f"ways-{os.getpid()}") as lab:
        lab.up(servers=1, desks=0, tied=True, told=SILENT)
        yield lab


def connected(lab, desk, seconds=15.0):
    """Wait until the desk has a server; the seconds it took."""
    start = time.monotonic()
    while (state := lab.desk_state(desk))["state"] != "connected":
        assert time.monotonic() - start < seconds, f"{state}\n{lab.logs(desk, 'dtu')}"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.mark.parametrize("way", WAYS)
def test_a_server_is_found_by_this_way_alone(lab, way):
    told, settings = WAYS[way]
    lab.dhcp(True, told)
    desk = lab.add_desk(settings=BLOCKED | settings)
    connected(lab, desk)
    assert lab.desk_state(desk)["server"] == "server1"


def test_no_way_at_all_finds_nobody(lab):
    """What the tests above rest on: with everything blocked there is nothing to find."""
    lab.dhcp(True, SILENT)
    desk = lab.add_desk(settings=BLOCKED)
    with lab.trace(desk, since=0.0) as trace:
        told = {event["event"] for event in trace.events(4.0)}
    assert "lease" in told, "the trace is not of the desk's whole life"
    assert "connect" not in told
    state = lab.desk_state(desk)
    assert (state["state"] != "connected", state["server"]) == (True, "")


def test_the_last_list_finds_the_group_after_a_restart(lab):
    lab.dhcp(True, DhcpOptions(auth=[SERVER]))
    desk = lab.add_desk(settings=BLOCKED)
    connected(lab, desk)
    for process in ("dtu", "udhcpc"):
        lab.stop_process(desk, process)
    lab.dhcp(True, SILENT)
    for process in ("udhcpc", "dtu"):
        lab.start_process(desk, process)
    lab.wait_ready(desk)
    assert "opt43" not in lab.lease_text(desk)
    connected(lab, desk)


def heard(lab, desk):
    """What the link says by multicast DNS, seen from a desk: (name, address) of each."""
    own = next(node["address"] for node in lab.status()["nodes"] if node["name"] == desk)
    script = (
        "import asyncio, json; from dtu.drivers.net.mdns import neighbours\n"
        f"found = asyncio.run(neighbours(['{own}'], 1.0)).found\n"
        "print(json.dumps(sorted((each.host, each.address) for each in found)))"
    )
    done = lab.run(desk, [sys.executable, "-c", script])
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


def wait_heard(lab, desk, expected, seconds=10.0):
    deadline = time.monotonic() + seconds
    while (found := heard(lab, desk)) != expected:
        assert time.monotonic() < deadline, found


def test_the_announcement_follows_server_and_addresses():
    with Lab(f"mdns-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True)
        wait_heard(lab, "desk1", [("server1", SERVER)])
        lab.run("server1", ["ip", "address", "add", "10.77.0.99/24", "dev", "eth0"])
        wait_heard(lab, "desk1", [("server1", SERVER), ("server1", "10.77.0.99")])
        lab.run("server1", ["ip", "address", "delete", "10.77.0.99/24", "dev", "eth0"])
        wait_heard(lab, "desk1", [("server1", SERVER)])
        lab.stop_process("server1", "hostd")
        assert heard(lab, "desk1") == []
