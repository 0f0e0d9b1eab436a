"""The contracts of the network's drivers on a real one: dnsmasq, udhcpc with the hook, a link."""

import os
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
    LeaseContract,
    LookupContract,
    NetRig,
)

from dtu.core.lease import Lease, NoLease, parse_lease
from dtu.drivers.net.carrier import CarrierWatch, is_plugged
from dtu.drivers.net.lease_file import LeaseFile, lease_path
from dtu.drivers.net.lookups import NetworkLookups
from roamtools.lab import kernel, plan
from roamtools.lab.dhcp import DhcpOptions
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

DESK = "desk1"
DNS = [
    f"host-record={HOST}.{DOMAIN},{ADDRESS}",
    f"srv-host=_roamdesk._tcp.{DOMAIN},{HOST}.{DOMAIN},{RECORD.port},{RECORD.priority},{RECORD.weight}",
]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"net-contract-{os.getpid()}"[:20]) as lab:
        lab.up(0, 1, tied=True, with_daemons=False, told=DhcpOptions(more=DNS))
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


class LookupRig(NetRig):
    patience_s = 5.0
    dns = (str(plan.SWITCH_ADDRESS),)

    def __init__(self, lab):
        lab.dhcp(True, DhcpOptions(more=DNS))
        soon(self._name_server_is_up, "a name server")
        self.driver = NetworkLookups()
        self.addresses = (lab.status()["nodes"][0]["address"],)

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


class TestLookupsInDns(LookupContract):
    @pytest.fixture
    def rig(self, lab, in_desk):
        return LookupRig(lab)
