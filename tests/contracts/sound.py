"""What every sound server driver does; the same body for all of them."""

import asyncio

import pytest

from dtu.drivers.sound.base import SoundError, Volume


class Client(asyncio.Protocol):
    """A client that only connects."""

    def __init__(self):
        self.transport = None
        self.lost = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.lost.set()


class SoundContract:
    """`rig` has `driver`, and `stop()` which ends the sound server behind it."""

    def test_a_volume_that_was_set_is_there(self, rig):
        async def play():
            for percent in (0, 37, 100):
                await rig.driver.set_volume(percent)
                assert await rig.driver.volume() == Volume(percent)

        asyncio.run(play())

    @pytest.mark.parametrize(("wanted", "percent"), [(-5, 0), (101, 100), (10**9, 100)])
    def test_a_volume_stays_within_its_bounds(self, rig, wanted, percent):
        async def play():
            await rig.driver.set_volume(wanted)
            assert (await rig.driver.volume()).percent == percent

        asyncio.run(play())

    def test_silence_keeps_the_volume_and_a_new_one_ends_it(self, rig):
        async def play():
            await rig.driver.set_volume(40)
            await rig.driver.set_muted(True)
            assert await rig.driver.volume() == Volume(40, muted=True)
            await rig.driver.set_muted(False)
            assert await rig.driver.volume() == Volume(40)
            await rig.driver.set_muted(True)
            await rig.driver.set_volume(60)
            assert await rig.driver.volume() == Volume(60)

        asyncio.run(play())

    def test_a_client_connects_and_goes(self, rig):
        async def play():
            client = Client()
            await rig.driver.connect(lambda: client)
            assert client.transport is not None
            client.transport.abort()
            await client.lost.wait()

        asyncio.run(play())

    def test_a_server_that_is_gone_is_an_error_in_words(self, rig):
        async def play():
            rig.stop()
            with pytest.raises(SoundError, match=r"\w+ \w+"):
                await rig.driver.connect(Client)
            with pytest.raises(SoundError, match=r"\w+ \w+"):
                await rig.driver.volume()
            with pytest.raises(SoundError, match=r"\w+ \w+"):
                await rig.driver.set_volume(50)
            with pytest.raises(SoundError, match=r"\w+ \w+"):
                await rig.driver.set_muted(True)

        asyncio.run(play())
