"""The watch of the network cable; a real link is in tests/system/test_menu.py."""

import asyncio

from dtu.drivers.net import carrier
from dtu.drivers.net.carrier import CarrierWatch, is_plugged


def test_an_interface_that_is_not_there_tells_nothing():
    assert is_plugged("no-such-if") is None


async def _watched(looks, monkeypatch):
    monkeypatch.setattr(carrier, "POLL_S", 0.0)
    seen, looked = [], iter(looks)
    done = asyncio.Event()

    def look(interface):
        assert interface == "eth7"
        value = next(looked, "end")
        if value == "end":
            done.set()
            return None
        return value

    watch = CarrierWatch("eth7", look)
    watch.start(seen.append)
    await done.wait()
    watch.stop()
    watch.stop()
    return seen


def test_changes_are_posted_and_the_unknown_is_no_pulled_cable(monkeypatch):
    looks = [True, True, False, False, None, False, True, None]
    assert asyncio.run(_watched(looks, monkeypatch)) == [False, True, False, True]
