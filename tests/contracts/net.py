"""What every driver of the network promises: one body for scripted and real ones. No tests alone.

A rig does to the network what an administrator and a hand at the cable do.
"""

import asyncio
import time
from typing import Any

from dtu.core.actions import Lookup
from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import (
    Addresses,
    AddressesOf,
    Heard,
    Neighbours,
    Records,
    ServiceOf,
    SrvRecord,
)

DOMAIN = "roamdesk.lab"
HOST, ADDRESS = "hosting", "10.77.0.11"
RECORD = SrvRecord(10, 20, f"{HOST}.{DOMAIN}.", 7009)


class NetRig:
    """`driver` is the one under test; `patience_s` bounds how long it may take to tell."""

    driver: Any
    patience_s: float = 0.0

    async def until(self, condition, what):
        """Real time passes for real drivers, turns of the loop for scripted ones."""
        end = time.monotonic() + self.patience_s
        turns = 0
        while not condition():
            turns += 1
            assert turns < 10 or time.monotonic() < end, f"{what} was not told"
            await asyncio.sleep(0.01 if self.patience_s else 0)

    async def a_while(self):
        """Long enough for what is not to come."""
        for _ in range(10):
            await asyncio.sleep(self.patience_s / 100)


class LeaseContract:
    """`rig`: `lease(n)` puts the n-th lease in force, `renew` asks again, `lose` takes it away."""

    def test_a_lease_that_is_there_is_told_at_the_start(self, rig):
        rig.lease(1)

        async def run():
            posted = []
            rig.driver.start(posted.append)
            there = list(posted)
            rig.driver.stop()
            return there

        (lease,) = asyncio.run(run())
        assert isinstance(lease, Lease)
        assert lease.listed_servers == rig.servers(1)

    def test_another_lease_is_told_and_its_loss_and_a_renewal_is_not(self, rig):
        async def run():
            posted = []
            rig.lease(1)
            rig.driver.start(posted.append)
            await rig.until(lambda: posted, "the lease")
            rig.renew()
            await rig.a_while()
            assert len(posted) == 1, posted
            rig.lease(2)
            await rig.until(lambda: len(posted) > 1, "the other lease")
            rig.lose()
            await rig.until(lambda: isinstance(posted[-1], NoLease), "its loss")
            rig.driver.stop()
            return posted

        posted = asyncio.run(run())
        leases = [each for each in posted if isinstance(each, Lease)]
        assert [each.listed_servers for each in leases] == [rig.servers(1), rig.servers(2)]

    def test_nothing_is_told_after_stop(self, rig):
        async def run():
            posted = []
            rig.lease(1)
            rig.driver.start(posted.append)
            rig.driver.stop()
            rig.driver.stop()
            posted.clear()
            rig.lease(2)
            await rig.a_while()
            return posted

        assert asyncio.run(run()) == []


class CarrierContract:
    """`rig.plug(True)` puts the cable in; it is in before `start`."""

    def test_a_cable_that_is_in_is_nothing_to_tell(self, rig):
        async def run():
            posted = []
            rig.driver.start(posted.append)
            await rig.a_while()
            rig.driver.stop()
            return posted

        assert asyncio.run(run()) == []

    def test_a_cable_that_is_out_at_the_start_is_told_at_once(self, rig):
        async def run():
            posted = []
            rig.plug(False)
            rig.driver.start(posted.append)
            there = list(posted)
            rig.driver.stop()
            return there

        assert asyncio.run(run()) == [False]

    def test_out_and_in_are_told_once_each(self, rig):
        async def run():
            posted = []
            rig.driver.start(posted.append)
            for plugged in (False, True, False):
                before = len(posted)
                rig.plug(plugged)
                await rig.until(lambda before=before: len(posted) > before, plugged)
                await rig.a_while()
            rig.driver.stop()
            return posted

        assert asyncio.run(run()) == [False, True, False]

    def test_nothing_is_told_after_stop(self, rig):
        async def run():
            posted = []
            rig.driver.start(posted.append)
            rig.driver.stop()
            rig.driver.stop()
            rig.plug(False)
            await rig.a_while()
            return posted

        assert asyncio.run(run()) == []


class LookupContract:
    """`rig`: its DNS knows HOST and one RECORD; `dns` is the name server, `address` our own."""

    def answers(self, rig, *questions, wait_s=2.0):
        """The answers by number, which counts from 1."""

        async def run():
            got = {}
            rig.driver.start(lambda number, answer: got.setdefault(number, []).append(answer))
            for number, question in enumerate(questions, 1):
                rig.driver.ask(Lookup(number, question, wait_s))
            assert got == {}, "ask has answered itself: the core is not ready for that"
            await rig.until(lambda: len(got) == len(questions), "an answer")
            await rig.a_while()
            await rig.driver.close()
            assert all(len(each) == 1 for each in got.values())
            return [got[number][0] for number in sorted(got)]

        return asyncio.run(run())

    def test_addresses_of_a_name_with_and_without_a_domain(self, rig):
        asked = AddressesOf(HOST, DOMAIN, rig.dns), AddressesOf(f"{HOST}.{DOMAIN}", "", rig.dns)
        assert self.answers(rig, *asked) == [Addresses((ADDRESS,))] * 2

    def test_the_service_of_a_domain(self, rig):
        assert self.answers(rig, ServiceOf(DOMAIN, rig.dns)) == [Records((RECORD,))]

    def test_what_is_not_there_is_an_empty_answer(self, rig):
        asked = (
            AddressesOf("nobody", DOMAIN, rig.dns),
            ServiceOf("nowhere.lab", rig.dns),
            Neighbours(rig.addresses),
        )
        assert self.answers(rig, *asked) == [Addresses(), Records(), Heard()]

    def test_answers_have_the_numbers_of_their_questions(self, rig):
        asked = [ServiceOf(DOMAIN, rig.dns), AddressesOf(HOST, DOMAIN, rig.dns)]
        assert self.answers(rig, *asked, *asked) == [Records((RECORD,)), Addresses((ADDRESS,))] * 2

    def test_nothing_is_told_after_close(self, rig):
        async def run():
            got = []
            rig.driver.start(lambda *answer: got.append(answer))
            rig.driver.ask(Lookup(1, AddressesOf(HOST, DOMAIN, rig.dns), 2.0))
            await rig.driver.close()
            await rig.a_while()
            return got

        assert asyncio.run(run()) == []
