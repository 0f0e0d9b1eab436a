"""A sound server that is not there: it keeps a volume and what its clients said, plays nothing."""

import asyncio
from collections.abc import Callable

from dtu.drivers.sound.base import SoundError, Volume


class ScriptedClient(asyncio.Transport):
    """The server's view of one client connection."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.heard = bytearray()
        self.paused = False
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.heard += data

    def say(self, data: bytes) -> None:
        """The server sends something to its client."""
        self.protocol.data_received(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)


class ScriptedServer:
    """`there = False` is a server that was stopped; clients are in the order of their coming."""

    def __init__(self) -> None:
        self.there = True
        self.clients: list[ScriptedClient] = []
        self._volume = Volume(50)

    async def connect(self, factory: Callable[[], asyncio.Protocol]) -> None:
        self._answer()
        protocol = factory()
        client = ScriptedClient(protocol)
        self.clients.append(client)
        protocol.connection_made(client)

    async def volume(self) -> Volume:
        self._answer()
        return self._volume

    async def set_volume(self, percent: int) -> None:
        self._answer()
        self._volume = Volume(min(max(percent, 0), 100))

    async def set_muted(self, muted: bool) -> None:
        self._answer()
        self._volume = Volume(self._volume.percent, muted)

    def _answer(self) -> None:
        if not self.there:
            raise SoundError("the sound server is not there")
