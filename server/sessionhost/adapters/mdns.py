"""Announces this server by multicast DNS, a hint for terminals. Nothing in the group relies on it.

The server's only file that imports zeroconf.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from roamwire.datagrams import Interface

log = logging.getLogger(__name__)

logging.getLogger("zeroconf").setLevel(logging.ERROR)  # a traceback for each packet not sent

_TYPE = "_roamdesk._tcp.local."

GOODBYE_S = 0.2
"""The first goodbye leaves at once, repeats follow each 125 ms; a restart is not to wait longer."""

RETRY_S = 5.0
"""An address that is not usable yet (IPv6 checks for duplicates for a second) is tried again."""


class Announcement:
    """Follows the interfaces: what is announced are the addresses that the server has."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._wanted: tuple[str, ...] = ()
        self._changed = asyncio.Event()
        self._zeroconf: AsyncZeroconf | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Announce from now on what `follow` tells."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Announce no more, and say goodbye, so that terminals forget us at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._withdraw()

    def follow(self, interfaces: Iterable[Interface]) -> None:
        """These are the interfaces now."""
        self._wanted = tuple(each for one in interfaces for each in one.addresses)
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._withdraw()
            try:
                if self._wanted:
                    await self._announce(self._wanted)
            except Exception as error:
                # The library raises many things on interfaces that come and go meanwhile.
                log.warning("no announcement by multicast DNS: %s; trying again", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), RETRY_S)
                self._changed.set()

    async def _announce(self, addresses: tuple[str, ...]) -> None:
        # A socket is bound to each address, so that only these interfaces hear us.
        self._zeroconf = zeroconf = AsyncZeroconf(interfaces=list(addresses))
        info = AsyncServiceInfo(
            _TYPE,
            f"{self._host}.{_TYPE}",
            port=self._port,
            # Not HOST.local: that is avahi's, with addresses of its own.
            server=f"{self._host}-roamdesk.local.",
            parsed_addresses=list(addresses),
        )
        # Host names are unique in a group, and a clash is told elsewhere: no probing.
        await (await zeroconf.async_register_service(info, cooperating_responders=True))
        log.info("announced by multicast DNS on %s", ", ".join(addresses))

    async def _withdraw(self) -> None:
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is None:
            return
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(zeroconf.async_unregister_all_services(), GOODBYE_S)
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(zeroconf.async_close(), GOODBYE_S)
