"""The volume in the menu and at the sound server."""

import asyncio

import pytest

from dtu.app.volume_knob import VolumeKnob
from dtu.drivers.sound.base import Volume
from dtu.drivers.sound.scripted import ScriptedServer


class SlowServer(ScriptedServer):
    """Says nothing until it is let; `asked` is what it was asked for."""

    def __init__(self):
        super().__init__()
        self.go = asyncio.Event()
        self.asked = []

    async def set_volume(self, percent):
        self.asked.append(percent)
        await self.go.wait()
        await super().set_volume(percent)


@pytest.fixture
def told():
    return []


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def test_it_tells_what_the_server_has(told):
    async def play():
        knob = VolumeKnob(ScriptedServer(), told.append)
        knob.look()
        await settle()

    asyncio.run(play())
    assert told == [50]


def test_a_turn_is_shown_at_once_and_done(told):
    async def play():
        server = ScriptedServer()
        knob = VolumeKnob(server, told.append)
        knob.turn(55)
        assert told == [55]
        await settle()
        assert await server.volume() == Volume(55)

    asyncio.run(play())
    assert told == [55, 55]


def test_many_turns_of_a_slow_server_are_one(told):
    async def play():
        server = SlowServer()
        knob = VolumeKnob(server, told.append)
        for percent in (55, 60, 65):
            knob.turn(percent)
            await settle()
        server.go.set()
        await settle()
        assert server.asked == [55, 65]
        assert (await server.volume()).percent == 65

    asyncio.run(play())
    assert told[-1] == 65


def test_without_a_sound_server_there_is_no_volume(told):
    async def play():
        server = ScriptedServer()
        server.there = False
        knob = VolumeKnob(server, told.append)
        knob.turn(55)
        await settle()
        server.there = True
        knob.look()
        await settle()

    asyncio.run(play())
    assert told == [55, None, 50]


def test_after_the_end_nothing_is_told(told):
    async def play():
        server = SlowServer()
        knob = VolumeKnob(server, told.append)
        knob.turn(55)
        await settle()
        knob.close()
        server.go.set()
        await settle()

    asyncio.run(play())
    assert told == [55]
