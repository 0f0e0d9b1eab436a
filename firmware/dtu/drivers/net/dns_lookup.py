"""Asks DNS for addresses and SRV records, without a thread. What the answers mean is not here.

The only file that imports dnspython. The lease's own name servers are asked, so that nothing but
the lease has to be right; /etc/hosts is not read.
"""

import asyncio
import logging

import dns.asyncresolver
import dns.exception
import dns.rdatatype
from dns.rdtypes.IN.SRV import SRV

from dtu.core.lookups import (
    SERVICE,
    Addresses,
    AddressesOf,
    Records,
    ServiceOf,
    SrvRecord,
)
from roamwire.limits import MAX_LISTED

log = logging.getLogger(__name__)

ONE_SERVER_S = 0.5
"""Then the next name server is asked: one that is there has answered."""


async def addresses(question: AddressesOf, wait_s: float) -> Addresses:
    """IPv4 and IPv6 addresses of a host, in that order; empty if there are none in time."""
    names = [f"{question.name.rstrip('.')}."]
    if question.domain and "." not in question.name:
        names.insert(0, f"{question.name}.{question.domain.rstrip('.')}.")
    # All at once: a name server that answers some kinds of question late costs the others nothing.
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    answers = await asyncio.gather(
        *(_ask(name, kind, question.dns, wait_s) for name in names for kind in kinds)
    )
    for first in range(0, len(answers), len(kinds)):
        found = [record.to_text() for answer in answers[first : first + 2] for record in answer]
        if found:
            return Addresses(tuple(found[:MAX_LISTED]))
    return Addresses()


async def service(question: ServiceOf, wait_s: float) -> Records:
    """The SRV records of our service in a domain; empty if there are none in time."""
    name = f"{SERVICE}.{question.domain.rstrip('.')}."
    answer = await _ask(name, dns.rdatatype.SRV, question.dns, wait_s)
    records = [record for record in answer if isinstance(record, SRV)]
    return Records(
        tuple(
            SrvRecord(each.priority, each.weight, each.target.to_text(), each.port)
            for each in records[:MAX_LISTED]
            if each.port
        )
    )


async def _ask(
    name: str, kind: dns.rdatatype.RdataType, servers: tuple[str, ...], wait_s: float
) -> list[dns.rdata.Rdata]:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
        if servers:
            resolver.nameservers = list(servers)
        resolver.timeout = ONE_SERVER_S
        answer = await resolver.resolve(name, kind, lifetime=wait_s, search=False)
        return list(answer)
    except (dns.exception.DNSException, OSError, ValueError) as error:
        log.debug("DNS: %s %s: %s", name, kind.name, error)
        return []
