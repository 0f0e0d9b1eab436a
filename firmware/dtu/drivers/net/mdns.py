"""Asks the link by multicast DNS which servers are there. Answers are hints: TLS proves a server.

The terminal's only file that imports zeroconf.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from dtu.core.lookups import SERVICE, Heard
from roamwire.control import Server
from roamwire.limits import MAX_LISTED, MAX_NAME_CHARS, MAX_PORT

log = logging.getLogger(__name__)

_TYPE = f"{SERVICE}.local."

GRACE_S = 0.15
"""After the first answer the others follow within 120 ms (RFC 6762 section 6)."""


logging.getLogger("zeroconf").setLevel(logging.ERROR)  # a traceback for each packet not sent


async def neighbours(addresses: Sequence[str], wait_s: float) -> Heard:
    """The servers that answer within `wait_s`; as soon as one has, only stragglers are awaited.

    `addresses` are our own: they say on which interfaces to ask.
    """
    if not addresses:
        return Heard()
    try:
        zeroconf = AsyncZeroconf(interfaces=list(addresses))
    except (OSError, RuntimeError, ValueError) as error:  # an address that has just gone
        log.info("multicast DNS: %s", error)
        return Heard()
    search = _Search(zeroconf.zeroconf, wait_s)
    browser = AsyncServiceBrowser(zeroconf.zeroconf, _TYPE, handlers=[search.told])
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await search.first.wait()
                await asyncio.sleep(GRACE_S)
    finally:
        await search.end()
        await browser.async_cancel()
        await zeroconf.async_close()
    return Heard(tuple(search.found[:MAX_LISTED]))


class _Search:
    """Services heard of, and the addresses of those that told them."""

    def __init__(self, zeroconf: Zeroconf, wait_s: float) -> None:
        self.found: list[Server] = []
        self.first = asyncio.Event()
        self._zeroconf = zeroconf
        self._wait_s = wait_s
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def told(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        """zeroconf has heard of a service (it calls with these very keywords)."""
        if name not in self._tasks and len(self._tasks) < MAX_LISTED:
            task = asyncio.get_running_loop().create_task(self._resolve(name))
            self._tasks[name] = task

    async def _resolve(self, name: str) -> None:
        info = AsyncServiceInfo(_TYPE, name)
        await info.async_request(self._zeroconf, self._wait_s * 1000)
        host = name.removesuffix(f".{_TYPE}")[:MAX_NAME_CHARS]
        if info.port is None or not 0 < info.port <= MAX_PORT:
            return
        for address in info.parsed_scoped_addresses():
            self.found.append(Server(host, address, info.port))
            self.first.set()

    async def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
