"""Hypothesis strategies for every message, from its annotations; what is expected is not here."""

import dataclasses
import enum
import typing
from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from roamwire.addresses import Address
from roamwire.control import Line, Offer, Server
from roamwire.datagrams import BlockEntry, Claim, Datagram, Interface
from roamwire.limits import MAX_INTEGER, MAX_NAME_CHARS, MAX_STAMP
from roamwire.tokens import KINDS, Token

LINES = typing.get_args(Line)
DATAGRAMS = typing.get_args(Datagram)

_LETTERS = "aZ09 =%+,~;\"'\\/ü日🂡"

names = st.text("abz019.-", min_size=1, max_size=20)
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
masks = st.integers(0, 32).map(lambda bits: IPv4Address(2**32 - 2 ** (32 - bits)))
ports = st.integers(1, 65535)
tokens = st.builds(Token, st.sampled_from(KINDS), st.text("abzABZ019._-", min_size=1, max_size=64))
interfaces = st.builds(
    Interface,
    interface=names,
    ip=addresses,
    mask=masks,
    bcast=addresses,
    ip6=st.sampled_from(["", "fd00::7/64", "::1", "fe80::1/10"]),
)
claims = st.builds(
    Claim,
    session=names,
    age=st.integers(0, MAX_INTEGER),
    epoch=st.integers(0, MAX_INTEGER),
    attached=st.booleans(),
)
entries = st.builds(
    BlockEntry,
    entry=st.from_regex(r"[td][0-9a-f]{40}", fullmatch=True),
    blocked=st.booleans(),
    stamp=st.integers(1, MAX_STAMP),
    by=names,
)
servers = st.builds(Server, names, names, ports)
offers = st.builds(Offer, names, names, st.integers(0, MAX_INTEGER), st.booleans())


def texts(chars):
    """Printable text of any script, at most `chars` characters."""
    return st.text(_LETTERS, max_size=min(chars, 100))


def _value(field, annotation):
    if field.metadata.get("port"):
        return ports
    if annotation is str:
        return texts(field.metadata.get("limit", MAX_NAME_CHARS))
    simple = {
        int: st.integers(-MAX_INTEGER, MAX_INTEGER),
        bool: st.booleans(),
        Token: tokens,
        IPv4Address: addresses,
        Address: st.one_of(addresses, st.integers(0, 2**128 - 1).map(IPv6Address)),
        tuple[Server, ...]: st.lists(servers, max_size=8).map(tuple),
        tuple[Offer, ...]: st.lists(offers, max_size=16).map(tuple),
        tuple[Interface, ...]: st.lists(interfaces, max_size=5).map(tuple),
        tuple[Claim, ...]: st.lists(claims, max_size=3).map(tuple),
        tuple[BlockEntry, ...]: st.lists(entries, max_size=6).map(tuple),
    }
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return st.sampled_from(annotation)
    return simple[annotation]


def messages(kind):
    """Messages of that class with any values that the protocol allows."""
    hints = typing.get_type_hints(kind)
    fields = {each.name: _value(each, hints[each.name]) for each in dataclasses.fields(kind)}
    for name in ("host", "policy") if kind in DATAGRAMS else ():
        if name in fields:
            fields[name] = names  # a host message has 1400 bytes for all its texts together
    if "keyboard" in fields:
        fields["keyboard"] = st.sampled_from(["", "de", "us(intl)", "us,ru"])
    return st.builds(kind, **fields)
