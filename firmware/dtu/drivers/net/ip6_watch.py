"""Watches the interface's IPv6 addresses and what routers told. Solicits nothing itself.

The kernel makes the addresses; `firmware/etc/network/roamdesk-link`, which may open raw sockets,
asks the routers and writes their word into a file.
"""

import logging
from pathlib import Path

from dtu.core.ip6 import MAX_ROUTER_TEXT, MAX_TABLE_TEXT, Ip6, parse_ip6
from dtu.drivers.net.polling import PolledWatch

log = logging.getLogger(__name__)

TABLE = Path("/proc/self/net/if_inet6")
"""Not /proc/net, which a service with ProcSubset=pid does not see."""


class Ip6Watch(PolledWatch[Ip6]):
    """Posts the interface's IPv6 as it changes; without any there is nothing to tell."""

    interval_s = 0.5  # a new address is first checked for duplicates for a second anyway

    def __init__(self, interface: str, router_file: Path, table: Path = TABLE) -> None:
        super().__init__(known=Ip6(interface))
        self._interface = interface
        self._router_file = router_file
        self._table = table

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
