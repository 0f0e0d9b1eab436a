"""When a terminal asks for a certificate, and what it says meanwhile. Connects to nothing.

A server is asked on its enrolment port when the terminal has no certificate, or when that server
hung up as soon as it had seen the one that it has. Whether that is expired, revoked or of a CA that
is not trusted any more need not be known, and no clock either: the server says so.
"""

import enum
from collections import OrderedDict
from dataclasses import dataclass

from dtu.core import catalogue, timing
from dtu.core.words import Message
from roamwire import enrolment
from roamwire.limits import MAX_LISTED


class Way(enum.Enum):
    """What to do with a server that the terminal's core wants to try."""

    CONNECT = "connect"
    ENROL = "enrol"
    WAIT = "wait"


@dataclass
class _Server:
    """What one server said; `ask_at` is when it may be asked again."""

    ask_at: float = 0.0
    turned_away: bool = False
    words: Message | None = None


class Enrolment:
    """`certified`: there is a certificate. `fingerprint` and `name` are for the screen."""

    def __init__(self, name: str, *, certified: bool) -> None:
        self.certified = certified
        self.fingerprint = ""
        self._name = name
        self._servers: OrderedDict[str, _Server] = OrderedDict()

    def way(self, address: str, now: float) -> Way:
        """A certificate is tried first, and again while the enrolment port is not to be asked."""
        server = self._at(address)
        if self.certified and not server.turned_away:
            return Way.CONNECT
        if now >= server.ask_at:
            return Way.ENROL
        return Way.CONNECT if self.certified else Way.WAIT

    def welcomed(self) -> None:
        """A server has us: whatever others said is past."""
        self._servers.clear()

    def turned_away(self, address: str) -> None:
        """A server of our group refused our certificate, or hung up before it said a word.

        What is said of that is `refusals`'s.
        """
        self._at(address).turned_away = True

    def asked(self, address: str, now: float) -> None:
        """The enrolment port is being asked, and is not asked again at once if it is silent."""
        self._at(address).ask_at = now + timing.ENROL_RETRY_S

    def enrolled(self) -> None:
        """There is a certificate now, which no server has refused yet."""
        self.certified = True
        self._servers.clear()

    def answered(
        self, address: str, line: enrolment.Pending | enrolment.Refused, now: float
    ) -> None:
        """The server will not give one, or not yet."""
        server = self._at(address)
        if isinstance(line, enrolment.Pending):
            wait_ms, server.words = line.poll_ms, catalogue.NOT_ENROLLED
        else:
            wait_ms = line.retry_ms
            # A server that is too busy, or cannot issue at all, says nothing about this terminal.
            server.words = catalogue.ENROLMENT_REFUSED.get(line.code, server.words)
        wait_s = max(timing.ENROL_RETRY_S, min(timing.MAX_ENROL_RETRY_S, wait_ms / 1000))
        server.ask_at = now + wait_s

    @property
    def words(self) -> Message | None:
        """What the screen says: of several servers the one that can be helped most easily."""
        said = [each.words for each in self._servers.values() if each.words is not None]
        if not said:
            return None
        return min(said, key=_ORDER.index).about(terminal=self._name, fingerprint=self.fingerprint)

    def _at(self, address: str) -> _Server:
        server = self._servers.setdefault(address, _Server())
        self._servers.move_to_end(address)
        while len(self._servers) > MAX_LISTED:
            self._servers.popitem(last=False)
        return server


_ORDER = (
    catalogue.NOT_ENROLLED,
    catalogue.ENROLMENT_CODE,
    catalogue.ENROLMENT_DENIED,
)


def check_delay_s(check_s: int, share: float) -> float:
    """When to ask for roots and renewal again; `share` from 0 to 1 spreads a site's terminals."""
    return min(timing.MAX_CHECK_S, max(1.0, float(check_s))) * (0.75 + 0.25 * share)
