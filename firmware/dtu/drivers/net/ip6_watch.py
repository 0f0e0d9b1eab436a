"""Watches the interface's IPv6 addresses and what routers told. Solicits nothing itself.

The kernel makes the addresses; `firmware/etc/network/roamdesk-link`, which may open raw sockets,
asks the routers and writes their word into a file.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from dtu.core.ip6 import MAX_ROUTER_TEXT, MAX_TABLE_TEXT, Ip6, parse_ip6

log = logging.getLogger(__name__)

POLL_S = 0.5
"""Two small files; a new address is first checked for duplicates for a second anyway."""

TABLE = Path("/proc/self/net/if_inet6")
"""Not /proc/net, which a service with ProcSubset=pid does not see."""


class Ip6Watch:
    """Posts the interface's IPv6 each time that it changes; needs a running event loop."""

    def __init__(self, interface: str, router_file: Path, table: Path = TABLE) -> None:
        self._interface = interface
        self._router_file = router_file
        self._table = table
        self._last = Ip6(interface)
        self._post: Callable[[Ip6], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, post: Callable[[Ip6], None]) -> None:
        """Begin to watch; without any IPv6 there is nothing to tell."""
        self._post = post
        self._poll()

    def stop(self) -> None:
        """End the watch; nothing is posted after this."""
        self._post = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(POLL_S, self._poll)
        now = self.look()
        if now != self._last and self._post is not None:
            self._last = now
            self._post(now)

    def look(self) -> Ip6:
        """The interface's IPv6 as it is."""
        table = _read(self._table, MAX_TABLE_TEXT)
        routers = _read(self._router_file, MAX_ROUTER_TEXT)
        return parse_ip6(self._interface, table, routers)


def _read(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("ascii", "replace")
    except FileNotFoundError:
        return ""  # a kernel without IPv6, or no router's word yet
    except OSError as error:
        log.debug("%s: %s", path, error)
        return ""
