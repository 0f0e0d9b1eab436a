"""The group manager's UDP sockets: datagrams by interface, and refusals by the other kernel.

One socket for IPv4, one for IPv6, which is left out where the kernel has none.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from roamwire.addresses import GROUP6
from roamwire.limits import MAX_DATAGRAM_BYTES
from sessionhost.core.group_events import Outgoing

_LOG = logging.getLogger(__name__)

# linux/in.h, linux/in6.h; the socket module has no names for these.
_IP_PKTINFO = 8
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_CONTROL_BYTES = 512

MAX_BATCH = 256
"""Datagrams taken in one turn of the loop, so that a flood does not starve the DTUs' lines."""

OnDatagram = Callable[[bytes, tuple[str, int], str, str], None]
Control = list[tuple[int, int, bytes]]


class _FamilySocket(ABC):
    """What both families have in common."""

    level: int
    recverr: int

    def __init__(
        self, family: int, port: int, on_datagram: OnDatagram, on_refused: Callable[[str], None]
    ) -> None:
        self._on_datagram = on_datagram
        self._on_refused = on_refused
        self._joined: set[tuple[str, int]] = set()
        self.unsent = 0
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(self.level, self.recverr, 1)
            self._set_options()
            self._socket.bind(("", port))
        except OSError:
            self._socket.close()
            raise

    @abstractmethod
    def _set_options(self) -> None: ...

    @abstractmethod
    def _join(self, index: int) -> None: ...

    @abstractmethod
    def _route(self, out: Outgoing) -> Control: ...

    @abstractmethod
    def _arrival(self, data: bytes) -> tuple[int, str]:
        """Interface and way, from the packet information."""

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def follow(self, interfaces: Collection[str]) -> None:
        present = set()
        for name in interfaces:
            with contextlib.suppress(OSError):  # it may be gone again
                present.add((name, socket.if_nametoindex(name)))
        for name, index in present - self._joined:
            try:
                self._join(index)
            except OSError as error:
                _LOG.warning("no multicast on %s: %s", name, error.strerror)
        self._joined = present

    def send(self, out: Outgoing) -> None:
        try:
            self._socket.sendmsg([out.data], self._route(out), 0, (out.address, out.port))
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
            index, way = 0, "unicast"
            for level, _kind, told in control:
                if level == self.level:
                    index, way = self._arrival(told)
            interface = ""
            with contextlib.suppress(OSError):  # gone since then
                interface = socket.if_indextoname(index)
            self._on_datagram(data, _sender(source), interface, way)

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
                if level == self.level and kind == self.recverr:
                    (number,) = struct.unpack("=I", data[:4])
                    if number == errno.ECONNREFUSED:
                        self._on_refused(_sender(target)[0])


class _Ip4Socket(_FamilySocket):
    level = socket.IPPROTO_IP
    recverr = _IP_RECVERR

    def __init__(
        self,
        port: int,
        on_datagram: OnDatagram,
        on_refused: Callable[[str], None],
        multicast: str,
    ) -> None:
        self._multicast = multicast
        super().__init__(socket.AF_INET, port, on_datagram, on_refused)

    def _set_options(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(self.level, _IP_PKTINFO, 1)

    def _join(self, index: int) -> None:
        request = struct.pack("=4s4si", socket.inet_aton(self._multicast), b"\0" * 4, index)
        self._socket.setsockopt(self.level, socket.IP_ADD_MEMBERSHIP, request)

    def _route(self, out: Outgoing) -> Control:
        if not out.interface:
            return []
        source = socket.inet_aton(out.source) if out.source else bytes(4)
        where = struct.pack("=i4s4s", socket.if_nametoindex(out.interface), source, bytes(4))
        return [(self.level, _IP_PKTINFO, where)]

    def _arrival(self, data: bytes) -> tuple[int, str]:
        index, local, destination = struct.unpack("=i4s4s", data[:12])
        if 224 <= destination[0] < 240:
            return index, "multicast"
        # The kernel gives our own address as `local`; a broadcast was not sent to it.
        return index, "unicast" if destination == local else "broadcast"


class _Ip6Socket(_FamilySocket):
    level = socket.IPPROTO_IPV6
    recverr = _IPV6_RECVERR

    def _set_options(self) -> None:
        self._socket.setsockopt(self.level, socket.IPV6_V6ONLY, 1)
        self._socket.setsockopt(self.level, socket.IPV6_RECVPKTINFO, 1)

    def _join(self, index: int) -> None:
        request = socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("=i", index)
        self._socket.setsockopt(self.level, socket.IPV6_JOIN_GROUP, request)

    def _route(self, out: Outgoing) -> Control:
        if not out.interface:
            return []
        source = socket.inet_pton(socket.AF_INET6, out.source) if out.source else bytes(16)
        where = source + struct.pack("=i", socket.if_nametoindex(out.interface))
        return [(self.level, socket.IPV6_PKTINFO, where)]

    def _arrival(self, data: bytes) -> tuple[int, str]:
        (index,) = struct.unpack("=i", data[16:20])
        return index, "multicast" if data[0] == 0xFF else "unicast"


class GroupSocket:
    """Both sockets for all interfaces; `on_datagram` gets data, source, interface and way.

    OSError if the port is in use.
    """

    def __init__(
        self,
        port: int,
        on_datagram: OnDatagram,
        on_refused: Callable[[str], None],
        multicast: str = "",
    ) -> None:
        self._ip4 = _Ip4Socket(port, on_datagram, on_refused, multicast)
        self._multicast = multicast
        self._ip6: _Ip6Socket | None = None
        try:
            self._ip6 = _Ip6Socket(socket.AF_INET6, port, on_datagram, on_refused)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            _LOG.info("no IPv6 between servers: %s", error.strerror)

    def start(self) -> None:
        """Begin to receive."""
        for each in self._sockets():
            each.start()

    def close(self) -> None:
        """Receive no more."""
        for each in self._sockets():
            each.close()

    def follow(self, interfaces: Collection[str]) -> None:
        """Hear the multicast groups on these interfaces; one that comes back is a new one."""
        if self._multicast:
            self._ip4.follow(interfaces)
        if self._ip6 is not None:
            self._ip6.follow(interfaces)

    def send(self, out: Outgoing) -> None:
        """Send one datagram; what the kernel refuses is counted, UDP promises nothing."""
        if ":" not in out.address:
            self._ip4.send(out)
        elif self._ip6 is not None:
            self._ip6.send(out)

    def _sockets(self) -> list[_FamilySocket]:
        return [self._ip4] if self._ip6 is None else [self._ip4, self._ip6]


def _sender(told: tuple[str, int] | tuple[str, int, int, int]) -> tuple[str, int]:
    """Address and port; a link-local address with its zone, without which nobody could answer."""
    address, port, *more = told
    if len(more) == 2 and more[1] and "%" not in address:
        with contextlib.suppress(OSError):
            address = f"{address}%{socket.if_indextoname(more[1])}"
    return address, port
