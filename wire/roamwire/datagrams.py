"""Datagrams between group managers and DTUs (UDP 7009). Signatures are in `signing`, not here.

`host` carries the patent's fields in the patent's order; what later servers add stands between
`clock` and the first interface, so that a reader of the old form still finds all it knows.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from roamwire import codec
from roamwire.addresses import NO_ADDRESS, Address, ip6_of
from roamwire.blocks import is_block_key
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.fields import Fields, ascii_text, decode_fields, encode_fields
from roamwire.limits import (
    MAX_BLOCKS_A_PAGE,
    MAX_BLOCKS_BYTES,
    MAX_CLAIMS,
    MAX_DATAGRAM_BYTES,
    MAX_INTERFACES,
    MAX_INTERFACES_BYTES,
    MAX_STAMP,
)


@dataclass(frozen=True)
class Interface:
    """A network interface of a server; `ip6` may be empty or `address/prefix`.

    Without IPv4 the patent's three fields are zero.
    """

    interface: str
    ip: IPv4Address
    mask: IPv4Address
    bcast: IPv4Address
    ip6: str = ""

    def contains(self, address: Address) -> bool:
        """Whether the address is in this interface's subnet."""
        if address.version == 6:
            return self.ip6 != "" and address in ip6_of(self.ip6).network
        mask = int(self.mask)
        return self.ip != NO_ADDRESS and int(address) & mask == int(self.ip) & mask

    def address(self, version: int) -> Address | None:
        """Its address of IP version 4 or 6, if it has one."""
        if version == 6:
            return ip6_of(self.ip6).ip if self.ip6 else None
        return self.ip if self.ip != NO_ADDRESS else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses as text, IPv4 first."""
        return tuple(str(found) for version in (4, 6) if (found := self.address(version)))


@dataclass(frozen=True)
class Host:
    """Periodic announcement of a server (patent, "host message").

    `time` is the sender's wall clock in seconds and only displayed. `boot` is random per start and
    `seq` counts the sender's signed datagrams. `load` is in thousandths of a processor. `drain`:
    takes no new session. `back_ms` above 0: restarting, and back within that time. `blocks` is
    the summary of its set of blocks, "" if that is empty: who has another one asks for it.
    """

    host: str
    addr: IPv4Address
    time: int
    flags: int = 0
    cpus: int = 1
    clock: int = 0
    boot: str = ""
    seq: int = 0
    load: int = 0
    sessions: int = 0
    dtus: int = 0
    policy: str = ""
    drain: bool = False
    back_ms: int = 0
    port: int = codec.port(7009)
    blocks: str = ""
    interfaces: tuple[Interface, ...] = ()


@dataclass(frozen=True)
class ServerQ:
    """A DTU asks which servers are there; `serverQ` is its nonce."""

    serverQ: str  # noqa: N815  the patent's name for the field
    dtu: str = ""


@dataclass(frozen=True)
class ServerR:
    """A server answers a DTU with its address on the DTU's subnet: a hint, TLS proves it."""

    serverR: str  # noqa: N815
    host: str
    addr: Address
    port: int = codec.port(7009)
    cpus: int = 1
    load: int = 0
    sessions: int = 0
    drain: bool = False


@dataclass(frozen=True)
class TokenQ:
    """A server asks the others for a token's sessions (patent step 917).

    `token` is a keyed hash of the token and its user, empty for a probe ("are you this boot?").
    `dtu` is the DTU's address; `pending` says that the asker is about to make a session for it.
    """

    tokenQ: str  # noqa: N815
    host: str
    boot: str
    seq: int
    token: str = ""
    dtu: Address = NO_ADDRESS
    pending: bool = False


@dataclass(frozen=True)
class Claim:
    """One session of the asked token: `age` in ms since its last connection, never a clock time."""

    session: str
    age: int
    epoch: int
    attached: bool = False


