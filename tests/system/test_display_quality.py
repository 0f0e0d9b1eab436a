"""A real Xtigervnc through the link: exact in the end, at a quality that the network carries."""

import asyncio
import contextlib

import numpy as np
import pytest
from display_desk import HEIGHT, WIDTH, Gateway, Session, contexts, desk_at, seen, until

from roamwire.control import Attached, encode_line, parse_line

pytestmark = pytest.mark.system

SLOW_BYTES_A_SECOND = 400_000
SLOW_PATIENCE_S = 60.0


@pytest.fixture
def session(tmp_path):
    made = Session(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return contexts(tmp_path_factory.mktemp("identity"))


def photograph(seed=3):
    """Soft colours with noise: what TigerVNC sends as JPEG."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    random = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    soft = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, (x + y + 40 * seed) // 6], -1)
    picture[:, :, :3] = np.clip(soft + random.integers(-4, 5, soft.shape), 0, 255)
    return picture


def differences(desk, folder, picture):
    """Of what is seen, away from the pointer in the corner."""
    inside = np.s_[: HEIGHT - 40, : WIDTH - 40]
    return np.abs(seen(desk.screen, folder)[inside] - picture[:, :, :3].astype(int)[inside])


def test_a_still_picture_is_exact_in_the_end(session, identity, tmp_path):
    picture = photograph()
    session.put_picture(picture)

    async def play():
        async with desk_at(session, identity, tmp_path) as desk:
            desk.link.pointer(WIDTH - 1, HEIGHT - 1, 0)
            assert differences(desk, tmp_path, picture).max() > 0
            await until(lambda: differences(desk, tmp_path, picture).max() == 0)
            # Motion comes by JPEG again, and is exact again when it has stopped.
            for seed in (4, 5, 6):
                session.put_picture(photograph(seed))
                await asyncio.sleep(0.05)
            await until(lambda: differences(desk, tmp_path, photograph(6)).max() == 0)

    asyncio.run(play())


class SlowGateway(Gateway):
    """A network that carries so many bytes a second, and no more."""

    def __init__(self, rfb):
        super().__init__(rfb)
        self.sent = b""

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        ticket = parse_line(await reader.readline()).ticket
        writer.write(encode_line(Attached(ticket, 1)))
        to_x = await asyncio.open_unix_connection(str(self.rfb), limit=1 << 14)
        await asyncio.gather(self.listen(reader, to_x[1]), self.trickle(to_x[0], writer))

    async def listen(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.sent += data
                writer.write(data)
        writer.close()

    async def trickle(self, reader, writer):
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
                free_at = max(free_at, loop.time()) + len(data) / SLOW_BYTES_A_SECOND
                await asyncio.sleep(max(free_at - loop.time(), 0))
        writer.close()


def qualities(sent):
    """JPEG qualities that were asked for, in their order; None: lossless."""
    found = []
    at = 0
    while (at := sent.find(b"\x02\x00\x00", at)) >= 0:
        count = sent[at + 3]
        body = sent[at + 4 : at + 4 + 4 * count]
        at += 1
        if count < 10 or body[:4] != b"\x00\x00\x00\x07":
            continue
        numbers = np.frombuffer(body, ">i4")
        found.append(next((int(n) + 32 for n in numbers if -32 <= n <= -23), None))
    return found


def test_quality_follows_a_slow_network_and_the_end_is_exact(session, identity, tmp_path):
    session.put_picture(photograph())

    async def play():
        gateways = []

        def gateway(rfb):
            gateways.append(SlowGateway(rfb))
            return gateways[0]

        async with desk_at(session, identity, tmp_path, gateway=gateway) as desk:
            desk.link.pointer(WIDTH - 1, HEIGHT - 1, 0)
            for seed in range(4, 16):
                session.put_picture(photograph(seed))
                await asyncio.sleep(0.5)
            assert min(q for q in qualities(gateways[0].sent) if q is not None) <= 4
            await until(
                lambda: differences(desk, tmp_path, photograph(15)).max() == 0, SLOW_PATIENCE_S
            )
            assert None in qualities(gateways[0].sent)

    asyncio.run(play())
