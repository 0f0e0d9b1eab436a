"""Lines between DTU and server over TLS: control (TCP 7009) and the first line of the display.

A line is a verb and fields: `insert token=uid:04a1b2 cause=insert seq=3`. Who may send what
and when is decided by the machines at both ends, not here.
"""

import enum
from dataclasses import dataclass

from roamwire import codec
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.fields import Fields, ascii_text, decode_fields, encode_fields
from roamwire.keyboard import layout_problem
from roamwire.limits import (
    MAX_LAYOUT_CHARS,
    MAX_LINE_BYTES,
    MAX_LISTED,
    MAX_NAME_CHARS,
    MAX_OFFERS,
    MAX_PASSWORD_CHARS,
    MAX_TEXT_CHARS,
    MAX_TICKET_CHARS,
    MAX_VALUE_CHARS,
)
from roamwire.proof import CardError, Slot
from roamwire.tokens import Token


class Cause(enum.Enum):
    """Why a DTU sends `insert` (DESIGN section 2)."""

    INSERT = "insert"
    REDIRECT = "redirect"
    FAILOVER = "failover"


@dataclass(frozen=True)
class Hello:
    """DTU to server, first line: who I am and the size of my screen in pixels.

    `keyboard` is the XKB layout of the desk's keyboard, "" if sessions are to keep their own.
    """

    dtu: str
    version: str = "1"
    width: int = 0
    height: int = 0
    language: str = "en"
    keyboard: str = codec.limit(MAX_LAYOUT_CHARS, "")


@dataclass(frozen=True)
class Server:
    """One entry of the server list: name, address of either family as text, control port."""

    host: str
    address: str
    port: int


@dataclass(frozen=True)
class Welcome:
    """Server to DTU, first line: who I am, the interval of keepalives, and the group's servers.

    `version` is the server's software, for people to read. `login`: a person may sign in without a
    card; the DTU then inserts its own pseudo token and is asked for name and password.
    """

    host: str
    keepalive_ms: int
    lost_ms: int
    servers: tuple[Server, ...] = ()
    version: str = ""
    login: bool = False


@dataclass(frozen=True)
class Servers:
    """Server to DTU: the group's servers changed; the DTU keeps the list over restarts."""

    servers: tuple[Server, ...] = ()


@dataclass(frozen=True)
class Insert:
    """DTU to server: a token is here. `seq` counts the DTU's card events and comes back in answers.

    `ticket` is set for cause redirect; `lost` names the server whose loss caused a failover.
    """

    token: Token
    cause: Cause
    seq: int
    ticket: str = codec.limit(MAX_TICKET_CHARS, "")
    lost: str = ""


@dataclass(frozen=True)
class Challenge:
    """Server to DTU: let the card sign `data` (hex) with key `slot`; see `roamwire.proof`.

    9E is asked first. 9A follows only by policy: the DTU asks the person for the PIN if the card
    wants one, and the PIN goes to the card only. A challenge is good once and for seconds.
    """

    seq: int
    slot: Slot
    data: str = codec.limit(MAX_TEXT_CHARS)


@dataclass(frozen=True)
class Response:
    """DTU to server: the card's certificate (base64 DER) and signature (base64), or the error."""

    seq: int
    signature: str = codec.limit(MAX_TEXT_CHARS * 2, "")
    certificate: str = codec.limit(MAX_VALUE_CHARS, "")
    error: CardError = CardError.NONE


class Question(enum.Enum):
    """What a person is asked for."""

    PASSWORD = "password"
    """The password of `user`, who has shown a card."""
    LOGIN = "login"
    """A user's name and password, without a card."""
    REGISTER = "register"
    """Name and password once: the card that is in belongs to that user from then on."""


@dataclass(frozen=True)
class Ask:
    """Server to DTU: ask the person. `tries` are left with this one, 0 if that is not to be told.

    `code` is the notice's number of why it is asked again (wrong password), 0 the first time.
    """

    seq: int
    what: Question
    user: str = ""
    tries: int = 0
    code: int = 0
    text: str = codec.limit(MAX_TEXT_CHARS, "")


@dataclass(frozen=True)
class Answer:
    """DTU to server: what the person typed to an `ask`, or that they cancelled it.

    `user` may be left out when the `ask` named one. The password is in no repr and in no error.
    """

    seq: int
    user: str = ""
    password: str = codec.secret(MAX_PASSWORD_CHARS)
    cancel: bool = False


@dataclass(frozen=True)
class Connect:
    """Server to DTU: show this session; the display ticket is good once, at this `port`."""

    seq: int
    session: str
    epoch: int
    ticket: str
    port: int = codec.port()
    user: str = ""


@dataclass(frozen=True)
class Redirect:
    """Server to DTU: go to that server and insert there with this ticket (patent step 922)."""

    seq: int
    host: str
    address: str
    port: int = codec.port()
    ticket: str = codec.limit(MAX_TICKET_CHARS)


@dataclass(frozen=True)
class Remove:
    """DTU to server: the card is out."""

    seq: int


@dataclass(frozen=True)
class Disconnect:
    """Server to DTU: this session is no longer shown here, and why.

    `retry_ms` above 0 asks the DTU to come back to this very server within that time (restart).
    `desk` is the DTU that shows the session now, "" if none does or it is not to be told.
    """

    seq: int
    reason: str
    retry_ms: int = 0
    desk: str = ""


@dataclass(frozen=True)
class Browse:
    """DTU to server: which sessions has the token of the one that I show?"""

    seq: int


