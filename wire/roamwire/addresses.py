"""IP addresses of both families under one name, as they stand in messages. No socket is here."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address

from roamwire.errors import RemoteProtocolError

Address = IPv4Address | IPv6Address

NO_ADDRESS = IPv4Address(0)
"""Stands where no address is known."""

GROUP6 = "ff12::7009"
"""IPv6 multicast group of host messages and serverQ: this link only, and nobody else's number."""


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address:
    """An address as sockets tell it; IPv4 on an IPv6 socket (`::ffff:10.0.0.1`) is IPv4.

    Raises RemoteProtocolError.
    """
    try:
        address = ip_address(text)
    except ValueError as error:
        raise RemoteProtocolError("value", f"{text[:60]!r} is no address") from error
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def ip6_of(text: str) -> IPv6Interface:
    """`fd00::7/64` as an address in its network; raises RemoteProtocolError."""
    try:
        return IPv6Interface(text)
    except ValueError as error:
        raise RemoteProtocolError("value", f"ip6 {text[:60]!r}") from error
