"""What a terminal may ask DNS and its neighbours, and what they answer. Asks nobody itself."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from roamwire.control import Server
from roamwire.limits import MAX_LISTED

SERVICE = "_roamdesk._tcp"
"""The service's name in DNS (SRV, RFC 2782) and in multicast DNS (RFC 6763)."""


@dataclass(frozen=True)
class AddressesOf:
    """Addresses of a host; `domain` completes a name without dots, `dns` are the lease's servers.

    Without `dns` the machine's own resolver settings serve.
    """

    name: str
    domain: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceOf:
    """The SRV records of our service in a domain."""

    domain: str
    dns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Neighbours:
    """Servers that announce themselves by multicast DNS where these addresses of ours are."""

    addresses: tuple[str, ...] = ()


Question = AddressesOf | ServiceOf | Neighbours


@dataclass(frozen=True)
class Addresses:
    """Answer to AddressesOf: IPv4 and IPv6 addresses as text."""

    found: tuple[str, ...] = ()


@dataclass(frozen=True)
class SrvRecord:
    """One SRV record; the lowest `priority` comes first, `weight` shares the load within it."""

    priority: int
    weight: int
    target: str
    port: int


@dataclass(frozen=True)
class Records:
    """Answer to ServiceOf."""

    found: tuple[SrvRecord, ...] = ()


@dataclass(frozen=True)
class Heard:
    """Answer to Neighbours."""

    found: tuple[Server, ...] = ()


Answer = Addresses | Records | Heard


def nothing_found(question: Question) -> Answer:
    """The empty answer to a question."""
    match question:
        case AddressesOf():
            return Addresses()
        case ServiceOf():
            return Records()
        case Neighbours():
            return Heard()


def in_order(records: Iterable[SrvRecord], rng: random.Random) -> list[SrvRecord]:
    """Records in the order in which they are tried: RFC 2782, "Usage rules"; at most MAX_LISTED.

    A target of "." says that the service is decidedly not there.
    """
    left = [record for record in records if record.target.strip(".")]
    # Weight 0 first, so that it has a small chance when there are others (RFC 2782).
    left.sort(key=lambda record: (record.priority, record.weight > 0))
    order: list[SrvRecord] = []
    while left and len(order) < MAX_LISTED:
        same = [record for record in left if record.priority == left[0].priority]
        draw = rng.randint(0, sum(record.weight for record in same))
        for record in same:
            draw -= record.weight
            if draw <= 0:
                break
        order.append(record)
        left.remove(record)
    return order