@dataclass(frozen=True)
class Offer:
    """One session to choose: `age_s` is since its last connection, `shown`: at some DTU now."""

    session: str
    host: str
    age_s: int
    shown: bool


@dataclass(frozen=True)
class Sessions:
    """Server to DTU: these sessions are yours, choose one; the most recent first."""

    seq: int
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Select:
    """DTU to server: this one; "" asks for one more session."""

    seq: int
    session: str = ""


@dataclass(frozen=True)
class SignOff:
    """DTU to server: end the session that I show, and its programs."""

    seq: int


@dataclass(frozen=True)
class Keepalive:
    """DTU to server: are you there? `n` counts."""

    n: int


@dataclass(frozen=True)
class Alive:
    """Server to DTU: I am, to keepalive `n`."""

    n: int


@dataclass(frozen=True)
class Notice:
    """Server to DTU: words for the person at the desk, with their number.

    `wait_s` above 0: nothing is tried for this desk or card before so many seconds are over.
    """

    seq: int
    code: int
    text: str = codec.limit(MAX_TEXT_CHARS, "")
    wait_s: int = 0


class Kind(enum.Enum):
    """What a connection to the display gateway carries: RFB, or PulseAudio's native protocol."""

    DISPLAY = "display"
    SOUND = "sound"


@dataclass(frozen=True)
class Attach:
    """DTU to display gateway, first line: the ticket of a `connect` (one use) or of its sound."""

    ticket: str
    kind: Kind = Kind.DISPLAY


@dataclass(frozen=True)
class Attached:
    """Display gateway to DTU: the bytes of the kind asked for start after this line.

    `sound` is the ticket for the session's sound, good while this display is open; empty if the
    gateway carries none.
    """

    session: str
    epoch: int
    sound: str = ""


Line = (
    Hello | Welcome | Servers | Insert | Challenge | Response | Ask | Answer | Connect | Redirect
    | Remove | Disconnect | Browse | Sessions | Select | SignOff | Keepalive | Alive | Notice
    | Attach | Attached
)  # fmt: skip

_REPEATED = ("server", "offer")
"""Keys that may stand more than once, in the messages that have them."""

_BY_VERB: dict[str, type] = {
    kind.__name__.lower(): kind
    for kind in (
        Hello, Welcome, Servers, Insert, Challenge, Response, Ask, Answer, Connect, Redirect,
        Remove, Disconnect, Browse, Sessions, Select, SignOff, Keepalive, Alive, Notice, Attach,
        Attached,
    )
}  # fmt: skip


def encode_line(message: Line) -> bytes:
    """A message as one line with its end; raises LocalProtocolError if it is too long."""
    fields = codec.to_fields(message)
    servers: tuple[Server, ...] = getattr(message, "servers", ())
    for server in servers[:MAX_LISTED]:
        fields.append(("server", f"{server.host},{server.address},{server.port}"))
    offers: tuple[Offer, ...] = getattr(message, "offers", ())
    for each in offers[:MAX_OFFERS]:
        fields.append(("offer", f"{each.session},{each.host},{each.age_s},{int(each.shown)}"))
    verb = type(message).__name__.lower()
    data = f"{verb} {encode_fields(fields)}".rstrip(" ").encode("ascii") + b"\n"
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
    try:
        return _message(kind, decode_fields(rest))
    except RemoteProtocolError as error:
        if kind is Answer:  # errors are logged, and quote what is wrong
            raise RemoteProtocolError(error.reason, "in an answer, not shown here") from None
        raise


def _message(kind: type, fields: Fields) -> Line:
    plain = codec.unique([pair for pair in fields if pair[0] not in _REPEATED])
    values = codec.values_of(kind, plain)
    if kind in (Welcome, Servers):
        values["servers"] = tuple(_server(value) for key, value in fields if key == "server")
        if len(values["servers"]) > MAX_LISTED:
            raise RemoteProtocolError("oversize", f"{len(values['servers'])} servers listed")
    if kind is Sessions:
        values["offers"] = tuple(_offer(value) for key, value in fields if key == "offer")
        if len(values["offers"]) > MAX_OFFERS:
            raise RemoteProtocolError("oversize", f"{len(values['offers'])} sessions offered")
    if kind is Hello and values.get("keyboard") and (problem := layout_problem(values["keyboard"])):
        raise RemoteProtocolError("value", f"keyboard {problem}")
    message: Line = kind(**values)
    return message


def _server(text: str) -> Server:
    parts = text.split(",")
    if len(parts) != 3 or not text.isprintable():
        raise RemoteProtocolError("value", f"server entry {text[:80]!r}")
    host, address, port = parts
    if not (0 < len(host) <= MAX_NAME_CHARS and 0 < len(address) <= MAX_NAME_CHARS):
        raise RemoteProtocolError("value", f"server entry {text[:80]!r}")
    return Server(host, address, codec.decode_port(port))


def _offer(text: str) -> Offer:
    parts = text.split(",")
    if len(parts) != 4 or not text.isprintable():
        raise RemoteProtocolError("value", f"session entry {text[:80]!r}")
    session, host, age, shown = parts
    if not (0 < len(session) <= MAX_NAME_CHARS and 0 < len(host) <= MAX_NAME_CHARS):
        raise RemoteProtocolError("value", f"session entry {text[:80]!r}")
    return Offer(session, host, codec.decode_count(age), codec.decode_flag(shown))
