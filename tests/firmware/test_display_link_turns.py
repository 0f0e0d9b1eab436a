"""A read that takes long is worked on in turns: keys go through meanwhile. No input here."""

import asyncio

from dtu.app import session_view
from fakes.link_desk import HEIGHT, WIDTH, fill, key, on_a_desk, update

HEAVY = update(*[fill(0, 0, WIDTH, HEIGHT, shade) for shade in range(250)])
"""Some 400 turns' work after the link was told to do little in each."""


async def turns_while(condition):
    for _ in range(10_000):
        if not condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the work does not end")


def heavy_desk(monkeypatch, play):
    monkeypatch.setattr(session_view, "TURN_WORK", 10_000)
    on_a_desk(play)


def test_a_read_that_takes_long_lets_a_key_through(monkeypatch):
    async def play(desk):
        protocol, transport = await desk.show()
        protocol.data_received(HEAVY)
        assert transport.paused
        shown = len(desk.screen.shown)
        transport.take()
        for _ in range(20):
            await asyncio.sleep(0)
        assert transport.paused
        desk.link.key(0x61, True)
        assert transport.take() == key(0x61, True)
        assert len(desk.screen.shown) == shown
        await turns_while(lambda: transport.paused)
        assert len(desk.screen.shown) == shown + 1
        assert desk.screen.shown[-1][0][0, 0, 0] == 249
        # The next frame is asked for as soon as this one is decoded.
        assert transport.take()[0] == 3
        desk.link.close()

    heavy_desk(monkeypatch, play)


def test_what_comes_while_a_read_is_worked_on_is_kept(monkeypatch):
    async def play(desk):
        protocol, transport = await desk.show()
        protocol.data_received(HEAVY)
        protocol.data_received(update(fill(0, 0, WIDTH, HEIGHT, 7)))
        await turns_while(lambda: transport.paused)
        assert desk.screen.shown[-1][0][0, 0, 0] == 7
        desk.link.close()

    heavy_desk(monkeypatch, play)


def test_a_close_ends_the_work(monkeypatch):
    async def play(desk):
        protocol, _ = await desk.show()
        protocol.data_received(HEAVY)
        shown = len(desk.screen.shown)
        desk.link.close()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(desk.screen.shown) == shown

    heavy_desk(monkeypatch, play)


def test_trouble_in_a_later_turn_loses_the_link(monkeypatch):
    async def play(desk):
        protocol, transport = await desk.show()
        protocol.data_received(HEAVY + b"\xee")
        assert transport.paused
        await turns_while(lambda: not transport.aborted)
        assert desk.events[-1].reason.startswith("protocol: message")

    heavy_desk(monkeypatch, play)
