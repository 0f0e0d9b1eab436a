"""The terminal's units on a booted systemd: udev starts them, a real DHCP server gives a lease."""

import datetime
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from dtu.core.lease import Lease, NoLease, parse_lease
from dtu.drivers.net.carrier import is_plugged
from roamtools.lab.dhcp import DhcpOptions, dnsmasq_config
from roamtools.lab.plan import SWITCH_ADDRESS
from roamtools.lab.switch import BRIDGE
from roamwire.identity import Identity
from sessionhost.adapters.pki import create_group

SERVERS = "server"  # the network namespace of the DHCP server
RUN = Path("/run/roamdesk-dtu")
LEASE = RUN / "lease-eth0"
FIRST, SECOND = "10.77.0.11", "10.77.0.12"
PATIENCE_S = 300.0
pytestmark = pytest.mark.timeout(900)  # without KVM beside other work a service takes ten seconds
ROUTERS = ["enable-ra", f"dhcp-range=::,constructor:{BRIDGE},ra-only"]
ROUTERS += ["dhcp-option=option6:dns-server,[fd77::1]"]


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def shown(unit, name):
    return run("systemctl", "show", "--property", name, "--value", unit)


def lease():
    try:
        return parse_lease(LEASE.read_text())
    except OSError:
        return None


class Network:
    """dnsmasq on the other end of the hub."""

    def __init__(self, folder):
        self._folder = folder
        self._server = None
        run("ip", "netns", "add", SERVERS)
        run("ip", "link", "set", "eth1", "netns", SERVERS)
        inside = ("ip", "-n", SERVERS)
        run(*inside, "link", "set", "eth1", "name", BRIDGE)
        run(*inside, "address", "add", f"{SWITCH_ADDRESS}/24", "dev", BRIDGE)
        run(*inside, "address", "add", "fd77::1/64", "dev", BRIDGE, "nodad")
        run(*inside, "link", "set", BRIDGE, "up")

    def tells(self, server):
        """Start the DHCP server, with this session server in its word."""
        self.stop()
        config = self._folder / "dnsmasq.conf"
        told = DhcpOptions(listed=server, more=ROUTERS)
        config.write_text(dnsmasq_config(self._folder, told, ipv6_only=False))
        command = ["dnsmasq", "--keep-in-foreground", f"--conf-file={config}"]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["ip", "netns", "exec", SERVERS, *command], stdout=log, stderr=log
            )

    def stop(self):
        if self._server is not None:
            self._server.terminate()
            self._server.wait(20)
            self._server = None

    def close(self):
        self.stop()
        run("ip", "netns", "delete", SERVERS)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    network = Network(tmp_path_factory.mktemp("dhcp"))
    yield network
    network.close()
    print(run("journalctl", "--boot", "--no-pager", "--unit", "roamdesk-*"))


@pytest.fixture
def served(network, until):
    """A terminal with a lease that names the first server."""
    network.tells(FIRST)
    try:
        if not names(FIRST):
            os.kill(int(shown("roamdesk-dhcp@eth0", "MainPID")), signal.SIGUSR1)  # ask now
        until(lambda: names(FIRST), "the lease", PATIENCE_S)
        yield network
    finally:
        network.stop()


def names(server):
    now = lease()
    return isinstance(now, Lease) and now.listed_servers == (server,)


def test_udev_has_started_the_units_of_the_named_interface_only(until):
    for unit in ("roamdesk-dhcp", "roamdesk-link"):
        until(lambda unit=unit: shown(f"{unit}@eth0", "ActiveState") == "active", unit, PATIENCE_S)
        assert shown(f"{unit}@eth1", "ActiveState") == "inactive"
        assert shown(f"{unit}@eth1", "Result") == "exec-condition"


def test_without_a_server_the_terminal_is_told_so(until):
    until(lambda: lease() == NoLease("eth0", "leasefail"), "leasefail", PATIENCE_S)


def test_a_lease_puts_address_route_and_name_server_in_force(served):
    address = lease().address
    assert f"inet {address}/24" in run("ip", "address", "show", "dev", "eth0")
    assert f"default via {SWITCH_ADDRESS} dev eth0" in run("ip", "route")
    assert os.readlink("/etc/resolv.conf") == str(RUN / "resolv.conf")
    assert f"nameserver {SWITCH_ADDRESS}" in Path("/etc/resolv.conf").read_text()


def test_the_client_is_nobody_and_the_terminal_may_read_but_not_write_its_word(served):
    pid = shown("roamdesk-dhcp@eth0", "MainPID")
    status = Path(f"/proc/{pid}/status").read_text()
    user = pwd.getpwnam("roamdesk-net").pw_uid
    assert re.search(rf"^Uid:\s+{user}\s+{user}\s", status, re.MULTILINE)
    # CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW: bits 10, 12, 13.
    assert int(re.search(r"CapEff:\s+(\w+)", status)[1], 16) == 1 << 10 | 1 << 12 | 1 << 13
    assert (RUN.stat().st_uid, RUN.stat().st_mode & 0o777) == (user, 0o755)
    assert (LEASE.stat().st_uid, LEASE.stat().st_mode & 0o777) == (user, 0o644)


