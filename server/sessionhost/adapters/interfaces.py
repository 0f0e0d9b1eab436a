"""The kernel's network interfaces, now and whenever they change. What is announced is not here."""

import asyncio
import ipaddress
import logging
import socket
import struct
from collections.abc import Callable, Collection
from typing import Any

import psutil

from roamwire.datagrams import Interface
from roamwire.limits import MAX_INTERFACES

_LOG = logging.getLogger(__name__)

# linux/rtnetlink.h: groups of a netlink socket's bind address.
_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_RTMGRP_IPV6_IFADDR = 0x100
_GROUPS = _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR
_NETLINK_BYTES = 65536

SETTLE_S = 0.05
"""A change comes as a burst of netlink messages: look once after it."""


def list_interfaces(ignored: Collection[str] = ("lo",)) -> tuple[Interface, ...]:
    """Interfaces that are up and have an IPv4 address, by name; an alias address is one more."""
    states = psutil.net_if_stats()
    found = []
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        if name in ignored or name not in states or not states[name].isup:
            continue
        ip6 = _first_ip6([a for a in addresses if a.family == socket.AF_INET6])
        for address in addresses:
            if address.family != socket.AF_INET or not address.netmask:
                continue
            net = ipaddress.IPv4Interface(f"{address.address}/{address.netmask}")
            # An address that was set without one has its own as broadcast address, says glibc.
            given = address.broadcast if address.broadcast != address.address else None
            bcast = ipaddress.IPv4Address(given or net.network.broadcast_address)
            found.append(Interface(name, net.ip, net.netmask, bcast, ip6))
            ip6 = ""
    return tuple(found[:MAX_INTERFACES])


def _first_ip6(addresses: list[Any]) -> str:
    """A global IPv6 address as `address/prefix`, or ""."""
    for address in addresses:
        plain = ipaddress.IPv6Address(address.address.partition("%")[0])
        if not plain.is_link_local and address.netmask:
            prefix = bin(int(ipaddress.IPv6Address(address.netmask))).count("1")
            return f"{plain}/{prefix}"
    return ""


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
            names = ", ".join(f"{each.interface} {each.ip}" for each in found) or "none"
            _LOG.info("network interfaces: %s", names)
            self._on_change(found)


def packed_pktinfo(interface: str) -> bytes:
    """`struct in_pktinfo` that sends a datagram out of one interface; OSError if it is gone."""
    return struct.pack("=i4s4s", socket.if_nametoindex(interface), b"\0" * 4, b"\0" * 4)
