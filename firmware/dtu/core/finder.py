"""Which server to try next: the ways of finding one, in their order. Connects to nothing.

Order (DESIGN section 4): servers of the last list, DHCP options, configured ones, DNS, multicast
DNS, then who answers a serverQ. Whatever names a server is a hint: each must prove itself with the
group's certificate, so a wrong entry costs one attempt.
"""

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from dtu.core import timing
from dtu.core.actions import Broadcast, Lookup
from dtu.core.lookups import (
    Addresses,
    AddressesOf,
    Answer,
    Neighbours,
    Records,
    ServiceOf,
    in_order,
)
from dtu.core.network import Hints
from roamwire.control import Server
from roamwire.datagrams import ServerQ, ServerR, encode_datagram, parse_datagram
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LISTED

DNS_NAME = "roamdesk-servers"


@dataclass(frozen=True)
class Named:
    """A host that has to be looked up before it can be tried."""

    name: str
    port: int


Lead = Server | Named | ServiceOf | Neighbours


@dataclass(frozen=True)
class Wait:
    """Carry out the action, and come back at `until` or when it is answered."""

    action: Lookup | Broadcast
    until: float


@dataclass
class _Way:
    """One way of finding servers; it ends at `until`, whatever is left of it."""

    leads: deque[Lead]
    until: float | None = None


