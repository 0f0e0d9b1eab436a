"""The same options from Kea: a terminal's lease and its server."""

import dataclasses
import os
import time

import pytest

from dtu.core.lease import Lease, parse_lease
from roamtools.lab.dhcp import DHCP_OPTIONS, DOMAIN
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

KEA = dataclasses.replace(DHCP_OPTIONS, server="kea")
BLOCKED = {"dns_names": False, "mdns": False, "group_port": 7999}


@pytest.fixture(scope="module")
def lab():
    with Lab(f"kea-{os.getpid()}") as lab:
        lab.up(servers=1, desks=0, tied=True, told=KEA)
        lab.add_desk(settings=BLOCKED)
        yield lab


def test_the_lease_names_the_servers(lab):
    lease = parse_lease(lab.lease_text("desk1"))
    assert isinstance(lease, Lease)
    assert lease.auth_servers == ("10.77.0.11", "10.77.0.12")
    assert lease.alt_servers == ("10.77.0.13",)
    assert lease.listed_servers == ("10.77.0.11", "10.77.0.12")
    assert (lease.domain, lease.dns, lease.prefix) == (DOMAIN, ("10.77.0.1",), 24)
    assert lease.problems == ()
    assert "DHCP4_LEASE_ALLOC" in lab.logs("switch"), "it was Kea"


def test_the_terminal_finds_its_server_by_it(lab):
    deadline = time.monotonic() + 10
    while (state := lab.desk_state("desk1"))["state"] != "connected":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    assert state["server"] == "server1"


def test_other_devices_are_not_told_about_the_servers(lab):
    script = "#!/bin/sh\n[ $1 = bound ] || exit 0\nset >/tmp/other\n"
    lab.run("desk1", ["sh", "-c", f"printf '{script}' >/tmp/hook; chmod +x /tmp/hook"])
    ask = ["udhcpc", "-i", "eth0", "-n", "-q", "-t", "3", "-T", "1", "-O", "43", "-O", "224"]
    lab.run("desk1", [*ask, "-s", "/tmp/hook", "-V", "toaster"])
    told = lab.run("desk1", ["cat", "/tmp/other"]).stdout
    assert "ip='10.77.0." in told
    assert "opt43" not in told
    assert "opt224" not in told


def test_a_lease_from_kea_is_renewed_with_new_values(lab):
    lab.dhcp(True, dataclasses.replace(KEA, auth=["10.77.0.17"], alt=[], listed=""))
    pid = lab.run("desk1", ["cat", "/run/roamdesk-dtu/udhcpc-eth0.pid"]).stdout.strip()
    deadline = time.monotonic() + 15
    while getattr(parse_lease(lab.lease_text("desk1")), "servers", ()) != ("10.77.0.17",):
        assert time.monotonic() < deadline, lab.logs("switch")
        lab.run("desk1", ["kill", "-USR1", pid])  # Kea takes a moment to start
        time.sleep(1)
