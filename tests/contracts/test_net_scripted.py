"""The contracts of the network's drivers on those that need no network."""

import contextlib
import dataclasses

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

from dtu.core.ip6 import Ip6
from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import Addresses, AddressesOf, Heard, Neighbours, Records, ServiceOf
from dtu.drivers.net.scripted import ScriptedLookups, ScriptedWatch
from roamwire.control import Server


class LeaseRig(NetRig):
    def __init__(self):
        self.driver = ScriptedWatch()

    def servers(self, number):
        return (f"10.77.0.{number}",)

    def lease(self, number):
        self.now = Lease("eth0", "10.77.0.100", 24, listed_servers=self.servers(number))
        self.renew()

    def renew(self):
        self.driver.set(self.now)

    def lose(self):
        self.driver.set(NoLease("eth0", "leasefail"))


class CarrierRig(NetRig):
    def __init__(self):
        self.driver = ScriptedWatch(known=True)
        self.plug = self.driver.set


class Ip6Rig(NetRig):
    interface = "eth0"

    def __init__(self):
        self.driver = ScriptedWatch(known=Ip6(self.interface))
        self._now = Ip6(self.interface)

    def address(self, text, there):
        rest = set(self._now.addresses) - {text}
        self._set(addresses=tuple(sorted(rest | {text} if there else rest)))

    def routers(self, dns, domain):
        zone = f"%{self.interface}"
        named = tuple(each + zone if each.startswith("fe80:") else each for each in dns.split())
        self._set(dns=named, domain=domain)

    def _set(self, **fields):
        self._now = dataclasses.replace(self._now, **fields)
        self.driver.set(self._now)


class LookupRig(NetRig):
    dns = ("10.77.0.1",)
    addresses = ("10.77.0.100",)

    def __init__(self):
        self.driver = ScriptedLookups()
        self.driver.answers = {
            AddressesOf(HOST, DOMAIN, self.dns): Addresses((ADDRESS,)),
            AddressesOf(f"{HOST}.{DOMAIN}", "", self.dns): Addresses((ADDRESS,)),
            ServiceOf(DOMAIN, self.dns): Records((RECORD,)),
        }

    @contextlib.contextmanager
    def neighbour(self):
        server = Server("server1", "10.77.0.11", 7009)
        self.driver.answers[Neighbours(self.addresses)] = Heard((server,))
        yield server
        del self.driver.answers[Neighbours(self.addresses)]


class TestScriptedLease(LeaseContract):
    @pytest.fixture
    def rig(self):
        return LeaseRig()


class TestScriptedCarrier(CarrierContract):
    @pytest.fixture
    def rig(self):
        return CarrierRig()


class TestScriptedIp6(Ip6Contract):
    @pytest.fixture
    def rig(self):
        return Ip6Rig()


class TestScriptedLookups(LookupContract):
    @pytest.fixture
    def rig(self):
        return LookupRig()
