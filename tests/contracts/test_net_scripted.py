"""The contracts of the network's drivers on those that need no network."""

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

from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import Addresses, AddressesOf, Records, ServiceOf
from dtu.drivers.net.scripted import ScriptedLookups, ScriptedWatch


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


class TestScriptedLease(LeaseContract):
    @pytest.fixture
    def rig(self):
        return LeaseRig()


class TestScriptedCarrier(CarrierContract):
    @pytest.fixture
    def rig(self):
        return CarrierRig()


class TestScriptedLookups(LookupContract):
    @pytest.fixture
    def rig(self):
        return LookupRig()
