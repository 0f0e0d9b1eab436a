"""What the DHCP client's hook wrote down, as a value; watching that file is not here."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, ip_address

from roamwire.errors import RemoteProtocolError

SUBOPTION_AUTH_SERVERS = 21  # AuthSrvr: servers of the failover group, IPv4 addresses
SUBOPTION_ALT_AUTH = 35  # AltAuth: further servers, tried after AuthSrvr
SUBOPTION_END = 0xFF
SUBOPTION_PAD = 0x00

MAX_LEASE_TEXT = 16_384  # the hook writes some 500 bytes; option 43 in hex is at most 510 an option
MAX_VALUE = 4_096
MAX_ADDRESSES = 32  # of one list: a group of 32 entry points is far above any real one
MAX_NAME = 253  # RFC 1035

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\.?")
_LOST = frozenset({"deconfig", "leasefail", "nak"})
_HELD = frozenset({"bound", "renew"})


@dataclass(frozen=True)
class VendorOption:
    """The parts of DHCP option 43 (vendor class `roamdesk.dtu`) that a terminal uses."""

    auth_servers: tuple[str, ...] = ()
    alt_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lease:
    """An address that the terminal holds, and the servers that came with it."""

    interface: str
    address: str
    prefix: int
    routers: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    domain: str = ""
    dhcp_server: str = ""
    lease_s: int = 0
    auth_servers: tuple[str, ...] = ()
    alt_servers: tuple[str, ...] = ()
    listed_servers: tuple[str, ...] = ()  # option 224: addresses or names
    problems: tuple[str, ...] = ()  # what was in the lease and could not be used, for the log

    @property
    def servers(self) -> tuple[str, ...]:
        """Every server named by DHCP, each once, in the order in which they are tried."""
        return tuple(dict.fromkeys(self.auth_servers + self.alt_servers + self.listed_servers))


@dataclass(frozen=True)
class NoLease:
    """The terminal has no address; `reason` is the hook's event: deconfig, leasefail or nak."""

    interface: str
    reason: str


def parse_option43(data: bytes) -> VendorOption:
    """Read encapsulated vendor options (RFC 2132, 8.4); raises RemoteProtocolError."""
    lists: dict[int, tuple[str, ...]] = {}
    at = 0
    while at < len(data):
        code = data[at]
        if code == SUBOPTION_PAD:
            at += 1
            continue
        if code == SUBOPTION_END:
            break
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            raise RemoteProtocolError("option43", f"sub-option {code} is cut off")
        value = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + len(value)
        if code in (SUBOPTION_AUTH_SERVERS, SUBOPTION_ALT_AUTH):
            lists[code] = lists.get(code, ()) + _packed_addresses(code, value)
    return VendorOption(
        auth_servers=lists.get(SUBOPTION_AUTH_SERVERS, ()),
        alt_servers=lists.get(SUBOPTION_ALT_AUTH, ()),
    )


def _packed_addresses(code: int, value: bytes) -> tuple[str, ...]:
    if not value or len(value) % 4:
        raise RemoteProtocolError("option43", f"sub-option {code} is no list of IPv4 addresses")
    if len(value) // 4 > MAX_ADDRESSES:
        raise RemoteProtocolError("option43", f"sub-option {code} lists too many servers")
    return tuple(str(IPv4Address(value[i : i + 4])) for i in range(0, len(value), 4))


def parse_server_list(text: str) -> tuple[str, ...]:
    """Read option 224: addresses or names, between commas or blanks; raises RemoteProtocolError."""
    entries = tuple(entry for entry in re.split(r"[,\s]+", text.strip("\0 \t\r\n")) if entry)
    if len(entries) > MAX_ADDRESSES:
        raise RemoteProtocolError("option224", "too many servers")
    for entry in entries:
        if not _is_server(entry):
            raise RemoteProtocolError("option224", f"{entry[:40]!r} is neither address nor name")
    return entries


def _is_server(entry: str) -> bool:
    try:
        ip_address(entry)
    except ValueError:
        # A name of digits and dots only is a mistyped address, never a host.
        return (
            len(entry) <= MAX_NAME
            and _NAME.fullmatch(entry) is not None
            and re.search(r"[A-Za-z]", entry) is not None
        )
    return True


def parse_lease(text: str) -> Lease | NoLease:
    """Read the file that the udhcpc hook writes: one `key=value` a line, unknown keys ignored.

    Raises RemoteProtocolError if there is no usable address in it. A bad option does not cost the
    lease: it is left out and named in `problems`.
    """
    fields = _read_fields(text)
    event = fields.get("event", "")
    interface = fields.get("interface", "")
    if event in _LOST:
        return NoLease(interface=interface, reason=event)
    if event not in _HELD:
        raise RemoteProtocolError("lease", f"unknown event {event[:40]!r}")
    problems: list[str] = []
    vendor = _vendor_option(fields.get("opt43", ""), problems)
    return Lease(
        interface=interface,
        address=_address(fields.get("address", "")),
        prefix=_prefix(fields.get("mask", "")),
        routers=_addresses("routers", fields, problems),
        dns=_addresses("dns", fields, problems),
        domain=_domain(fields.get("domain", ""), problems),
        dhcp_server="".join(_addresses("server", fields, problems)[:1]),
        lease_s=_seconds(fields.get("lease_s", "")),
        auth_servers=vendor.auth_servers,
        alt_servers=vendor.alt_servers,
        listed_servers=_listed(fields.get("opt224", ""), problems),
        problems=tuple(problems),
    )


def _read_fields(text: str) -> dict[str, str]:
    if len(text) > MAX_LEASE_TEXT:
        raise RemoteProtocolError("lease", "the lease file is too long")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if not separator or len(value) > MAX_VALUE:
            continue
        fields.setdefault(key.strip(), value.strip())
    return fields


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError as error:
        raise RemoteProtocolError("lease", f"no usable address: {text[:40]!r}") from error


def _prefix(mask: str) -> int:
    """Number of network bits, from `24` or from `255.255.255.0`."""
    if mask.isascii() and mask.isdigit() and len(mask) <= 2 and int(mask) <= 32:
        return int(mask)
    bits = f"{int(IPv4Address(_address(mask))):032b}"
    if "01" in bits:
        raise RemoteProtocolError("lease", f"{mask} is no network mask")
    return bits.count("1")


def _addresses(key: str, fields: dict[str, str], problems: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for entry in fields.get(key, "").split()[:MAX_ADDRESSES]:
        try:
            found.append(str(IPv4Address(entry)))
        except AddressValueError:
            problems.append(f"{key}: {entry[:40]!r} is no address")
    return tuple(found)


def is_domain(text: str) -> bool:
    """Whether the text can be a domain of DNS."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def _domain(text: str, problems: list[str]) -> str:
    if not text or is_domain(text):
        return text
    problems.append(f"domain: {text[:40]!r} is no domain")
    return ""


def _seconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0


def _vendor_option(text: str, problems: list[str]) -> VendorOption:
    try:
        return parse_option43(bytes.fromhex(text))
    except ValueError:
        problems.append("option43: not hexadecimal")
    except RemoteProtocolError as error:
        problems.append(str(error))
    return VendorOption()


def _listed(text: str, problems: list[str]) -> tuple[str, ...]:
    try:
        return parse_server_list(bytes.fromhex(text).decode("ascii"))
    except UnicodeDecodeError:
        problems.append("option224: not plain text")
    except ValueError:
        problems.append("option224: not hexadecimal")
    except RemoteProtocolError as error:
        problems.append(str(error))
    return ()