@dataclass(frozen=True)
class TokenR:
    """The answer to a tokenQ (patent step 918).

    `nonce` is the answering server's, for a redirect ticket to it. `asked` echoes the asker's boot.
    `pending`: this server is itself deciding on an insert of the token; `home`: it has just sent
    the token to that host, which may not have made the session yet.
    """

    tokenR: str  # noqa: N815
    host: str
    boot: str
    seq: int
    asked: str
    nonce: str = ""
    cpus: int = 1
    load: int = 0
    sessions: int = 0
    drain: bool = False
    pending: bool = False
    home: str = ""
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class BlockEntry:
    """One card or terminal of the group's set of blocks: blocked, or allowed again.

    `entry` is `blocks.block_key` of it, never its number or name. The entry with the higher
    `stamp` holds, among equal ones that of the later `by`, the host where it was made.
    """

    entry: str
    blocked: bool
    stamp: int
    by: str


@dataclass(frozen=True)
class Block:
    """Entries of a server's set: news, or a page of it that another server has asked for.

    `block` is the summary of the whole set, `asked` the blockQ that this answers ("" for news);
    `more`: the page is not the last one.
    """

    block: str
    host: str
    boot: str
    seq: int
    asked: str = ""
    more: bool = False
    entries: tuple[BlockEntry, ...] = ()


@dataclass(frozen=True)
class BlockQ:
    """A server asks another one for its set, newest entries first; `after`: the last one it got."""

    blockQ: str  # noqa: N815
    host: str
    boot: str
    seq: int
    stamp: int = 0
    after: str = ""


@dataclass(frozen=True)
class Shown:
    """A server shows a session of this token, whoever's, at `dtu`, attached `age` ms ago.

    `shown` is the sender's nonce, `re` echoes the other's: only an answer to a nonce of ours says
    how long it was under way, so nothing that was held back moves a session. `beats` is the
    session, with its epoch, that the receiver has to take off its screen.
    """

    shown: str
    host: str
    boot: str
    seq: int
    token: str
    age: int
    session: str
    epoch: int
    dtu: str
    re: str = ""
    beats: str = ""


Datagram = Host | ServerQ | ServerR | TokenQ | TokenR | Block | BlockQ | Shown
Numbered = Host | TokenQ | TokenR | Block | BlockQ | Shown
"""What servers sign and number for each other."""

_BY_FIRST_KEY: dict[str, type] = {
    "host": Host,
    "serverQ": ServerQ,
    "serverR": ServerR,
    "tokenQ": TokenQ,
    "tokenR": TokenR,
    "block": Block,
    "blockQ": BlockQ,
    "shown": Shown,
}

_AFTER_CLOCK = 6
"""Columns of `Host` up to and with clock; `numifs` stands between time and flags."""


def encode_datagram(message: Datagram) -> bytes:
    """A message as one datagram without signature; LocalProtocolError if it is too long."""
    fields = _host_fields(message) if isinstance(message, Host) else codec.to_fields(message)
    if isinstance(message, TokenR):
        for claim in message.claims[:MAX_CLAIMS]:
            fields.extend(codec.to_fields(claim))
    elif isinstance(message, Block):
        for entry in message.entries:
            fields.extend(codec.to_fields(entry))
    data = encode_fields(fields).encode("ascii")
    if len(data) > MAX_DATAGRAM_BYTES:
        raise LocalProtocolError(f"a {fields[0][0]} datagram of {len(data)} bytes")
    return data


def parse_datagram(data: bytes) -> Datagram:
    """An unsigned datagram as a message; raises RemoteProtocolError."""
    fields = decode_fields(ascii_text(data, MAX_DATAGRAM_BYTES))
    kind = _BY_FIRST_KEY.get(fields[0][0]) if fields else None
    if kind is None:
        raise RemoteProtocolError("verb", "the first key names no message")
    if kind is Host:
        return _parse_host(fields)
    if kind is TokenR:
        return _parse_token_r(fields)
    if kind is Block:
        return _parse_block(fields)
    message: Datagram = kind(**codec.values_of(kind, codec.unique(fields)))
    return message