def test_a_client_that_dies_is_back_and_the_lease_stays(served, until):
    before = shown("roamdesk-dhcp@eth0", "MainPID")
    os.kill(int(before), signal.SIGKILL)
    until(lambda: shown("roamdesk-dhcp@eth0", "MainPID") not in ("0", before), "a new one")
    until(lambda: names(FIRST), "the lease again", PATIENCE_S)


def test_a_router_is_heard(served, until):
    def told():
        path = RUN / "router-eth0"
        return path.exists() and "dns=fd77::1" in path.read_text()

    run("systemctl", "restart", "roamdesk-link@eth0")
    until(told, "the router's name server", PATIENCE_S)


def test_a_cable_that_comes_back_in_another_network_gets_its_values(served, host, until):
    host.qmp("set_link", name="nic0", up=False)
    until(lambda: is_plugged("eth0") is False, "the cable is out")
    served.tells(SECOND)
    assert names(FIRST)
    host.qmp("set_link", name="nic0", up=True)
    until(lambda: names(SECOND), "the other network's lease", PATIENCE_S)


def test_the_helper_leaves_no_process_behind(until):
    group = Path("/sys/fs/cgroup") / shown("roamdesk-link@eth0", "ControlGroup").lstrip("/")
    # One shell reads, one asks; `ip monitor`; a sleep or rdisc6.
    assert 2 <= len((group / "cgroup.procs").read_text().split()) <= 5
    pid = int(shown("roamdesk-link@eth0", "MainPID"))
    run("systemctl", "kill", "--kill-whom=main", "--signal=TERM", "roamdesk-link@eth0")
    until(lambda: not Path(f"/proc/{pid}").exists(), "its end")
    log = run("journalctl", "--boot", "--no-pager", "--unit", "roamdesk-link@eth0")
    assert "remains running after unit stopped" not in log
    assert "left-over process" not in log


def test_an_adapter_that_is_plugged_is_served_until_it_is_pulled(served, host, until):
    """The settings name another interface, and it comes later."""
    settings = Path("/etc/roamdesk/dtu.toml")
    kept = settings.read_text()
    settings.write_text(kept + 'interface = "usb0"\n')
    try:
        host.qmp("netdev_add", type="hubport", id="nic2-hub", hubid=0)
        host.plug("usb-net", "nic2", netdev="nic2-hub")
        until(lambda: "address=10.77.0." in text_of("lease-usb0"), "its lease", PATIENCE_S)
        assert shown("roamdesk-dhcp@usb0", "ActiveState") == "active"
        host.unplug("nic2")
        until(lambda: shown("roamdesk-dhcp@usb0", "ActiveState") == "inactive", "its end")
        until(lambda: shown("roamdesk-link@usb0", "ActiveState") == "inactive", "its end")
    finally:
        settings.write_text(kept)


def text_of(name):
    try:
        return (RUN / name).read_text()
    except OSError:
        return ""


@pytest.fixture
def identity():
    """What `roamctl dtu issue` would have made."""
    now = datetime.datetime.now(datetime.UTC)
    folder = Path("/root/group")
    issued = create_group(folder, "test", now, os.urandom).issue(Identity("dtu", "desk1"), now)
    state = Path("/var/lib/roamdesk-dtu")
    state.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(folder / "ca.crt", "/etc/roamdesk/ca.crt")
    for name, data in (("dtu.crt", issued.certificate), ("dtu.key", issued.key)):
        (state / name).write_bytes(data)
        (state / name).chmod(0o600)
    for path in (state, *state.iterdir()):
        shutil.chown(path, "roamdesk-dtu", "roamdesk-dtu")
    yield
    run("systemctl", "stop", "roamdesk-dtu")


def test_the_terminal_starts_reads_the_lease_and_is_watched(served, identity, until):
    """On its console, as its own user, in its sandbox, with the settings of an image."""
    run("systemctl", "start", "roamdesk-dtu")  # Type=notify: it has said that it serves
    pid = shown("roamdesk-dtu", "MainPID")
    user = pwd.getpwnam("roamdesk-dtu").pw_uid
    assert Path(f"/proc/{pid}").stat().st_uid == user

    def said(words):
        log = run("journalctl", "--boot", "--no-pager", "--unit", "roamdesk-dtu")
        return words in log

    until(lambda: said(f"network: addresses {lease().address}"), "the lease in its log", PATIENCE_S)
    os.kill(int(pid), signal.SIGSTOP)  # a loop that hangs
    until(lambda: shown("roamdesk-dtu", "MainPID") not in ("0", pid), "a new one", PATIENCE_S)
    assert said("Watchdog timeout")
    until(lambda: shown("roamdesk-dtu", "ActiveState") == "active", "it serves again", PATIENCE_S)
