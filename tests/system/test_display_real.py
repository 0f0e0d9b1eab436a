"""A real Xtigervnc seen through the display link, screen and bench channel. Cards are not here."""

import asyncio
import json
import subprocess
import time

import numpy as np
import pytest
from display_desk import (
    HEIGHT,
    WIDTH,
    Session,
    contexts,
    desk_at,
    seen,
    until,
)

from dtu.app.display_link import FirstFrame, LinkLost, LinkOpened
from dtu.core.words import Words

pytestmark = pytest.mark.system


@pytest.fixture
def session(tmp_path):
    made = Session(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return contexts(tmp_path_factory.mktemp("identity"))


def known_picture():
    """A photograph-like half (JPEG), then noise of few colours (palette), then one colour."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    random = np.random.default_rng(7)
    soft = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, (x + y) * 255 // (WIDTH + HEIGHT)], -1)
    soft = soft + random.integers(-3, 4, soft.shape)
    picture[:, :400, :3] = np.clip(soft[:, :400], 0, 255)
    few = random.integers(0, 256, (12, 3))
    picture[:300, 400:, :3] = few[random.integers(0, 12, (300, 400))]
    picture[300:, 400:, :3] = (0x99, 0x66, 0x33)
    return picture


# -- the tests


def test_a_known_picture_is_found(session, identity, tmp_path):
    picture = known_picture()
    session.put_picture(picture)

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            assert [type(event) for event in desk.events] == [LinkOpened, FirstFrame]
            first = np.abs(seen(desk.screen, tmp_path) - picture[:, :, :3])
            assert first[350:, 450:].max() == 0
            assert first.mean() < 3
            # The pointer's shape stands in the corner, out of the way of what is compared. TigerVNC
            # repeats lossy parts at its best quality when nothing else happens.
            desk.link.pointer(WIDTH - 1, HEIGHT - 1, 0)
            inside = np.s_[: HEIGHT - 40, : WIDTH - 40]
            wanted = picture[:, :, :3].astype(int)[inside]
            await until(lambda: np.abs(seen(desk.screen, tmp_path)[inside] - wanted).max() < 8)
            session.put_picture(picture[::-1].copy())
            await until(
                lambda: np.abs(seen(desk.screen, tmp_path) - picture[::-1, :, :3]).mean() < 3
            )
            desk.link.close()
            desk.screen.blank()
            assert not seen(desk.screen, tmp_path).any()
            desk.screen.show_words(Words(26, "Looking for a server", "Please wait."), dim=True)
            words = seen(desk.screen, tmp_path)
            assert (words == np.array((34, 24, 16))).all(axis=2).mean() > 0.3

    asyncio.run(play())


def test_typed_text_arrives_and_the_screen_shows_it(session, identity, tmp_path):
    out = tmp_path / "typed.txt"
    typed = 'Größe: 5 € <"\\Aa1~>\tEnd'
    session.run("xsetroot", "-solid", "#336699", "-cursor_name", "left_ptr")
    session.start(
        *("xterm", "-u8", "-geometry", "60x10+50+50", "-bg", "#ffffe0", "-e"),
        *("sh", "-c", f"IFS= read -r line; printf '%s' \"$line\" > {out}; echo done; cat"),
        env=session.env,
        stderr=subprocess.DEVNULL,
    )

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            paper = (0xE0, 0xFF, 0xFF)
            await until(lambda: (seen(desk.screen, tmp_path) == paper).all(axis=2).mean() > 0.05)
            assert (await desk.ask(op="click", x=100, y=90)) == {"ok": True}
            assert (await desk.ask(op="type", text=typed + "\n"))["ok"]
            await until(out.exists)
            await until(lambda: out.read_text() == typed)
            assert (await desk.ask(op="type", text="<ctrl-d>"))["ok"]
            await until(lambda: not (seen(desk.screen, tmp_path) == paper).all(axis=2).any())
            blue = (seen(desk.screen, tmp_path) == (0x99, 0x66, 0x33)).all(axis=2)
            assert blue.mean() > 0.99

    asyncio.run(play())


def test_the_session_takes_the_size_of_the_screen(session, identity, tmp_path):
    session.run("xsetroot", "-solid", "#336699")

    async def play():
        async with desk_at(session, identity, tmp_path, size=(1024, 700)) as desk:
            whole = np.array((0x99, 0x66, 0x33))
            await until(lambda: (seen(desk.screen, tmp_path) == whole).all(axis=2).mean() > 0.999)
            assert desk.last(LinkLost) is None

    asyncio.run(play())


def test_a_held_key_repeats_only_as_often_as_it_is_sent(session, identity, tmp_path):
    out = tmp_path / "typed.txt"
    session.start(
        *("xterm", "-e", "sh", "-c", f"read -r line; printf '%s' \"$line\" > {out}"),
        env=session.env,
        stderr=subprocess.DEVNULL,
    )

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            await until(lambda: len(np.unique(seen(desk.screen, tmp_path)[:300, :480])) > 1)
            desk.link.pointer(50, 50, 0)
            await asyncio.sleep(0.1)
            for _ in range(3):
                desk.link.key(0x61, True)
            await asyncio.sleep(1.0)
            desk.link.key(0x61, False)
            assert (await desk.ask(op="type", text="\n"))["ok"]
            await until(out.exists)
            await until(lambda: out.read_text() == "aaa")

    asyncio.run(play())


def test_the_bench_sees_state_and_trace(session, identity, tmp_path):
    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            assert await desk.ask(op="state") == {"ok": True, "shown": ["s1", 1]}
            reader, writer = await asyncio.open_unix_connection(str(desk.socket))
            writer.write(b'{"op": "trace", "since": 0}\n')
            assert json.loads(await reader.readline()) == {"ok": True}
            past = [json.loads(await reader.readline())["event"] for _ in range(2)]
            assert past == ["LinkOpened", "FirstFrame"]
            desk.bench.trace("card_out", reader="r0")
            live = json.loads(await reader.readline())
            assert (live["event"], live["reader"]) == ("card_out", "r0")
            assert abs(live["t"] - time.monotonic()) < 1
            writer.close()
            await writer.wait_closed()
            for bad in ({"op": "dance"}, {"op": "click", "x": -1, "y": 1}, {"op": "type"}):
                answer = await desk.ask(**bad)
                assert not answer["ok"]
                assert answer["error"]
            missing = str(tmp_path / "nowhere" / "s.png")
            assert not (await desk.ask(op="screenshot", path=missing))["ok"]
            shot = tmp_path / "s.png"
            assert (await desk.ask(op="screenshot", path=str(shot)))["ok"]
            assert shot.stat().st_size > 100
            reader, writer = await asyncio.open_unix_connection(str(desk.socket))
            writer.write(b"no json\n[]\n" + b"x" * 300_000)
            assert not json.loads(await reader.readline())["ok"]
            assert not json.loads(await reader.readline())["ok"]
            assert await reader.read() == b""
            writer.close()
        assert not desk.socket.exists()

    asyncio.run(play())


def test_a_dead_session_is_told(session, identity, tmp_path):
    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            session.children[0].kill()
            await until(lambda: desk.last(LinkLost))
            assert desk.last(LinkLost).reason.startswith("closed")
            assert desk.link.shown is None

    asyncio.run(play())


async def open_and_close(session, identity, folder):
    async with desk_at(session, identity, folder):
        pass


def test_a_gateway_of_another_group_gets_no_ticket(session, identity, tmp_path):
    stranger = contexts(tmp_path)[1]
    with pytest.raises(AssertionError, match="reason='tls"):
        asyncio.run(open_and_close(session, (identity[0], stranger), tmp_path))


def test_a_terminal_cannot_pass_for_a_gateway(session, tmp_path):
    with pytest.raises(AssertionError, match="reason='tls"):
        asyncio.run(open_and_close(session, contexts(tmp_path, "dtu"), tmp_path))
