"""What a server says of itself, and on which ways it goes out. When it does is the group manager's.

A way is an address, an interface and the address of ours that the datagram is to come from; ""
leaves either to the kernel.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from roamwire.addresses import GROUP6, NO_ADDRESS
from roamwire.datagrams import Host, Interface, fitting


@dataclass
class Standing:
    """What a server says of itself in host messages and answers; load in thousandths of a CPU."""

    host: str
    cpus: int = 1
    clock: int = 0
    port: int = 7009
    policy: str = ""
    load: int = 0
    sessions: int = 0
    dtus: int = 0
    drain: bool = False
    back_ms: int = 0
    interfaces: tuple[Interface, ...] = ()
    full: bool = False

    @property
    def closed(self) -> bool:
        """Whether this server takes no new session: drained, or no room."""
        return self.drain or self.full

    def message(self, wall: float, blocks: str) -> Host:
        """The host message of now; `wall` is our wall clock, `blocks` the summary of our set."""
        return Host(
            host=self.host,
            addr=next((each.ip for each in self.interfaces if each.address(4)), NO_ADDRESS),
            time=int(wall),
            cpus=self.cpus,
            clock=self.clock,
            load=self.load,
            sessions=self.sessions,
            dtus=self.dtus,
            policy=self.policy,
            drain=self.closed,
            back_ms=self.back_ms,
            port=self.port,
            blocks=blocks,
            interfaces=fitting(self.interfaces),
        )


def ways(
    interfaces: Iterable[Interface], *, broadcast: bool, multicast: str, seeds: Iterable[str]
) -> list[tuple[str, str, str]]:
    """Every way that is configured, on these interfaces."""
    found: list[tuple[str, str, str]] = []
    for interface in interfaces:
        name, ip6 = interface.interface, interface.address(6)
        if broadcast and interface.address(4):
            found.append((str(interface.bcast), name, ""))
        if multicast and interface.address(4):
            found.append((multicast, name, ""))
        if (broadcast or multicast) and ip6:
            # IPv6 has no broadcast. Without a source the kernel would take the link-local one,
            # which says nothing of whether a DTU can reach the other.
            found.append((GROUP6, name, str(ip6)))
    found.extend((seed, "", "") for seed in seeds)
    return found
