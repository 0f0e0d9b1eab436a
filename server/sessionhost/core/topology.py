"""What one server knows of the others: the patent's Table A. Sends and decides nothing."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from roamwire.addresses import Address, address_of
from roamwire.datagrams import Host, Interface
from roamwire.limits import MAX_HOSTS

MAX_UNTRUSTED = 64
"""Hosts without the group's signature that are remembered for display; the oldest goes first."""


@dataclass
class HostRecord:
    """One host as heard; times are seconds of our monotonic clock, `timeoff` of wall clocks."""

    message: Host
    trusted: bool
    lastseen: float
    timeoff: int
    source: tuple[str, int]
    lastpkt: dict[str, float] = field(default_factory=dict)
    lastpkt6: dict[str, float] = field(default_factory=dict)
    down: bool = False

    def last_heard(self, interface: str, version: int) -> float | None:
        """When a packet came from that interface's address of IP version 4 or 6."""
        return (self.lastpkt6 if version == 6 else self.lastpkt).get(interface)

    def is_at(self, address: str) -> bool:
        """Whether an address is one of the host's."""
        own = (each.addresses for each in self.message.interfaces)
        return address == self.source[0] or any(address in each for each in own)

    @property
    def host(self) -> str:
        """The host's name."""
        return self.message.host


@dataclass(frozen=True)
class InterfaceView:
    """A line of Table A; `lastpkt` is whole seconds, -1 if nothing was ever heard there."""

    interface: str
    ip: str
    mask: str
    bcast: str
    lastpkt: int
    down: bool
    ip6: str = ""
    lastpkt6: int = -1


@dataclass(frozen=True)
class HostView:
    """A host of Table A with its interfaces, ready to print or to send as JSON."""

    host: str
    lastseen: int
    timeoff: int
    addr: str
    trusted: bool
    down: bool
    load: int
    sessions: int
    dtus: int
    drain: bool
    policy: str
    interfaces: tuple[InterfaceView, ...]

    def lines(self) -> list[str]:
        """The host in the form of the patent's Table A (addresses in hexadecimal)."""
        mark = " TRUSTED" if self.trusted else ""
        gone = " down" if self.down else ""
        head = f"Host {self.host} lastseen {self.lastseen} timeoff {self.timeoff}"
        lines = [f"{head} addr {self.addr} numifs {len(self.interfaces)}{mark}{gone}"]
        for each in self.interfaces:
            ip6 = f" ip6 {each.ip6} lastpkt6 {each.lastpkt6}" if each.ip6 else ""
            lines.append(
                f"interface {each.interface} ip {each.ip} mask {each.mask} "
                f"bcast {each.bcast} lastpkt {each.lastpkt}{ip6}"
            )
        return lines


