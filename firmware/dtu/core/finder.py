"""Which server to try next: the ways of finding one, in their order. Connects to nothing.

Order (DESIGN section 4): servers of the last list, DHCP options, configured ones, the DNS name,
then who answers a serverQ. A list comes from a server over TLS; a wrong entry costs one attempt,
since every server must prove itself with the group's certificate.
"""

import random
from collections import deque
from collections.abc import Iterable

from roamwire.control import Server
from roamwire.datagrams import ServerQ, ServerR, encode_datagram, parse_datagram
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LISTED

DNS_NAME = "roamdesk-servers"


class Finder:
    """Candidates of one search, and what is known for the next."""

    def __init__(
        self, rng: random.Random, *, port: int, configured: Iterable[str] = (), dns: bool = True
    ) -> None:
        self._rng = rng
        self._port = port
        self._configured = tuple(configured)
        self._dns = dns
        self._listed: tuple[Server, ...] = ()
        self._leased: tuple[str, ...] = ()
        self._queue: deque[Server] = deque()
        self._answers: list[tuple[float, Server]] = []
        self._nonce = ""

    @property
    def listed(self) -> tuple[Server, ...]:
        """The last list of servers."""
        return self._listed

    def remember(self, servers: tuple[Server, ...]) -> bool:
        """A server's list of the group; True if it tells anything new."""
        changed = set(servers[:MAX_LISTED]) != set(self._listed)
        self._listed = servers[:MAX_LISTED]
        return changed

    def leased(self, servers: tuple[str, ...]) -> None:
        """The servers that DHCP named."""
        self._leased = servers

    def begin(self, *, first: Server | None = None, lost: str = "") -> None:
        """Start a search: `first` before all others, the host `lost` after all others."""
        listed = [each for each in self._listed if each.host != lost]
        self._rng.shuffle(listed)
        late = [each for each in self._listed if each.host == lost]
        named = [Server("", address, self._port) for address in (*self._leased, *self._configured)]
        if self._dns:
            named.append(Server("", DNS_NAME, self._port))
        order = [*listed, *(each for each in named if each.address not in _addresses(late)), *late]
        if first is not None:
            order.insert(0, first)
        seen: set[tuple[str, int]] = set()
        self._answers.clear()
        self._queue.clear()
        for each in order:
            if (each.address, each.port) not in seen:
                seen.add((each.address, each.port))
                self._queue.append(each)

    def query(self, dtu: str) -> bytes:
        """A serverQ to everybody; answers to an earlier one count no more."""
        self._nonce = f"{self._rng.getrandbits(64):016x}"
        return encode_datagram(ServerQ(self._nonce, dtu))

    def answered(self, data: bytes) -> None:
        """A serverR (a hint: TLS proves the server); RemoteProtocolError if we did not ask."""
        answer = parse_datagram(data)
        if not isinstance(answer, ServerR) or not self._nonce or answer.serverR != self._nonce:
            raise RemoteProtocolError("misdirected", "no answer to our serverQ")
        if len(self._answers) < MAX_LISTED:
            load = answer.load / max(1, answer.cpus) + 1e6 * answer.drain
            self._answers.append((load, Server(answer.host, str(answer.addr), answer.port)))

    def next(self) -> Server | None:
        """The next candidate, or None if a serverQ is all that is left.

        Who has just answered a serverQ goes first: it is there, and the other ways were tried.
        """
        if self._answers:
            self._answers.sort(key=lambda pair: pair[0], reverse=True)
            return self._answers.pop()[1]
        return self._queue.popleft() if self._queue else None


def _addresses(servers: list[Server]) -> set[str]:
    return {each.address for each in servers}
