"""The terminal's volume for its menu: shown at once, set in the background by a driver."""

import asyncio
import logging
from collections.abc import Callable

from dtu.drivers.sound.base import SoundError, SoundServer

_LOG = logging.getLogger(__name__)


class VolumeKnob:
    """`on_change` gets the volume in per cent, None while there is no sound server."""

    def __init__(self, server: SoundServer, on_change: Callable[[int | None], None]) -> None:
        self._server = server
        self._on_change = on_change
        self._wanted: int | None = None
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Ask the sound server how loud it is."""
        self._start()

    def turn(self, percent: int) -> None:
        """Make it so loud; of many turns only the last has to be carried out."""
        self._wanted = percent
        self._on_change(percent)
        self._start()

    def close(self) -> None:
        """Nothing is told any more."""
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while True:
                if (wanted := self._wanted) is not None:
                    self._wanted = None
                    await self._server.set_volume(wanted)
                percent = (await self._server.volume()).percent
                if self._wanted is None:
                    break
        except SoundError as error:
            _LOG.info("volume: %s", error)
            self._wanted = None
            self._on_change(None)
        else:
            self._on_change(percent)
