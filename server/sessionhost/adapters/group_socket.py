"""The group manager's UDP socket: datagrams by interface, and refusals by the other kernel."""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable, Collection

from roamwire.limits import MAX_DATAGRAM_BYTES
from sessionhost.adapters.interfaces import packed_pktinfo
from sessionhost.core.group import Outgoing

_LOG = logging.getLogger(__name__)

# linux/in.h; the socket module has no names for these.
_IP_PKTINFO = 8
_IP_RECVERR = 11
_CONTROL_BYTES = 512

MAX_BATCH = 256
"""Datagrams taken in one turn of the loop, so that a flood does not starve the DTUs' lines."""

OnDatagram = Callable[[bytes, tuple[str, int], str, str], None]


class GroupSocket:
    """One socket for all interfaces; `on_datagram` gets data, source, interface and way."""

    def __init__(
        self,
        port: int,
        on_datagram: OnDatagram,
        on_refused: Callable[[str], None],
        multicast: str = "",
    ) -> None:
        self._on_datagram = on_datagram
        self._on_refused = on_refused
        self._multicast = multicast
        self._joined: set[tuple[str, int]] = set()
        self.unsent = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        try:
            self._socket.bind(("", port))
        except OSError:
            self._socket.close()
            raise

    def start(self) -> None:
        """Begin to receive."""
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Receive no more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def follow(self, interfaces: Collection[str]) -> None:
        """Hear the multicast group on these interfaces; one that comes back is a new one."""
        if not self._multicast:
            return
        present = set()
        for name in interfaces:
            with contextlib.suppress(OSError):  # it may be gone again
                present.add((name, socket.if_nametoindex(name)))
        for name, index in present - self._joined:
            request = struct.pack("=4s4si", socket.inet_aton(self._multicast), b"\0" * 4, index)
            try:
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            except OSError as error:
                _LOG.warning("no multicast on %s: %s", name, error.strerror)
        self._joined = present

    def send(self, out: Outgoing) -> None:
        """Send one datagram; what the kernel refuses is counted, UDP promises nothing."""
        try:
            control = []
            if out.interface:
                control = [(socket.IPPROTO_IP, _IP_PKTINFO, packed_pktinfo(out.interface))]
            self._socket.sendmsg([out.data], control, 0, (out.address, out.port))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                # The error of an earlier datagram; this one was not sent.
                self._read_errors()
                self._resend(out)
            else:
                self.unsent += 1
                _LOG.debug("datagram to %s not sent: %s", out.address, error.strerror)

    def _resend(self, out: Outgoing) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(out.data, (out.address, out.port))

    def _readable(self) -> None:
        for _ in range(MAX_BATCH):
            try:
                data, control, _flags, source = self._socket.recvmsg(
                    MAX_DATAGRAM_BYTES + 1, _CONTROL_BYTES
                )
            except BlockingIOError:
                return
            except OSError:
                self._read_errors()
                continue
            interface, way = self._arrival(control)
            self._on_datagram(data, source, interface, way)

    def _arrival(self, control: list[tuple[int, int, bytes]]) -> tuple[str, str]:
        """On which interface a datagram came, and to what kind of address it was sent."""
        for level, kind, data in control:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                index, local, destination = struct.unpack("=i4s4s", data[:12])
                with contextlib.suppress(OSError):
                    name = socket.if_indextoname(index)
                    if 224 <= destination[0] < 240:
                        return name, "multicast"
                    # The kernel gives our own address as `local`; a broadcast was not sent to it.
                    return name, "unicast" if destination == local else "broadcast"
        return "", "unicast"

    def _read_errors(self) -> None:
        """The error queue: ICMP "port unreachable" with the address that we had sent to."""
        for _ in range(MAX_BATCH):
            try:
                _data, control, _flags, target = self._socket.recvmsg(
                    MAX_DATAGRAM_BYTES, _CONTROL_BYTES, socket.MSG_ERRQUEUE
                )
            except OSError:
                return
            for level, kind, data in control:
                if level == socket.IPPROTO_IP and kind == _IP_RECVERR:
                    (number,) = struct.unpack("=I", data[:4])
                    if number == errno.ECONNREFUSED:
                        self._on_refused(target[0])
