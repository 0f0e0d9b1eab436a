"""Who becomes a terminal of the group: a decision about one request, and bounds on asking.

Keeps nothing but the rate of asking: what is known of terminals comes as `Known`, and what is to be
written comes back as a value. Nobody's certificate is looked at here.
"""

import enum
import ipaddress
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roamwire.addresses import Address
from roamwire.enrolment import Refusal
from sessionhost.core import timing

MAX_PENDING = 256
"""Terminals that wait for a person: more than one building gets in a day."""

MAX_PENDING_PER_NAME = 4
"""Keys that ask for one name; the person sees their fingerprints and chooses."""

MAX_ADDRESSES = 4096
"""Addresses whose rate is followed; the least recently heard is forgotten."""

BURST_COUNT = 20
"""Requests that one address may have open at once: a terminal needs one in five seconds."""

WRONG_CODE_COUNT = 10
"""What a wrong code costs of it: two in a row, then one in ten seconds. A code has 80 bits."""


class Mode(enum.Enum):
    """Which unknown terminals get in (`enrolment` in policy.toml)."""

    OPEN = "open"
    APPROVE = "approve"
    PREREGISTERED = "preregistered"


@dataclass(frozen=True)
class Request:
    """A terminal asks: its name, the hash of its key, and the hash of its code or ""."""

    name: str
    key: str
    code_hash: str = ""


@dataclass(frozen=True)
class Known:
    """What the store has on a name: `key` is "" if nobody has it yet.

    `code_hash` is that of a one-time code that is good now; `denied` also stops renewals.
    """

    key: str = ""
    code_hash: str = ""
    denied: bool = False


@dataclass(frozen=True)
class Admit:
    """Sign it. `by_code`: the code is used up."""

    by_code: bool = False


@dataclass(frozen=True)
class Wait:
    """Put it on the list of those who wait for a person."""


@dataclass(frozen=True)
class Refuse:
    """No, and why."""

    code: Refusal


Decision = Admit | Wait | Refuse


def decide(request: Request, known: Known | None, mode: Mode, *, blocked: bool) -> Decision:
    """What becomes of a request. A name belongs to the key that had it first.

    A code is the administrator's word for this one machine: it wins over mode and earlier key.
    """
    known = known or Known()
    if blocked:
        return Refuse(Refusal.BLOCKED)
    if known.denied:
        return Refuse(Refusal.DENIED)
    if known.key == request.key:
        return Admit()
    if request.code_hash:
        good = known.code_hash == request.code_hash
        return Admit(by_code=True) if good else Refuse(Refusal.CODE)
    return _without_code(known, mode)


def _without_code(known: Known, mode: Mode) -> Decision:
    # Who is announced with a code comes with it, whatever strangers may do.
    if mode is Mode.PREREGISTERED or known.code_hash:
        return Refuse(Refusal.NOT_PREREGISTERED)
    if known.key or mode is Mode.APPROVE:
        return Wait()
    return Admit()


def decide_renewal(key: str, known: Known | None, *, blocked: bool) -> Decision:
    """What becomes of a terminal that shows a valid certificate, made here or at another server.

    A name that has gone to another key meanwhile is not the old machine's any more.
    """
    if blocked:
        return Refuse(Refusal.BLOCKED)
    if known is not None and (known.denied or known.key not in ("", key)):
        return Refuse(Refusal.DENIED)
    return Admit()


@dataclass(frozen=True)
class Waiting:
    """One entry of the pending table; times in milliseconds since 1970, as in the store."""

    name: str
    key: str
    address: str
    seen_ms: int


def room_for(
    waiting: Sequence[Waiting], name: str, key: str, address: str
) -> tuple[bool, Waiting | None]:
    """Whether another one may wait, and who has to make room for it.

    A full table loses an entry of the address that has most of them, so that one machine with a
    thousand names cannot keep others out. Those who do not ask any more are dropped by age.
    """
    if any((each.name, each.key) == (name, key) for each in waiting):
        return True, None
    same_name = [each for each in waiting if each.name == name]
    if len(same_name) >= MAX_PENDING_PER_NAME:
        return _make_room(same_name, address)
    if len(waiting) >= MAX_PENDING:
        return _make_room(waiting, address)
    return True, None


def _make_room(waiting: Iterable[Waiting], address: str) -> tuple[bool, Waiting | None]:
    by_address: dict[str, list[Waiting]] = {}
    for each in waiting:
        by_address.setdefault(each.address, []).append(each)
    most = max(by_address.values(), key=len)
    if len(most) <= len(by_address.get(address, ())) + 1:
        return False, None
    return True, min(most, key=lambda each: each.seen_ms)


def network_of(address: Address) -> str:
    """What is one asker: an IPv4 address; of IPv6 the /64, in which a machine has every address."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


class AskingRate:
    """A bucket of BURST_COUNT for each address; one comes back every ASKING_REFILL_S."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, asker: str, now: float) -> bool:
        """One more request of this asker; False if its bucket is empty."""
        if self._left(asker, now) < 1:
            return False
        self.fine(asker, now, 1)
        return True

    def fine(self, asker: str, now: float, cost: int) -> None:
        """Take `cost` from the bucket, even below nothing."""
        self._buckets[asker] = (self._left(asker, now) - cost, now)
        self._buckets.move_to_end(asker)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)

    def wait_ms(self, asker: str, now: float) -> int:
        """How long until the asker may ask again."""
        return max(0, int((1 - self._left(asker, now)) * timing.ASKING_REFILL_S * 1000))

    def _left(self, asker: str, now: float) -> float:
        left, since = self._buckets.get(asker, (float(BURST_COUNT), now))
        return min(float(BURST_COUNT), left + (now - since) / timing.ASKING_REFILL_S)


def check_interval_s(life_s: int) -> int:
    """How often a terminal asks for roots and renewal: often enough for a short life."""
    return max(timing.MIN_CHECK_S, min(timing.MAX_CHECK_S, life_s // timing.CHECKS_A_LIFE_COUNT))
