"""A network without IPv4: the story, and each way of finding a server that there is with IPv6."""

import os
import time

import pytest

from roamtools.demo.story import Story
from roamtools.lab import plan
from roamtools.lab.dhcp import DOMAIN, DhcpOptions
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

SERVER = str(plan.server_address(1, ipv6_only=True))
SILENT = DhcpOptions()
BLOCKED = {"dns_names": False, "mdns": False, "group_port": 7999}

WAYS = {
    "configured": (SILENT, {"servers": [SERVER]}),
    "DNS, SRV": (
        DhcpOptions(
            more=[
                f"srv-host=_roamdesk._tcp.{DOMAIN},one.{DOMAIN},7009",
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
}


def test_every_step_of_the_story(tmp_path):
    told = []
    with Lab(f"story6-{os.getpid()}") as lab:
        lab.up(servers=0, desks=0, tied=True, ipv6_only=True)
        for title, step in Story(lab, tmp_path).steps():
            told.append(f"{title}: {step()}")
        assert "inet " not in lab.run("desk1", ["ip", "address", "show", "dev", "eth0"]).stdout
    assert len(told) == 15


@pytest.fixture(scope="module")
def lab():
    with Lab(f"ways6-{os.getpid()}") as lab:
        lab.up(servers=1, desks=0, tied=True, told=SILENT, ipv6_only=True)
        yield lab


def connected(lab, desk, seconds=15.0):
    deadline = time.monotonic() + seconds
    while (state := lab.desk_state(desk))["state"] != "connected":
        assert time.monotonic() < deadline, f"{state}\n{lab.logs(desk)}"
        time.sleep(0.02)


@pytest.mark.parametrize("way", WAYS)
def test_a_server_is_found_by_this_way_alone(lab, way):
    told, settings = WAYS[way]
    lab.dhcp(True, told)
    desk = lab.add_desk(settings=BLOCKED | settings)
    connected(lab, desk)


def test_the_last_list_is_of_ipv6_too(lab):
    lab.dhcp(True, DhcpOptions(more=[f"host-record=roamdesk-servers.{DOMAIN},{SERVER}"]))
    desk = lab.add_desk(settings=BLOCKED | {"dns_names": True})
    connected(lab, desk)
    lab.stop_process(desk, "dtu")
    lab.dhcp(True, SILENT)
    lab.start_process(desk, "dtu")
    lab.wait_ready(desk)
    connected(lab, desk)


def test_no_way_at_all_finds_nobody(lab):
    lab.dhcp(True, SILENT)
    desk = lab.add_desk(settings=BLOCKED)
    with lab.trace(desk, since=0.0) as trace:
        told = {event["event"] for event in trace.events(4.0)}
    assert "ip6" in told, "the trace is not of the desk's whole life"
    assert "connect" not in told
    state = lab.desk_state(desk)
    assert (state["state"] != "connected", state["server"]) == (True, "")
