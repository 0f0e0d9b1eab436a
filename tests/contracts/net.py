"""What every driver of the network promises: one body for scripted and real ones. No tests alone.

A rig does to the network what an administrator and a hand at the cable do.
"""

import asyncio
import time
from typing import Any

from dtu.core.actions import Lookup
from dtu.core.ip6 import Ip6
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


class Ip6Contract:
    """`rig`: `address(text, there)` makes one come or go, `routers(dns, domain)` is their word.

    At first there is no IPv6. A real interface has a link-local address besides.
    """

    ONE, OTHER = "fd77::1:7", "fd77::2:7"

    async def told(self, rig, posted, what, **fields):
        """Wait until the last word has these fields, and see that nothing follows it."""

        def said():
            return bool(posted) and all(
                getattr(posted[-1], name) == value for name, value in fields.items()
            )

        await rig.until(said, what)
        count = len(posted)
        await rig.a_while()
        assert len(posted) == count, posted

    def test_without_any_there_is_nothing_to_tell(self, rig):
        async def run():
            posted = []
            rig.driver.start(posted.append)
            await rig.a_while()
            rig.driver.stop()
            return posted

        assert asyncio.run(run()) == []

    def test_what_is_there_is_told_at_the_start(self, rig):
        rig.address(self.ONE, True)
        rig.routers("fd77::53", DOMAIN)

        async def run():
            posted = []
            rig.driver.start(posted.append)
            there = list(posted)
            rig.driver.stop()
            return there

        (ip6,) = asyncio.run(run())
        assert isinstance(ip6, Ip6)
        assert (ip6.interface, ip6.addresses) == (rig.interface, (self.ONE,))
        assert (ip6.dns, ip6.domain) == (("fd77::53",), DOMAIN)

    def test_addresses_that_come_and_go_are_told_once_each(self, rig):
        async def run():
            posted = []
            rig.driver.start(posted.append)
            rig.address(self.ONE, True)
            await self.told(rig, posted, "an address", addresses=(self.ONE,))
            rig.address(self.OTHER, True)
            await self.told(rig, posted, "another", addresses=(self.ONE, self.OTHER))
            rig.address(self.ONE, False)
            await self.told(rig, posted, "one is gone", addresses=(self.OTHER,))
            rig.address(self.OTHER, False)
            await self.told(rig, posted, "the last is gone", addresses=())
            rig.driver.stop()

        asyncio.run(run())

    def test_the_routers_word_and_another_and_the_same_again(self, rig):
        async def run():
            posted = []
            rig.address(self.ONE, True)
            rig.driver.start(posted.append)
            rig.routers("fd77::53", DOMAIN)
            await self.told(rig, posted, "a word", dns=("fd77::53",), domain=DOMAIN)
            rig.routers("fd77::53", DOMAIN)
            await self.told(rig, posted, "the same", dns=("fd77::53",), domain=DOMAIN)
            rig.routers("fe80::1 fd77::54", "")
            near = f"fe80::1%{rig.interface}"
            await self.told(rig, posted, "another word", dns=(near, "fd77::54"), domain="")
            rig.driver.stop()
            return posted

        assert {each.addresses for each in asyncio.run(run())} == {(self.ONE,)}

    def test_nothing_is_told_after_stop(self, rig):
        async def run():
            posted = []
            rig.address(self.ONE, True)
            rig.driver.start(posted.append)
            rig.driver.stop()
            rig.driver.stop()
            posted.clear()
            rig.address(self.OTHER, True)
            rig.routers("fd77::53", DOMAIN)
            await rig.a_while()
            return posted

        assert asyncio.run(run()) == []


class LookupContract:
    """`rig`: its DNS knows HOST and one RECORD; `dns` is the name server, `addresses` our own.

    `neighbour()` is a context in which one server answers multicast DNS; it gives the server.
    """

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

    def test_a_neighbour_is_heard(self, rig):
        with rig.neighbour() as server:
            assert self.answers(rig, Neighbours(rig.addresses)) == [Heard((server,))]
        assert self.answers(rig, Neighbours(rig.addresses)) == [Heard()]

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
