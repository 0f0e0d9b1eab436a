"""How one server reads another's audit log, on the control port (TCP 7009). Decides nothing.

Both ends show certificates of servers. That alone is not enough: daemons that must not read logs
hold the server's key too. So the request is signed with the group's secret, over a nonce of who is
asked and both names: it is good once, for one pair of servers. Then the log comes as it is on the
disk, so that who asks can verify its chain.
"""

import re
from dataclasses import dataclass

from roamwire import codec
from roamwire.errors import RemoteProtocolError
from roamwire.fields import ascii_text, decode_fields, encode_fields
from roamwire.limits import MAX_NAME_CHARS, MAX_TEXT_CHARS
from roamwire.signing import GroupSecrets, derive

MAX_LOG_LINE_BYTES = 4096
"""A refusal with its words is the longest."""

SINCE = re.compile(r"[0-9T:.Z+-]{0,40}\Z")
"""A time as it begins a line of the log, or "" for all of it."""


@dataclass(frozen=True)
class Prove:
    """Server that is asked, at once: sign this."""

    nonce: str


@dataclass(frozen=True)
class ReadLog:
    """Server that asks: `host` wants the log of `to`, from `since` on, for the person `by`.

    Files that end before `since` are left out; there may be older records in the first one.
    """

    nonce: str
    host: str
    to: str
    by: str
    since: str = ""


@dataclass(frozen=True)
class LogFollows:
    """Yes: after this line come so many bytes of log, the oldest first, and no more."""

    size: int


@dataclass(frozen=True)
class NoLog:
    """No, and why, for a person."""

    text: str = codec.limit(MAX_TEXT_CHARS)


LogLine = Prove | ReadLog | LogFollows | NoLog

_BY_VERB: dict[str, type] = {
    kind.__name__.lower(): kind for kind in (Prove, ReadLog, LogFollows, NoLog)
}


def encode_log_line(message: LogLine, secrets: GroupSecrets | None = None) -> bytes:
    """A message as one line with its end, signed if there are secrets."""
    text = f"{type(message).__name__.lower()} {encode_fields(codec.to_fields(message))}"
    data = text.encode("ascii")
    return (data if secrets is None else _for_logs(secrets).sign(data)) + b"\n"


def parse_log_line(data: bytes) -> LogLine:
    """One line as a message; raises RemoteProtocolError. Who signed it is not looked at."""
    text = ascii_text(data.removesuffix(b"\n"), MAX_LOG_LINE_BYTES)
    verb, _, rest = text.partition(" ")
    kind = _BY_VERB.get(verb)
    if kind is None:
        raise RemoteProtocolError("verb", f"unknown verb {verb[:MAX_NAME_CHARS]!r}")
    message: LogLine = kind(**codec.values_of(kind, codec.unique(decode_fields(rest))))
    return message


def request_of(data: bytes, secrets: GroupSecrets, asked: ReadLog) -> ReadLog:
    """The request in a line, if the group's secret signed it for `asked`'s nonce and hosts.

    Of `asked`, `by` and `since` are not looked at. RemoteProtocolError says what is wrong.
    """
    signed = _for_logs(secrets).verify(data.removesuffix(b"\n"))
    if not signed.trusted:
        raise RemoteProtocolError("signature", "not signed with the group's secret")
    request = parse_log_line(signed.body)
    if not isinstance(request, ReadLog):
        raise RemoteProtocolError("state", f"{type(request).__name__} is not for who is asked")
    if (request.nonce, request.host, request.to) != (asked.nonce, asked.host, asked.to):
        raise RemoteProtocolError("signature", "signed for another connection")
    if not SINCE.match(request.since):
        raise RemoteProtocolError("value", f"{request.since[:40]!r} is no time")
    return request


def _for_logs(secrets: GroupSecrets) -> GroupSecrets:
    """Keys for nothing but these requests: no datagram or ticket passes for one."""
    previous = secrets.previous and derive(secrets.previous, "log request")
    return GroupSecrets(derive(secrets.current, "log request"), previous)
