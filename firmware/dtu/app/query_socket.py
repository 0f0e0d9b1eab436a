"""The terminal's UDP socket: serverQ out by broadcast, serverR in. What they mean is not here."""

import asyncio
import logging
import socket
from collections.abc import Callable

from roamwire.limits import MAX_DATAGRAM_BYTES

_LOG = logging.getLogger(__name__)

MAX_BATCH = 64
"""Answers taken in one turn of the loop: one from each server of a large group."""


class QuerySocket:
    """Sends to the group port, receives the answers on a port of the kernel's choice."""

    def __init__(self, port: int, on_datagram: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._port = port
        self._on_datagram = on_datagram
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.bind(("", 0))

    def start(self) -> None:
        """Begin to receive."""
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Receive no more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def broadcast(self, data: bytes, address: str) -> None:
        """Send to the broadcast address of our subnet."""
        try:
            self._socket.sendto(data, (address, self._port))
        except OSError as error:
            _LOG.info("serverQ to %s not sent: %s", address, error.strerror)

    def _readable(self) -> None:
        for _ in range(MAX_BATCH):
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except OSError:
                return
            self._on_datagram(data, source)
