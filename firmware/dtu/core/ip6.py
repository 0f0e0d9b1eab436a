"""IPv6 of one interface as a value: the kernel's table and what routers told. Reads no file itself.

A terminal gets its address by SLAAC (RFC 4862) and its name servers and domain by router
advertisements (RFC 8106). DHCPv6 is not used.
"""

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from dtu.core.lease import MAX_ADDRESSES, is_domain

MAX_TABLE_TEXT = 65_536  # a line of the kernel's table has 54 characters
MAX_ROUTER_TEXT = 4_096

# linux/if_addr.h: deprecated, failed the check for duplicates, still being checked.
_UNUSABLE = 0x20 | 0x08 | 0x40
_GLOBAL, _LINK = 0x00, 0x20  # scopes, as the kernel numbers them


@dataclass(frozen=True)
class Ip6:
    """The interface's IPv6: global addresses, and what routers told of DNS.

    `link_local` has its zone (`fe80::1%eth0`).
    """

    interface: str
    addresses: tuple[str, ...] = ()
    link_local: str = ""
    dns: tuple[str, ...] = ()
    domain: str = ""


def parse_ip6(interface: str, table: str, routers: str) -> Ip6:
    """From /proc/net/if_inet6 and the file of `roamdesk-link`; what is wrong in them is left out.

    Unique local addresses count as global ones: scopes are the kernel's.
    """
    found: dict[int, list[IPv6Address]] = {_GLOBAL: [], _LINK: []}
    for line in table[:MAX_TABLE_TEXT].splitlines():
        fields = line.split()
        if len(fields) != 6 or fields[5] != interface:
            continue
        try:
            address = IPv6Address(bytes.fromhex(fields[0]))
            scope, flags = int(fields[3], 16), int(fields[4], 16)
        except ValueError:
            continue
        if scope in found and not flags & _UNUSABLE and not address.ipv4_mapped:
            found[scope].append(address)
    told = dict(line.partition("=")[::2] for line in routers[:MAX_ROUTER_TEXT].splitlines())
    domain = told.get("domain", "")
    return Ip6(
        interface,
        tuple(map(str, sorted(found[_GLOBAL])[:MAX_ADDRESSES])),
        f"{found[_LINK][0]}%{interface}" if found[_LINK] else "",
        _name_servers(told.get("dns", ""), interface),
        domain if is_domain(domain) else "",
    )


def _name_servers(text: str, interface: str) -> tuple[str, ...]:
    servers = []
    for entry in text.split()[:MAX_ADDRESSES]:
        try:
            address = IPv6Address(entry)
        except AddressValueError:
            continue
        servers.append(f"{address}%{interface}" if address.is_link_local else str(address))
    return tuple(servers)
