"""What a real Xtigervnc does with scan codes, lamps, screens and cursors. Pictures are not here."""

import asyncio
import re
import subprocess

import pytest
from display_desk import HEIGHT, WIDTH, Session, contexts, desk_at, seen, until

from dtu.app.display_link import Lamps
from dtu.core.rfb import Rect

pytestmark = pytest.mark.system

LEFT_BIT, RIGHT_BIT, BACK_BIT, FORWARD_BIT = 0, 2, 7, 8


@pytest.fixture
def session(tmp_path):
    made = Session(tmp_path, "-RawKeyboard")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return contexts(tmp_path_factory.mktemp("identity"))


def test_scan_codes_reach_programs(session, identity, tmp_path):
    out = tmp_path / "typed.txt"
    session.start(
        *("xterm", "-geometry", "60x10+0+0", "-e"),
        *("sh", "-c", f"echo > {out}.ready; IFS= read -r line; printf '%s' \"$line\" > {out}"),
        env=session.env,
        stderr=subprocess.DEVNULL,
    )

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            await until((tmp_path / "typed.txt.ready").exists)
            desk.link.pointer(50, 50, 0)
            # Without a window manager keys go to what is under the pointer: not before it is there.
            await until(lambda: seen(desk.screen, tmp_path)[50, 50].min() > 200)
            # No keysym at all: what arrives comes from the scan codes.
            for code in (0x10, 0x1E, 0x2C, 0x39, 0x02, 0x1C):
                desk.link.key(0, True, code)
                desk.link.key(0, False, code)
            await until(out.exists)
            await until(lambda: out.read_text() == "qaz 1")

    asyncio.run(play())


def test_lamps_follow_the_session(session, identity, tmp_path):
    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            for wanted in (True, False):
                desk.link.key(0xFFE5, True, 0x3A)
                desk.link.key(0xFFE5, False, 0x3A)
                await until(lambda wanted=wanted: desk.lamps and desk.lamps[-1].leds.caps is wanted)
            assert all(isinstance(each, Lamps) for each in desk.lamps)

    asyncio.run(play())


def test_back_and_forward_reach_programs(session, identity, tmp_path):
    """TigerVNC's sessions have nine buttons from 1.15 on, seven before; the rest goes on."""
    log = tmp_path / "xev.txt"
    with log.open("wb") as out:
        session.start(
            *("xev", "-geometry", f"{WIDTH}x{HEIGHT}+0+0", "-event", "button"),
            env={**session.env, "LC_ALL": "C"},
            stdout=out,
        )

    def pressed():
        found = re.findall(r"ButtonPress event.*?button (\d+)", log.read_text(), re.DOTALL)
        return [int(button) for button in found]

    def stroke(desk, *bits):
        for bit in bits:
            desk.link.pointer(50, 50, 1 << bit)
            desk.link.pointer(50, 50, 0)

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:

            def window_is_there():
                stroke(desk, LEFT_BIT)
                return pressed()

            await until(window_is_there)
            stroke(desk, FORWARD_BIT, BACK_BIT, RIGHT_BIT)
            await until(lambda: 3 in pressed())
            nine = desk.link._connection._view.client._more_buttons
            assert [each for each in pressed() if each != 1] == ([9, 8, 3] if nine else [3])

    asyncio.run(play())


def monitors(session):
    """The session's screens by xrandr: (width, height, x, y) each."""
    found = subprocess.run(
        ["xrandr"], env=session.env, capture_output=True, text=True, check=True
    ).stdout
    places = re.findall(r" connected (?:primary )?(\d+)x(\d+)\+(\d+)\+(\d+)", found)
    return {tuple(map(int, place)) for place in places}


def test_a_session_takes_two_screens_and_gives_one_back(session, identity, tmp_path):
    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            desk.link.set_layout((Rect(0, 0, 640, 480), Rect(640, 0, 500, 600)))
            await until(lambda: monitors(session) == {(640, 480, 0, 0), (500, 600, 640, 0)})
            desk.link.set_layout((Rect(0, 0, 700, 500),))
            await until(lambda: monitors(session) == {(700, 500, 0, 0)})

    asyncio.run(play())
