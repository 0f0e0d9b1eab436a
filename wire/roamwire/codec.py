"""From a dataclass's annotations to its fields on the wire and back. Knows no message by name."""

import dataclasses
import enum
import ipaddress
import re
import typing
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from roamwire.addresses import Address
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.fields import Fields
from roamwire.limits import MAX_INTEGER, MAX_NAME_CHARS, MAX_PORT
from roamwire.tokens import Token

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\Z")
_HEX32 = re.compile(r"[0-9a-f]{8}\Z")
_HEX128 = re.compile(r"[0-9a-f]{32}\Z")


def limit(chars: int, default: str | None = None) -> Any:
    """A text field of a message with a bound of its own, in characters."""
    if default is None:
        return dataclasses.field(metadata={"limit": chars})
    return dataclasses.field(default=default, metadata={"limit": chars})


def secret(chars: int) -> Any:
    """A text field, "" by default, that no repr shows."""
    return dataclasses.field(default="", repr=False, metadata={"limit": chars})


def port(default: int | None = None) -> Any:
    """A TCP or UDP port of a message; no other number is let in, sockets raise on them."""
    if default is None:
        return dataclasses.field(metadata={"port": True})
    return dataclasses.field(default=default, metadata={"port": True})


@lru_cache(maxsize=4096)
def hex_to_address(text: str) -> ipaddress.IPv4Address:
    """`81907f05` as 129.144.127.5: the patent's way to write an IPv4 address."""
    if not _HEX32.match(text):
        raise RemoteProtocolError("value", f"{text[:20]!r} is not an address of 8 hex digits")
    return ipaddress.IPv4Address(int(text, 16))


@lru_cache(maxsize=4096)
def address_to_hex(address: ipaddress.IPv4Address) -> str:
    """The inverse of `hex_to_address`."""
    return f"{int(address):08x}"


def _hex_to_any(text: str) -> Address:
    """8 hexadecimal digits are IPv4, as the patent has it, 32 are IPv6."""
    if _HEX128.match(text):
        return ipaddress.IPv6Address(int(text, 16))
    return hex_to_address(text)


def _any_to_hex(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return f"{int(address):032x}"
    return address_to_hex(address)


def _integer(text: str) -> int:
    if not _INTEGER.match(text) or abs(value := int(text)) > MAX_INTEGER:
        raise RemoteProtocolError("value", f"{text[:24]!r} is not a bounded integer")
    return value


def decode_port(text: str) -> int:
    """A port number from 1 to 65535; raises RemoteProtocolError."""
    value = _integer(text)
    if not 0 < value <= MAX_PORT:
        raise RemoteProtocolError("value", f"{text[:24]!r} is not a port")
    return value


def decode_count(text: str) -> int:
    """A whole number from 0; raises RemoteProtocolError."""
    value = _integer(text)
    if value < 0:
        raise RemoteProtocolError("value", f"{text[:24]!r} is below 0")
    return value


def decode_flag(text: str) -> bool:
    """`0` or `1`; raises RemoteProtocolError."""
    if text not in ("0", "1"):
        raise RemoteProtocolError("value", f"{text[:24]!r} is neither 0 nor 1")
    return text == "1"


def _text(chars: int) -> Callable[[str], str]:
    def decode(text: str) -> str:
        if len(text) > chars:
            raise RemoteProtocolError("oversize", f"{len(text)} characters, at most {chars}")
        if not text.isprintable():
            raise RemoteProtocolError("binary", "control characters in a text")
        return text

    return decode


def _member(kind: type[enum.Enum]) -> Callable[[str], enum.Enum]:
    def decode(text: str) -> enum.Enum:
        try:
            return kind(text)
        except ValueError as error:
            raise RemoteProtocolError("value", f"{text[:24]!r} is no {kind.__name__}") from error

    return decode


@dataclasses.dataclass(frozen=True)
class _Column:
    key: str
    default: Any
    encode: Callable[[Any], str]
    decode: Callable[[str], Any]


_Coder = tuple[Callable[[Any], str], Callable[[str], Any]]

_CODERS: dict[Any, _Coder] = {
    bool: (lambda value: "1" if value else "0", decode_flag),
    int: (str, _integer),
    Token: (str, Token.parse),
    ipaddress.IPv4Address: (address_to_hex, hex_to_address),
    Address: (_any_to_hex, _hex_to_any),
}


def _coders(annotation: Any, chars: int) -> _Coder:
    if annotation in _CODERS:
        return _CODERS[annotation]
    if annotation is str:
        return str, _text(chars)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return lambda value: str(value.value), _member(annotation)
    raise LocalProtocolError(f"no wire form for {annotation!r}")


@cache
def columns(message: type) -> tuple[_Column, ...]:
    """The wire columns of a message class, from its dataclass fields (tuples are not columns)."""
    hints = typing.get_type_hints(message)
    found = []
    for field in dataclasses.fields(message):
        if typing.get_origin(hints[field.name]) is tuple:
            continue
        chars = field.metadata.get("limit", MAX_NAME_CHARS)
        encode, decode = _coders(hints[field.name], chars)
        if field.metadata.get("port"):
            decode = decode_port
        found.append(_Column(field.name, field.default, encode, decode))
    return tuple(found)


def to_fields(message: Any) -> Fields:
    """A message's fields in their order; those that hold their default are left out."""
    found: Fields = []
    kind: type = type(message)
    for column in columns(kind):
        value = getattr(message, column.key)
        if value != column.default:
            found.append((column.key, column.encode(value)))
    return found


def values_of(message: type, fields: Mapping[str, str]) -> dict[str, Any]:
    """Constructor arguments from fields; unknown keys are ignored, a missing one is an error."""
    values: dict[str, Any] = {}
    for column in columns(message):
        text = fields.get(column.key)
        if text is not None:
            values[column.key] = column.decode(text)
        elif column.default is dataclasses.MISSING:
            raise RemoteProtocolError("missing", f"{message.__name__} without {column.key}")
    return values


def unique(fields: Fields) -> dict[str, str]:
    """Fields as a mapping; raises RemoteProtocolError if a key stands twice."""
    mapping = dict(fields)
    if len(mapping) != len(fields):
        raise RemoteProtocolError("repeated", "a key stands twice")
    return mapping