def _host_fields(message: Host) -> Fields:
    kind: type = Host
    fields: Fields = []
    for number, column in enumerate(codec.columns(kind), start=1):
        value = getattr(message, column.key)
        if number <= _AFTER_CLOCK or value != column.default:
            fields.append((column.key, column.encode(value)))
        if column.key == "time":
            fields.append(("numifs", str(len(message.interfaces))))
    if len(message.interfaces) > MAX_INTERFACES:
        raise LocalProtocolError(f"{len(message.interfaces)} interfaces in a host message")
    for interface in message.interfaces:
        fields.extend(codec.to_fields(interface))
    return fields


def fitting(interfaces: Iterable[Interface]) -> tuple[Interface, ...]:
    """These interfaces as far as one host message has room: IPv6 goes first, then the last ones.

    An interface that has nothing but IPv6 keeps it.
    """
    given = tuple(interfaces)
    plain = tuple(
        dataclasses.replace(interface, ip6="") if interface.address(4) else interface
        for interface in given
    )
    whole = _first(given)
    return whole if len(whole) == len(given) else _first(plain)


def _first(interfaces: tuple[Interface, ...]) -> tuple[Interface, ...]:
    room = MAX_INTERFACES_BYTES
    for number, interface in enumerate(interfaces):
        room -= len(encode_fields(codec.to_fields(interface))) + 1
        if room < 0:
            return interfaces[:number]
    return interfaces


def _split(fields: Fields, opening: str, limit: int) -> tuple[Fields, list[Fields]]:
    """Fields before the first `opening` key, and one group of fields per `opening` key."""
    starts = [number for number, (key, _) in enumerate(fields) if key == opening]
    if len(starts) > limit:
        raise RemoteProtocolError("oversize", f"{len(starts)} times {opening}")
    first = starts[0] if starts else len(fields)
    ends = [*starts, len(fields)][1:]
    groups = [fields[a:b] for a, b in zip(starts, ends, strict=True)]
    return fields[:first], groups


def _parse_host(fields: Fields) -> Host:
    head, groups = _split(fields, "interface", MAX_INTERFACES)
    plain = codec.unique(head)
    interfaces = tuple(_parse_interface(group) for group in groups)
    if plain.get("numifs") != str(len(interfaces)):
        raise RemoteProtocolError("value", "numifs does not count the interfaces")
    return Host(**codec.values_of(Host, plain), interfaces=interfaces)


def _parse_interface(group: Fields) -> Interface:
    interface = Interface(**codec.values_of(Interface, codec.unique(group)))
    if interface.ip6:
        ip6_of(interface.ip6)
    mask = int(interface.mask)
    if mask | (mask - 1) != 0xFFFFFFFF and mask != 0:
        raise RemoteProtocolError("value", f"mask {mask:08x} has holes")
    return interface


def _parse_token_r(fields: Fields) -> TokenR:
    head, groups = _split(fields, "session", MAX_CLAIMS)
    claims = tuple(Claim(**codec.values_of(Claim, codec.unique(group))) for group in groups)
    if any(claim.age < 0 or claim.epoch < 0 for claim in claims):
        raise RemoteProtocolError("value", "a negative age or epoch")
    return TokenR(**codec.values_of(TokenR, codec.unique(head)), claims=claims)


def _parse_block(fields: Fields) -> Block:
    head, groups = _split(fields, "entry", MAX_BLOCKS_A_PAGE)
    entries = tuple(BlockEntry(**codec.values_of(BlockEntry, codec.unique(g))) for g in groups)
    for entry in entries:
        if not is_block_key(entry.entry) or not 0 < entry.stamp <= MAX_STAMP:
            raise RemoteProtocolError("value", "an entry that nobody can have made")
    return Block(**codec.values_of(Block, codec.unique(head)), entries=entries)


def fitting_entries(entries: Iterable[BlockEntry]) -> tuple[BlockEntry, ...]:
    """As many of the entries, from the first on, as one datagram has room for."""
    room, found = MAX_BLOCKS_BYTES, []
    for entry in entries:
        room -= len(encode_fields(codec.to_fields(entry))) + 1
        if room < 0:
            break
        found.append(entry)
    return tuple(found)


def renumbered(message: Numbered, boot: str, seq: int) -> Numbered:
    """The same message with the sender's boot and next sequence number."""
    return dataclasses.replace(message, boot=boot, seq=seq)
