"""The kernel's network interfaces, now and whenever they change. What is announced is not here."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Collection
from pathlib import Path

import psutil

from roamwire.addresses import NO_ADDRESS
from roamwire.datagrams import Interface
from roamwire.limits import MAX_INTERFACES

_LOG = logging.getLogger(__name__)

# linux/rtnetlink.h: groups of a netlink socket's bind address.
_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_RTMGRP_IPV6_IFADDR = 0x100
_GROUPS = _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR
_NETLINK_BYTES = 65536

# psutil does not tell an address that is still checked for duplicates, or temporary.
_IP6_TABLE = Path("/proc/self/net/if_inet6")
_GLOBAL_SCOPE = 0x00
# linux/if_addr.h; unusable: deprecated, failed the check for duplicates, still being checked.
_TEMPORARY, _PERMANENT = 0x01, 0x80
_UNUSABLE = 0x20 | 0x08 | 0x40

SETTLE_S = 0.05
"""A change comes as a burst of netlink messages: look once after it."""


def list_interfaces(ignored: Collection[str] = ("lo",)) -> tuple[Interface, ...]:
    """Interfaces that are up and have an address, by name; an alias address is one more.

    Without IPv4 there is one with a global IPv6 address alone.
    """
    states = psutil.net_if_stats()
    ip6_addresses = _global_ip6(_ip6_table())
    found = []
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        if name in ignored or name not in states or not states[name].isup:
            continue
        ip6 = ip6_addresses.get(name, "")
        for address in addresses:
            if address.family != socket.AF_INET or not address.netmask:
                continue
            net = ipaddress.IPv4Interface(f"{address.address}/{address.netmask}")
            # An address that was set without one has its own as broadcast address, says glibc.
            given = address.broadcast if address.broadcast != address.address else None
            bcast = ipaddress.IPv4Address(given or net.network.broadcast_address)
            found.append(Interface(name, net.ip, net.netmask, bcast, ip6))
            ip6 = ""
        if ip6:
            found.append(Interface(name, NO_ADDRESS, NO_ADDRESS, NO_ADDRESS, ip6))
    return tuple(found[:MAX_INTERFACES])


def _global_ip6(table: str) -> dict[str, str]:
    """The best global IPv6 address of each interface, as `address/prefix`.

    One that was set by hand goes before one by SLAAC, and both before a temporary one: it is
    announced, and should be the same tomorrow.
    """
    best: dict[str, tuple[int, str]] = {}
    for line in table.splitlines():
        digits, _, prefix, scope, flag_text, name = line.split()
        flags = int(flag_text, 16)
        if int(scope, 16) != _GLOBAL_SCOPE or flags & _UNUSABLE:
            continue
        rank = 2 * bool(flags & _TEMPORARY) + (not flags & _PERMANENT)
        address = f"{ipaddress.IPv6Address(int(digits, 16))}/{int(prefix, 16)}"
        best[name] = min(best.get(name, (9, "")), (rank, address))
    return {name: address for name, (_, address) in best.items()}


def _ip6_table() -> str:
    try:
        return _IP6_TABLE.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""  # a kernel without IPv6


class InterfaceWatch:
    """Tells the interfaces at the start and after each change that the kernel reports."""

    def __init__(
        self, ignored: Collection[str], on_change: Callable[[tuple[Interface, ...]], None]
    ) -> None:
        self._ignored = ignored
        self._on_change = on_change
        self._last: tuple[Interface, ...] | None = None
        self._look: asyncio.TimerHandle | None = None
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, _GROUPS))

    def start(self) -> None:
        """Tell what is there, then follow the kernel."""
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        self._tell()

    def close(self) -> None:
        """Follow no more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self._look is not None:
            self._look.cancel()

    def _readable(self) -> None:
        try:
            self._socket.recv(_NETLINK_BYTES)
        except OSError:
            # ENOBUFS: the burst was larger than the buffer; that something changed is enough.
            _LOG.debug("netlink messages lost")
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(SETTLE_S, self._tell)

    def _tell(self) -> None:
        self._look = None
        found = list_interfaces(self._ignored)
        if found != self._last:
            self._last = found
            names = ", ".join(" ".join((each.interface, *each.addresses)) for each in found)
            _LOG.info("network interfaces: %s", names or "none")
            self._on_change(found)
