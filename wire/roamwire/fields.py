"""`key=value` fields separated by spaces: the text under every message. Knows no message."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.limits import MAX_FIELDS, MAX_KEY_CHARS, MAX_VALUE_CHARS

_SAFE = "!\"#$&'()*+,-./:;<>?@[\\]^_`{|}~"
_KEY = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_KEY_CHARS - 1}}}\Z")
_PLAIN = re.compile(r"[!-$&-<>-~]*\Z")
_ESCAPED = re.compile(r"(?:[!-$&-<>-~]|%[0-9A-Fa-f]{2})*\Z")

Fields = list[tuple[str, str]]


def encode_value(value: str) -> str:
    """Percent-encode what would break a field: space, `=`, `%`, control and non-ASCII."""
    return value if _PLAIN.match(value) else quote(value, safe=_SAFE)


def decode_value(text: str) -> str:
    """The inverse of `encode_value`; raises RemoteProtocolError on a broken escape or UTF-8."""
    if len(text) > MAX_VALUE_CHARS:
        raise RemoteProtocolError("oversize", f"a value of {len(text)} characters")
    if _PLAIN.match(text):
        return text
    if not _ESCAPED.match(text):
        raise RemoteProtocolError("syntax", "a character or escape that a value cannot have")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("syntax", "a value that is not UTF-8") from error


def encode_fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Fields as text, in the order given; raises LocalProtocolError on a bad key."""
    parts = []
    for key, value in pairs:
        if not _KEY.match(key):
            raise LocalProtocolError(f"field key {key!r} is not allowed")
        parts.append(f"{key}={encode_value(value)}")
    return " ".join(parts)


def decode_fields(text: str) -> Fields:
    """Text as (key, value) pairs in their order, repeated keys kept; RemoteProtocolError if bad."""
    if not text:
        return []
    parts = text.split(" ")
    if len(parts) > MAX_FIELDS:
        raise RemoteProtocolError("oversize", f"{len(parts)} fields")
    fields: Fields = []
    for part in parts:
        key, separator, value = part.partition("=")
        if not separator or not _KEY.match(key):
            raise RemoteProtocolError("syntax", f"field {part[:40]!r}")
        fields.append((key, decode_value(value)))
    return fields


def ascii_text(data: bytes, max_bytes: int) -> str:
    """Bytes of one message as text; RemoteProtocolError if too long or not printable ASCII."""
    if len(data) > max_bytes:
        raise RemoteProtocolError("oversize", f"{len(data)} bytes, at most {max_bytes} are allowed")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("binary", "bytes that are not ASCII") from error
    if not text.isprintable():
        raise RemoteProtocolError("binary", "control characters")
    return text
