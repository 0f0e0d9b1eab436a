"""What the server's core wants done: values that the program carries out. Does nothing itself."""

import enum
from collections import deque
from dataclasses import dataclass, field

from roamwire.control import Line, encode_line
from roamwire.datagrams import BlockEntry
from roamwire.tokens import Token
from sessionhost.core.audit import Record
from sessionhost.core.timing import DISPLAY_TICKET_S


@dataclass(frozen=True)
class Send:
    """Send this line to a DTU."""

    link: int
    line: bytes


@dataclass(frozen=True)
class Close:
    """Close a DTU's connection, after what was sent before."""

    link: int


@dataclass(frozen=True)
class Lookup:
    """Ask the registry for a token, and for the DTU; answer with `ServerCore.looked_up`."""

    link: int
    seq: int
    token: Token
    dtu: str


@dataclass(frozen=True)
class Verify:
    """Look at a card's signature over `message`; answer with `ServerCore.verified`.

    Signature and certificate are base64 as the DTU sent them. `data` is the challenge's.
    """

    link: int
    seq: int
    data: str
    message: bytes
    signature: str
    certificate: str


class PasswordResult(enum.Enum):
    """What PAM says of a name and a password."""

    RIGHT = "right"
    WRONG = "wrong"
    EXPIRED = "expired"
    REFUSED = "refused"
    DOWN = "down"


@dataclass(frozen=True)
class CheckPassword:
    """Ask PAM; answer with `ServerCore.password_checked`. The password is in no repr."""

    link: int
    seq: int
    number: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Register:
    """Write into the registry whose token it is; answer with `ServerCore.registered`."""

    link: int
    seq: int
    token: Token
    user: str
    person_key: str
    label: str


@dataclass(frozen=True)
class Noticed:
    """The registry may note when and where the token was last admitted."""

    token: Token
    dtu: str


@dataclass(frozen=True)
class StartSession:
    """Start a session as its user; ends in `session_ready` or `session_gone`."""

    session: str
    user: str
    token: Token
    recipe: str
    width: int
    height: int


@dataclass(frozen=True)
class StopSession:
    """End a session and all its processes."""

    session: str


@dataclass(frozen=True)
class SetKeyboard:
    """Give a session that runs the keyboard layout of the desk that shows it."""

    session: str
    layout: str


@dataclass(frozen=True)
class Grant:
    """Let the display gateway accept this ticket, once, for `ttl_ms`."""

    session: str
    epoch: int
    ticket: str
    dtu: str
    rfb_socket: str
    ttl_ms: int = int(DISPLAY_TICKET_S * 1000)


@dataclass(frozen=True)
class Revoke:
    """Let the display gateway close every connection of the session up to this epoch."""

    session: str
    epoch: int


@dataclass(frozen=True)
class Remember:
    """Keep over a restart a session's epoch, last connection (monotonic seconds) and terminal, and
    the card that opened it there (its `blocks.token_key`)."""

    session: str
    epoch: int
    last_connected: float
    dtu: str
    card: str


@dataclass(frozen=True)
class Ban:
    """Let the display gateway keep this terminal (its `blocks.dtu_key`) out, or let it in again."""

    key: str
    banned: bool


@dataclass(frozen=True)
class KeepBlocks:
    """Keep these entries of the group's blocks on the disk."""

    entries: tuple[BlockEntry, ...]


@dataclass(frozen=True)
class AtHome:
    """Keep over a restart that this user has proven to be at this terminal."""

    user: str
    dtu: str


@dataclass(frozen=True)
class Report:
    """A line for the log: what happened, to whom, why."""

    text: str


@dataclass(frozen=True)
class Audit:
    """A record for the audit log."""

    record: Record


Action = (
    Send | Close | Lookup | Verify | CheckPassword | Register | Noticed | StartSession
    | StopSession | SetKeyboard | Grant | Revoke | Remember | Ban | KeepBlocks | AtHome | Report
    | Audit
)  # fmt: skip


class Outbox:
    """Actions in the order in which they are to be carried out."""

    def __init__(self) -> None:
        self._actions: deque[Action] = deque()

    def put(self, action: Action) -> None:
        """Any action."""
        self._actions.append(action)

    def send(self, link: int, line: Line) -> None:
        """A line to a DTU."""
        self.put(Send(link, encode_line(line)))

    def audit(
        self,
        what: str,
        decision: str,
        *,
        who: str = "",
        token: Token | None = None,
        dtu: str = "",
        reason: str = "",
        session: str = "",
    ) -> None:
        """A record for the audit log; see `audit.Record`."""
        self.put(Audit(Record(what, decision, who, token, dtu, reason, session)))

    def report(self, text: str) -> None:
        """A line for the log."""
        self.put(Report(text))

    def take(self) -> Action | None:
        """The next one, or None."""
        return self._actions.popleft() if self._actions else None
