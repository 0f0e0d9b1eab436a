"""The terminal's UDP sockets: serverQ out to everybody, serverR in. What they mean is not here."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable

from roamwire.addresses import GROUP6
from roamwire.limits import MAX_DATAGRAM_BYTES

_LOG = logging.getLogger(__name__)

MAX_BATCH = 64
"""Answers taken in one turn of the loop: one from each server of a large group."""


class QuerySocket:
    """Sends to the group port, receives the answers on ports of the kernel's choice."""

    def __init__(
        self, port: int, interface: str, on_datagram: Callable[[bytes, tuple[str, int]], None]
    ) -> None:
        self._port = port
        self._interface = interface
        self._on_datagram = on_datagram
        self._ip4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._ip4.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._ip4.bind(("", 0))
        self._ip6: socket.socket | None = None
        try:
            self._ip6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._ip6.bind(("", 0))
        except OSError as error:
            _LOG.info("no serverQ by IPv6: %s", error.strerror)

    def _sockets(self) -> list[socket.socket]:
        return [self._ip4] if self._ip6 is None else [self._ip4, self._ip6]

    def start(self) -> None:
        """Begin to receive."""
        for each in self._sockets():
            asyncio.get_running_loop().add_reader(each, self._readable, each)

    def close(self) -> None:
        """Receive no more."""
        for each in self._sockets():
            asyncio.get_running_loop().remove_reader(each)
            each.close()

    def broadcast(self, data: bytes, address: str | None) -> None:
        """Send to the broadcast address of our IPv4 subnet, if there is one, and by IPv6."""
        if address is not None:
            try:
                self._ip4.sendto(data, (address, self._port))
            except OSError as error:
                _LOG.info("serverQ to %s not sent: %s", address, error.strerror)
        if self._ip6 is not None:
            try:
                where = struct.pack("=16xi", socket.if_nametoindex(self._interface))
                packet_info = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, where)
                self._ip6.sendmsg([data], [packet_info], 0, (GROUP6, self._port))
            except OSError as error:  # no IPv6 on this interface
                _LOG.debug("serverQ by IPv6 not sent: %s", error.strerror)

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(MAX_BATCH):
            try:
                data, source = sock.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except OSError:
                return
            self._on_datagram(data, source[:2])
