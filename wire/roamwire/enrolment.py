"""Lines of the enrolment port (TCP 7011): how terminals and servers join. Decides nothing.

A terminal: `enrol` with a certificate request, or with the certificate it has `check` and `renew`.
A server: `join` with the id of an invitation. Certificates travel as base64 of DER, several of
them with commas between.
"""

import base64
import binascii
import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from roamwire import codec
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.fields import ascii_text, decode_fields, encode_fields
from roamwire.limits import MAX_LINE_BYTES, MAX_NAME_CHARS, MAX_TEXT_CHARS, MAX_VALUE_CHARS

MAX_REQUEST_CHARS = 2048
"""A request for a P-256 key has some 300 bytes of DER; P-384 and RSA 4096 fit too."""

MAX_CHAIN_CHARS = 6000
"""A terminal's certificate and that of the desk CA, some 700 bytes each."""

MAX_CERTIFICATES = 8
"""Roots of a group in the middle of a rotation: two; a chain: two."""

MAX_PART_CHARS = 8000
MAX_PARTS = 64
"""An envelope comes in parts, each in a line; with piv_cas it may have some 100 kB."""

FINGERPRINT_CHARS = 16
"""Of a key, in words for people: 64 bits, in groups of four digits. The screen shows as many."""


class Refusal(enum.Enum):
    """Why somebody is not let in; the words for people are in `text`."""

    DENIED = "denied"
    BLOCKED = "blocked"
    CODE = "code"
    NOT_PREREGISTERED = "not-preregistered"
    FULL = "full"
    SLOWER = "slower"
    REQUEST = "request"
    NO_AUTHORITY = "no-authority"
    INVITATION = "invitation"


@dataclass(frozen=True)
class Enrol:
    """Terminal: let me in under this name; `csr` is PKCS #10, `code` a one-time code."""

    name: str
    csr: str = codec.limit(MAX_REQUEST_CHARS)
    code: str = ""
    model: str = ""


@dataclass(frozen=True)
class Check:
    """Anybody: which roots has the group; a terminal with a certificate: is it to be renewed?"""


@dataclass(frozen=True)
class Renew:
    """Terminal with a certificate: another one, for the key of this request."""

    csr: str = codec.limit(MAX_REQUEST_CHARS)


@dataclass(frozen=True)
class Join:
    """New server: the envelope of that invitation; `claim` shows that we hold its token."""

    id: str
    claim: str


@dataclass(frozen=True)
class Enrolled:
    """The terminal's certificate with the desk CA's, the group's roots, when to check again."""

    certificate: str = codec.limit(MAX_CHAIN_CHARS)
    ca: str = codec.limit(MAX_VALUE_CHARS)
    check_s: int = 3600


@dataclass(frozen=True)
class Pending:
    """A person has to approve: ask again after `poll_ms`."""

    poll_ms: int


@dataclass(frozen=True)
class Refused:
    """No; asking again before `retry_ms` is in vain."""

    code: Refusal
    retry_ms: int = 0
    text: str = codec.limit(MAX_TEXT_CHARS, "")


@dataclass(frozen=True)
class Current:
    """The group's roots; `renew`: the certificate that was shown is to be renewed now."""

    ca: str = codec.limit(MAX_VALUE_CHARS)
    renew: bool = False
    check_s: int = 3600


@dataclass(frozen=True)
class Envelope:
    """One part of what a new server needs, encrypted under its token."""

    part: int
    parts: int
    data: str = codec.limit(MAX_PART_CHARS)


Line = Enrol | Check | Renew | Join | Enrolled | Pending | Refused | Current | Envelope

_BY_VERB: dict[str, type] = {
    kind.__name__.lower(): kind
    for kind in (Enrol, Check, Renew, Join, Enrolled, Pending, Refused, Current, Envelope)
}


def encode_line(message: Line) -> bytes:
    """A message as one line with its end; raises LocalProtocolError if it is too long."""
    verb = type(message).__name__.lower()
    text = f"{verb} {encode_fields(codec.to_fields(message))}".rstrip(" ")
    data = text.encode("ascii") + b"\n"
    if len(data) > MAX_LINE_BYTES:
        raise LocalProtocolError(f"a {verb} line of {len(data)} bytes")
    return data


def parse_line(data: bytes) -> Line:
    """One line, with or without its end, as a message; raises RemoteProtocolError."""
    text = ascii_text(data.removesuffix(b"\n").removesuffix(b"\r"), MAX_LINE_BYTES)
    verb, _, rest = text.partition(" ")
    kind = _BY_VERB.get(verb)
    if kind is None:
        raise RemoteProtocolError("verb", f"unknown verb {verb[:MAX_NAME_CHARS]!r}")
    message: Line = kind(**codec.values_of(kind, codec.unique(decode_fields(rest))))
    return message


def to_text(blobs: Iterable[bytes]) -> str:
    """DER of certificates as they stand in a line."""
    return ",".join(base64.b64encode(blob).decode("ascii") for blob in blobs)


def from_text(text: str) -> tuple[bytes, ...]:
    """The inverse of `to_text`; raises RemoteProtocolError."""
    parts = text.split(",")
    if not text or len(parts) > MAX_CERTIFICATES:
        raise RemoteProtocolError("value", f"{len(parts)} certificates or none")
    try:
        blobs = tuple(base64.b64decode(part, validate=True) for part in parts)
    except (binascii.Error, ValueError) as error:
        raise RemoteProtocolError("value", "not base64") from error
    if not all(blobs):
        raise RemoteProtocolError("value", "an empty certificate")
    return blobs


def key_hash(public_key: bytes) -> str:
    """A key's name: SHA-256 over its DER SubjectPublicKeyInfo, 64 hexadecimal digits."""
    return hashlib.sha256(public_key).hexdigest()


def fingerprint(digest: str) -> str:
    """What a person compares, on the screen and in `roamctl dtu list`: `04a1-b2c3-...`."""
    short = digest[:FINGERPRINT_CHARS]
    return "-".join(short[at : at + 4] for at in range(0, len(short), 4))
