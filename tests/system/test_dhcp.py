"""A terminal's lease from a real dnsmasq, through a real udhcpc and the terminal's own hook."""

import time

import pytest

from dtu.core.lease import Lease, NoLease, parse_lease
from dtu.drivers.net.lease_file import LeaseFile, lease_path
from roamtools.lab import plan
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

DESK = "desk1"


@pytest.fixture(scope="module")
def lab():
    with Lab("dhcp-test") as lab:
        lab.up(0, 1, tied=True, with_daemons=False)
        yield lab


def lease_of(lab):
    return parse_lease(lab.lease_text(DESK))


def wait_for(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def inside(lab, *command):
    done = lab.run(DESK, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lease_names_the_servers(lab):
    lease = lease_of(lab)
    assert isinstance(lease, Lease)
    assert lease.interface == "eth0"
    assert lease.address.startswith("10.77.0.1")
    assert lease.prefix == 24
    assert lease.routers == lease.dns == ("10.77.0.1",)
    assert lease.dhcp_server == "10.77.0.1"
    assert lease.domain == "roamdesk.lab"
    assert lease.lease_s == 3600
    assert lease.auth_servers == ("10.77.0.11", "10.77.0.12")
    assert lease.alt_servers == ("10.77.0.13",)
    assert lease.listed_servers == ("10.77.0.11", "10.77.0.12")
    assert lease.problems == ()


def test_the_driver_reads_the_file_of_the_hook(lab):
    run_dir = lab.node_root(lab.node(DESK)) / "run/roamdesk-dtu"
    assert LeaseFile(lease_path(run_dir, "eth0")).look() == lease_of(lab)


def test_address_route_and_name_server_are_in_force(lab):
    lease = lease_of(lab)
    assert f"inet {lease.address}/24 brd 10.77.0.255" in inside(lab, "ip", "address", "show")
    assert "default via 10.77.0.1 dev eth0" in inside(lab, "ip", "route")
    assert inside(lab, "cat", "/etc/resolv.conf") == "search roamdesk.lab\nnameserver 10.77.0.1\n"


def test_a_renewal_leaves_the_address_alone(lab):
    before = inside(lab, "ip", "-4", "-o", "address", "show", "dev", "eth0")
    lab.run(DESK, ["sh", "-c", "ip -4 -o monitor address >/tmp/monitor 2>&1 & echo $! >/tmp/pid"])
    pid = next(
        process["pid"]
        for process in lab.status()["nodes"][0]["processes"]
        if process["name"] == "udhcpc"
    )
    inside(lab, "kill", "-USR1", str(pid))
    wait_for(lambda: "event=renew" in lab.lease_text(DESK))
    assert inside(lab, "ip", "-4", "-o", "address", "show", "dev", "eth0") == before
    inside(lab, "sh", "-c", "kill $(cat /tmp/pid)")
    assert inside(lab, "cat", "/tmp/monitor") == ""


def test_other_devices_are_not_told_about_the_servers(lab):
    script = "#!/bin/sh\n[ $1 = bound ] || exit 0\nset >/tmp/other\n"
    inside(lab, "sh", "-c", f"printf '{script}' >/tmp/hook; chmod +x /tmp/hook")
    inside(
        lab,
        *[
            "udhcpc",
            "-i",
            "eth0",
            "-n",
            "-q",
            "-t",
            "3",
            "-T",
            "1",
            "-O",
            "43",
            "-O",
            "224",
            "-s",
            "/tmp/hook",
            "-V",
            "toaster",
        ],
    )
    told = inside(lab, "cat", "/tmp/other")
    assert "ip='10.77.0." in told
    assert "opt43" not in told
    assert "opt224" not in told


def test_values_of_a_hostile_server_cannot_add_keys(lab):
    hook = str(plan.project_root() / "firmware/etc/udhcpc/roamdesk.script")
    inside(
        lab,
        *("env", "ROAMDESK_RUN_DIR=/tmp/evil", "ROAMDESK_RESOLV_CONF=/tmp/evil-resolv"),
        *("interface=lo", "ip=127.0.0.5", "mask=8", "domain=a\naddress=6.6.6.6", "lease=60"),
        *("dns=$(touch /tmp/owned)", hook, "bound"),
    )
    text = inside(lab, "cat", "/tmp/evil/lease-lo")
    assert "address=6.6.6.6" not in text.splitlines()
    assert lab.run(DESK, ["test", "-e", "/tmp/owned"]).returncode != 0
    lease = parse_lease(text)
    assert isinstance(lease, Lease)
    assert lease.address == "127.0.0.5"
    assert lease.dns == ()


def test_no_dhcp_server_and_then_one():
    with Lab("dhcp-late") as lab:
        lab.up(0, 1, tied=True, with_daemons=False, dhcp=False)
        wait_for(lambda: "event=leasefail" in lab.lease_text(DESK))
        assert lease_of(lab) == NoLease("eth0", "leasefail")
        lab.dhcp(True)
        wait_for(lambda: "event=bound" in lab.lease_text(DESK))
        assert isinstance(lease_of(lab), Lease)
