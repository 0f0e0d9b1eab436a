"""What servers say to each other, as a neighbour sees it who has a tap on a server's wire."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from roamtools.hostile.inside import in_network_of
from roamtools.hostile.stage import Stage
from roamtools.lab.rpc import call

PORT = 7009
ALL_PROTOCOLS = 0x0003
"""ETH_P_ALL: what the server sends is seen as well (packet(7))."""

IPV4, UDP, UDP_HEADER_BYTES = 4, 17, 8


class Wiretap:
    """Datagrams of the group's port at a server's interface, both ways, from now on."""

    def __init__(self, stage: Stage, server: str) -> None:
        def open_tap() -> socket.socket:
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS))
            tap.bind(("eth0", ALL_PROTOCOLS))
            return tap

        self._tap = in_network_of(int(stage.lab.node(server)["init"]), open_tap)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tap.close()

    def wait(self, wanted: Callable[[bytes], bool], seconds: float = 3.0) -> bytes:
        """The next datagram that is wanted; TimeoutError if none comes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._tap.settimeout(left)
            data = _payload(self._tap.recv(65_536))
            if data and wanted(data):
                return data
        raise TimeoutError("nothing like that went over the wire")


def _payload(packet: bytes) -> bytes:
    """The datagram in an IPv4 packet, if it is one to the group's port."""
    if len(packet) < 20 or packet[0] >> 4 != IPV4 or packet[9] != UDP:
        return b""
    udp = packet[4 * (packet[0] & 15) :]
    return udp[UDP_HEADER_BYTES:] if int.from_bytes(udp[2:4], "big") == PORT else b""


@contextmanager
def silenced(stage: Stage, server: str) -> Iterator[None]:
    """That server's hostd says nothing for a moment, as if its answers came late."""
    _signal(stage, server, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(stage, server, signal.SIGCONT)


def _signal(stage: Stage, server: str, number: signal.Signals) -> None:
    order = {"op": "signal", "names": ["hostd"], "signal": int(number)}
    call(stage.lab.node_dir(server) / "init.sock", order)