class Finder:
    """Candidates of one search, and what is known for the next. `name` is the terminal's."""

    def __init__(
        self,
        name: str,
        rng: random.Random,
        *,
        port: int,
        configured: Iterable[str] = (),
        dns: bool = True,
        mdns: bool = True,
    ) -> None:
        self._name = name
        self._rng = rng
        self._port = port
        self._configured = tuple(configured)
        self._dns = dns
        self._mdns = mdns
        self._listed: tuple[Server, ...] = ()
        self._hints = Hints()
        self._ways: deque[_Way] = deque()
        self._seen: set[tuple[str, int]] = set()
        self._untried: set[Lead] = set()
        self._answers: list[tuple[float, Server]] = []
        self._answers_until: float | None = None
        self._nonce = ""
        self._lookup = 0
        self._asked: Lead | None = None
        self._pause_s = timing.SEEK_PAUSE_S

    @property
    def listed(self) -> tuple[Server, ...]:
        """The last list of servers."""
        return self._listed

    def remember(self, servers: tuple[Server, ...]) -> bool:
        """A server's list of the group; True if it tells anything new."""
        changed = set(servers[:MAX_LISTED]) != set(self._listed)
        self._listed = servers[:MAX_LISTED]
        return changed

    def told(self, hints: Hints) -> bool:
        """What the network tells; True if it is anything new."""
        changed = hints != self._hints
        self._hints = hints
        return changed

    def reached(self) -> None:
        """A server has us: the next search begins with the shortest pause again."""
        self._pause_s = timing.SEEK_PAUSE_S

    def begin(self, *, first: Server | None = None, lost: Server | None = None) -> None:
        """Start a search: `first` before all others, `lost` after all that need no look-up."""
        listed = list(self._listed)
        self._rng.shuffle(listed)
        ways: list[list[Lead]] = [
            [first] if first else [],
            [*listed],
            [_lead(name, self._port) for name in self._hints.servers],
            [_lead(name, self._port) for name in self._configured],
        ]
        if lost is not None:
            addresses = {each.address for each in listed if each.host == lost.host}
            addresses.add(lost.address)
            late = [lead for way in ways for lead in way if _is_at(lead, addresses)]
            ways = [[lead for lead in way if lead not in late] for way in ways]
            ways.append(late)
        ways.append(self._dns_leads())
        ways.append([Neighbours(self._hints.addresses)] if self._mdns else [])
        for way in ways:  # what the last round had no time for comes first in this one
            way.sort(key=lambda lead: lead not in self._untried)
        self._ways = deque(_Way(deque(way)) for way in ways)
        self._untried.clear()
        self._seen.clear()
        self._hear_no_answers()
        self._asked = None

    def _dns_leads(self) -> list[Lead]:
        if not self._dns:
            return []
        domain, dns = self._hints.domain, self._hints.dns
        service = [ServiceOf(domain, dns)] if domain else []
        return [*service, Named(DNS_NAME, self._port)]

    # serverQ

    def query(self) -> bytes:
        """A serverQ to everybody; answers to an earlier one count no more."""
        self._nonce = f"{self._rng.getrandbits(64):016x}"
        return encode_datagram(ServerQ(self._nonce, self._name))

    def _hear_no_answers(self) -> None:
        self._nonce, self._answers_until = "", None
        self._answers.clear()

    def answered(self, data: bytes) -> None:
        """A serverR (a hint: TLS proves the server); RemoteProtocolError if we did not ask."""
        answer = parse_datagram(data)
        if not isinstance(answer, ServerR) or not self._nonce or answer.serverR != self._nonce:
            raise RemoteProtocolError("misdirected", "no answer to our serverQ")
        if not int(answer.addr):
            raise RemoteProtocolError("value", "a serverR without an address")
        if len(self._answers) < MAX_LISTED:
            load = answer.load / max(1, answer.cpus) + 1e6 * answer.drain
            self._answers.append((load, Server(answer.host, str(answer.addr), answer.port)))

    # Look-ups

    def found(self, number: int, answer: Answer) -> bool:
        """What became of a look-up, empty if nothing; False if nobody waits for it any more."""
        asked = self._asked
        if number != self._lookup or asked is None:
            return False
        self._asked = None
        leads: list[Lead] = []
        if isinstance(answer, Addresses):
            port = asked.port if isinstance(asked, Named) else self._port
            leads = [Server("", each, port) for each in map(_literal, answer.found) if each]
        elif isinstance(answer, Records):
            leads = [_lead(each.target, each.port) for each in in_order(answer.found, self._rng)]
        else:
            leads = [each for each in answer.found if _literal(each.address)]
            self._rng.shuffle(leads)
        self._ways[0].leads.extendleft(reversed(leads[:MAX_LISTED]))
        return True

    def _ask(self, lead: Named | ServiceOf | Neighbours, now: float) -> Wait:
        self._asked = lead
        self._lookup += 1
        question = (
            AddressesOf(lead.name, self._hints.domain, self._hints.dns)
            if isinstance(lead, Named)
            else lead
        )
        wait_s = timing.MDNS_S if isinstance(lead, Neighbours) else timing.LOOKUP_S
        return Wait(Lookup(self._lookup, question, wait_s), now + wait_s)

    # The next step

    def next(self, now: float) -> Server | Wait:
        """The next candidate, or what to ask; a look-up without an answer by now is given up.

        Who has just answered a serverQ goes first: it is there, and the other ways were tried. But
        anybody can answer, so these have no more time in a round than any other way.
        """
        self._asked = None
        if self._answers and self._answers_until is None:
            self._answers_until = now + timing.WAY_S
        if self._answers_until is not None and now >= self._answers_until:
            self._hear_no_answers()
        if self._answers:
            self._answers.sort(key=lambda pair: pair[0], reverse=True)
            return self._answers.pop()[1]
        while self._ways:
            way = self._ways[0]
            if way.until is None:
                way.until = now + timing.WAY_S
            if way.leads and now < way.until:
                lead = way.leads.popleft()
                if not isinstance(lead, Server):
                    return self._ask(lead, now)
                if (lead.address, lead.port) not in self._seen:
                    self._seen.add((lead.address, lead.port))
                    return lead
            else:
                self._untried.update(way.leads)
                self._ways.popleft()
        self.begin()
        until = now + self._pause_s * self._rng.uniform(0.5, 1.5)
        self._pause_s = min(2 * self._pause_s, timing.MAX_SEEK_PAUSE_S)
        return Wait(Broadcast(self.query()), until)


def _literal(text: str) -> str:
    """The address that the text is, in its usual form; "" if it is a name."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _lead(entry: str, port: int) -> Lead:
    address = _literal(entry)
    return Server("", address, port) if address else Named(entry, port)


def _is_at(lead: Lead, addresses: set[str]) -> bool:
    return isinstance(lead, Server) and lead.address in addresses