class Topology:
    """All hosts heard, the trusted ones and a bounded table of the others."""

    def __init__(self, down_after_s: float) -> None:
        self._down_after_s = down_after_s
        self._trusted: dict[str, HostRecord] = {}
        self._untrusted: OrderedDict[tuple[str, str], HostRecord] = OrderedDict()

    def heard(
        self, message: Host, *, trusted: bool, source: tuple[str, int], now: float, wall: float
    ) -> HostRecord | None:
        """Take in a host message; None if it changes nothing: the table is full, or it is old.

        An old one was overtaken, or held back by an attacker: it is no sign that the host lives.
        """
        unsigned = (message.host, source[0])
        record = self._trusted.get(message.host) if trusted else self._untrusted.get(unsigned)
        if record is None:
            if trusted and len(self._trusted) >= MAX_HOSTS:
                return None
            record = HostRecord(message, trusted, now, message.time - int(wall), source)
        if trusted:
            self._trusted[message.host] = record
            self._untrusted.pop(unsigned, None)  # its secret has been set right
        else:
            self._remember_untrusted(record)
        late = message.boot == record.message.boot and message.seq < record.message.seq
        if trusted and late and record.down:
            return None
        if not (trusted and late):
            record.message, record.timeoff = message, message.time - int(wall)
            record.lastseen, record.source = now, source
        names = {each.interface for each in record.message.interfaces}
        record.lastpkt = {name: at for name, at in record.lastpkt.items() if name in names}
        record.lastpkt6 = {name: at for name, at in record.lastpkt6.items() if name in names}
        version, heard = (6, record.lastpkt6) if ":" in source[0] else (4, record.lastpkt)
        for interface in record.message.interfaces:
            if str(interface.address(version)) == source[0]:
                heard[interface.interface] = now
        return record

    def _remember_untrusted(self, record: HostRecord) -> None:
        key = (record.host, record.source[0])
        self._untrusted[key] = record
        self._untrusted.move_to_end(key)
        if len(self._untrusted) > MAX_UNTRUSTED:
            self._untrusted.popitem(last=False)

    def trusted(self, host: str) -> HostRecord | None:
        """The record of a trusted host."""
        return self._trusted.get(host)

    def known(self) -> list[HostRecord]:
        """Trusted hosts, also those that are down, by name."""
        return [self._trusted[name] for name in sorted(self._trusted)]

    def live(self) -> list[HostRecord]:
        """Trusted hosts that are not down, by name."""
        return [host for host in self.known() if not host.down]

    def answering(self) -> list[HostRecord]:
        """Live hosts that can answer questions; those of the patent's form (no boot) cannot."""
        return [host for host in self.live() if host.message.boot]

    def mark_down(self, now: float) -> list[HostRecord]:
        """Hosts that have just been silent for too long; each is returned once."""
        gone = []
        for record in self._trusted.values():
            if not record.down and now >= record.lastseen + self._down_after_s:  # as next_down
                record.down = True
                gone.append(record)
        return gone

    def next_down(self) -> float | None:
        """When the next host would be down if it stays silent."""
        times = [r.lastseen + self._down_after_s for r in self._trusted.values() if not r.down]
        return min(times, default=None)

    def reachable_address(
        self, record: HostRecord, dtu: Address, mine: Iterable[Interface], now: float
    ) -> Address | None:
        """The address at which the DTU can reach the host, or None.

        A subnet of the host must hold the DTU's address and a packet must have been heard from that
        interface: subnets alone lie (Table A has one private address on four hosts). Where a router
        stands between (the DTU is in no subnet of ours, or the host speaks from none), the address
        that the host speaks from serves; the DTU's own attempt is then the probe.
        """
        heard = [
            each
            for each in record.message.interfaces
            if (last := record.last_heard(each.interface, dtu.version)) is not None
            and now - last < self._down_after_s
        ]
        for interface in heard:
            if interface.contains(dtu):
                return interface.address(dtu.version)
        source: Address | None = address_of(record.source[0])
        if source is not None and source.version != dtu.version:
            source = next((each.address(dtu.version) for each in heard), None)
        same_wire = (
            source is not None
            and any(each.contains(dtu) for each in mine)
            and any(each.contains(source) for each in mine)
        )
        return None if same_wire else source

    def view(self, now: float) -> list[HostView]:
        """Table A: trusted hosts first, then the others."""
        records = [*self.known(), *self._untrusted.values()]
        return [self._view(record, now) for record in records]

    def _view(self, record: HostRecord, now: float) -> HostView:
        message = record.message
        interfaces = []
        for each in message.interfaces:
            heard = {version: record.last_heard(each.interface, version) for version in (4, 6)}
            ages = {v: -1 if at is None else int(now - at) for v, at in heard.items()}
            last = max((at for at in heard.values() if at is not None), default=None)
            interfaces.append(
                InterfaceView(
                    each.interface,
                    f"{int(each.ip):08x}",
                    f"{int(each.mask):08x}",
                    f"{int(each.bcast):08x}",
                    ages[4],
                    last is not None and now - last >= self._down_after_s,
                    each.ip6,
                    ages[6],
                )
            )
        return HostView(
            message.host,
            int(now - record.lastseen),
            record.timeoff,
            f"{int(message.addr):08x}",
            record.trusted,
            record.down or now - record.lastseen >= self._down_after_s,
            message.load,
            message.sessions,
            message.dtus,
            message.drain,
            message.policy,
            tuple(interfaces),
        )
