"""What the terminal knows of its network: cable, addresses, and what DHCP and routers told.

Watching the network is the drivers' part; what follows from a change is decided in `terminal`.
"""

from dataclasses import dataclass

from dtu.core.ip6 import Ip6
from dtu.core.lease import Lease, NoLease

AddressEvent = Lease | NoLease | Ip6


@dataclass(frozen=True)
class Hints:
    """What a search for servers can use; `addresses` are our own."""

    servers: tuple[str, ...] = ()
    domain: str = ""
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = {
            "addresses": " ".join(self.addresses),
            "servers": " ".join(self.servers),
            "name servers": " ".join(self.dns),
            "domain": self.domain,
        }
        return ", ".join(f"{name} {value or 'none'}" for name, value in told.items())


class Network:
    """The present state, from events."""

    def __init__(self) -> None:
        self.plugged = True  # until a driver says otherwise
        self._lease: Lease | None = None
        self._ip6: Ip6 | None = None
        self._before: tuple[str, ...] = ()

    def take(self, event: AddressEvent) -> None:
        """Addresses have come, stayed or gone."""
        # Between an old address and a new one there is none for a moment.
        self._before = self.addresses or self._before
        if isinstance(event, Ip6):
            self._ip6 = event
        else:
            self._lease = event if isinstance(event, Lease) else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Our addresses from which a server can be reached; a link-local one alone is none.

        Every interface has that one from the first second, in networks without IPv6 too.
        """
        ip4 = (self._lease.address,) if self._lease else ()
        return ip4 + (self._ip6.addresses if self._ip6 else ())

    @property
    def usable(self) -> bool:
        """Whether there is an address at all."""
        return bool(self.addresses)

    @property
    def works(self) -> bool:
        """Whether a server that does not answer is to blame for it, as far as we can see."""
        return self.usable and self.plugged

    def has_moved(self, server: str) -> bool:
        """Whether a connection to that server is dead, since none of its end's addresses is left.

        Without any address it may come back: the keepalive judges that.
        """
        was = {each for each in self._before if _is_ip6(each) == _is_ip6(server)}
        return self.usable and bool(was) and not was & set(self.addresses)

    @property
    def hints(self) -> Hints:
        """DHCP's word counts before the router's."""
        lease, ip6 = self._lease, self._ip6 or Ip6("")
        link_local = (ip6.link_local,) if ip6.link_local else ()
        return Hints(
            lease.servers if lease else (),
            (lease.domain if lease else "") or ip6.domain,
            (lease.dns if lease else ()) + ip6.dns,
            self.addresses + link_local,
        )


def _is_ip6(address: str) -> bool:
    return ":" in address
