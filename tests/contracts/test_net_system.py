"""The contracts of the network's drivers on a real one: dnsmasq, udhcpc with the hook, a link."""

import contextlib
import os
import subprocess
import sys
import time

import dns.exception
import dns.message
import dns.query
import pytest
from tests.contracts.net import (
    ADDRESS,
    DOMAIN,
    HOST,
    RECORD,
    CarrierContract,
    Ip6Contract,
    LeaseContract,
    LookupContract,
    NetRig,
)

from dtu.core.lease import Lease, NoLease, parse_lease
from dtu.drivers.net.carrier import CarrierWatch, is_plugged
from dtu.drivers.net.ip6_watch import Ip6Watch
from dtu.drivers.net.lease_file import LeaseFile, lease_path
from dtu.drivers.net.lookups import NetworkLookups
from roamtools.lab import kernel, plan
from roamtools.lab.dhcp import DhcpOptions
from roamtools.lab.lab import Lab
from roamwire.control import Server

pytestmark = pytest.mark.system

DESK, NEIGHBOUR = "desk1", "server1"
DNS = [
    f"host-record={HOST}.{DOMAIN},{ADDRESS}",
    f"srv-host=_roamdesk._tcp.{DOMAIN},{HOST}.{DOMAIN},{RECORD.port},{RECORD.priority},{RECORD.weight}",
]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"net-contract-{os.getpid()}"[:20]) as lab:
        lab.up(1, 1, tied=True, with_daemons=False, told=DhcpOptions(more=DNS))
        yield lab


@pytest.fixture
def in_desk(lab):
    """This thread's sockets are the desk's."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    desk = os.open(f"{lab.node_root(lab.node(DESK)).parent}/ns/net", os.O_RDONLY)
    kernel.setns(desk, kernel.CLONE_NEWNET)
    yield
    kernel.setns(own, kernel.CLONE_NEWNET)
    os.close(own)
    os.close(desk)


def soon(condition, what, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class LeaseRig(NetRig):
    """The DHCP server's word changes; a signal makes udhcpc ask at once."""

    patience_s = 30.0

    def __init__(self, lab):
        self._lab = lab
        self._path = lease_path(lab.node_root(lab.node(DESK)) / "run/roamdesk-dtu", "eth0")
        self.driver = LeaseFile(self._path)

    def servers(self, number):
        return (str(plan.server_address(number)),)

    def lease(self, number):
        self._lab.dhcp(True, DhcpOptions(listed=self.servers(number)[0]))
        self._ask()
        soon(lambda: self._names(self.servers(number)), f"lease {number}")

    def renew(self):
        before = self._path.stat().st_ino
        self._ask()
        soon(lambda: self._path.stat().st_ino != before, "renewed")

    def lose(self):
        self._lab.dhcp(False)
        self._lab.stop_process(DESK, "udhcpc")
        self._lab.start_process(DESK, "udhcpc")
        soon(lambda: isinstance(parse_lease(self._lab.lease_text(DESK)), NoLease), "lost")

    def _names(self, servers):
        now = parse_lease(self._lab.lease_text(DESK))
        return isinstance(now, Lease) and now.listed_servers == servers

    def _ask(self):
        pid = self._lab.run(DESK, ["cat", "/run/roamdesk-dtu/udhcpc-eth0.pid"]).stdout.strip()
        assert self._lab.run(DESK, ["kill", "-USR1", pid]).returncode == 0


class CarrierRig(NetRig):
    patience_s = 5.0

    def __init__(self, lab):
        self._lab = lab
        self.driver = CarrierWatch("eth0")
        self.plug(True)

    def plug(self, plugged):
        self._lab.plug(DESK, plugged)
        soon(lambda: is_plugged("eth0") is plugged, f"cable in: {plugged}")


class Ip6Rig(NetRig):
    """An interface and a namespace of its own; the routers' word as `roamdesk-link` has it."""

    patience_s = 10.0
    interface = "desk6"

    def __init__(self, folder):
        self._routers = folder / f"router-{self.interface}"
        self._ip("link", "add", self.interface, "type", "veth")
        self._ip("link", "set", self.interface, "addrgenmode", "none", "up")
        self.driver = Ip6Watch(self.interface, self._routers)

    def address(self, text, there):
        word = ("add", "nodad") if there else ("delete",)
        self._ip("address", word[0], f"{text}/64", "dev", self.interface, *word[1:])

    def routers(self, dns, domain):
        new = self._routers.with_suffix(".new")
        new.write_text(f"interface={self.interface}\ndns={dns}\ndomain={domain}\n")
        new.replace(self._routers)

    def _ip(self, *argv):
        subprocess.run(["ip", *argv], check=True)


ANNOUNCE = """
import asyncio, ipaddress, logging, sys
from roamwire.datagrams import Interface
from sessionhost.adapters.mdns import Announcement

async def announce(host, port, address):
    ip4 = ipaddress.IPv4Address
    own = Interface("eth0", ip4(address), ip4("255.255.255.0"), ip4("10.77.0.255"))
    announcement = Announcement(host, int(port))
    announcement.start()
    announcement.follow([own])
    await asyncio.to_thread(sys.stdin.read)
    await announcement.close()

logging.basicConfig(stream=sys.stdout, level=logging.INFO)
asyncio.run(announce(*sys.argv[1:]))
"""


class LookupRig(NetRig):
    patience_s = 5.0
    dns = (str(plan.SWITCH_ADDRESS),)

    def __init__(self, lab):
        lab.dhcp(True, DhcpOptions(more=DNS))
        soon(self._name_server_is_up, "a name server")
        self.driver = NetworkLookups()
        self._lab = lab
        nodes = {node["name"]: node["address"] for node in lab.status()["nodes"]}
        self.addresses = (nodes[DESK],)

    @contextlib.contextmanager
    def neighbour(self):
        server = Server(NEIGHBOUR, str(plan.server_address(1)), 7009)
        asked = [sys.executable, "-uc", ANNOUNCE, server.host, str(server.port), server.address]
        command = self._lab.command(NEIGHBOUR, asked)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            try:
                assert any("announced by" in line for line in process.stdout), "no announcement"
                yield server
            finally:
                process.stdin.close()  # that ends it; nsenter's child would outlive a signal
                process.wait(10.0)

    def _name_server_is_up(self):
        question = dns.message.make_query(f"{HOST}.{DOMAIN}.", "A")
        try:
            return bool(dns.query.udp(question, self.dns[0], timeout=1.0).answer)
        except (OSError, dns.exception.Timeout):
            return False


class TestLeaseOfUdhcpc(LeaseContract):
    @pytest.fixture
    def rig(self, lab):
        return LeaseRig(lab)


class TestCarrierOfALink(CarrierContract):
    @pytest.fixture
    def rig(self, lab, in_desk):
        rig = CarrierRig(lab)
        yield rig
        rig.plug(True)


class TestIp6OfAnInterface(Ip6Contract):
    @pytest.fixture
    def rig(self, tmp_path):
        own, fresh = os.open("/proc/self/ns/net", os.O_RDONLY), kernel.new_network_namespace()
        kernel.setns(fresh, kernel.CLONE_NEWNET)
        os.close(fresh)
        yield Ip6Rig(tmp_path)
        kernel.setns(own, kernel.CLONE_NEWNET)
        os.close(own)


class TestLookupsInDns(LookupContract):
    @pytest.fixture
    def rig(self, lab, in_desk):
        return LookupRig(lab)
