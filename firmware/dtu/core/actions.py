"""What the terminal's core wants done: values that the program carries out. Does nothing itself."""

from dataclasses import dataclass, field

from dtu.core.lookups import Question
from dtu.core.piv.results import CardRequest
from dtu.core.words import Message
from roamwire.control import Offer, Server


@dataclass(frozen=True)
class Connect:
    """Open the control connection; report with this attempt number, older ones are ignored."""

    attempt: int
    server: Server


@dataclass(frozen=True)
class Hangup:
    """Close the control connection of this attempt, after what was sent before."""

    attempt: int


@dataclass(frozen=True)
class SendLine:
    """Send a line on the control connection; a password may be in it."""

    attempt: int
    line: bytes = field(repr=False)


@dataclass(frozen=True)
class OpenDisplay:
    """Open the display connection at the server that we are connected to."""

    address: str
    port: int
    ticket: str
    session: str
    epoch: int


@dataclass(frozen=True)
class CloseDisplay:
    """Close the display connection; what it has drawn may stay, dimmed."""


@dataclass(frozen=True)
class Blank:
    """Wipe the last frame at once: the card is out."""


@dataclass(frozen=True)
class Show:
    """Show this message, over the dimmed last frame if `dim`."""

    message: Message
    dim: bool


@dataclass(frozen=True)
class Offered:
    """These sessions can be chosen; the menu shows them."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class RememberServers:
    """Keep the group's server list over restarts of the terminal."""

    servers: tuple[Server, ...]


@dataclass(frozen=True)
class Broadcast:
    """Send this datagram to the broadcast address of our subnet, group port."""

    data: bytes


@dataclass(frozen=True)
class Lookup:
    """Ask DNS or the neighbours for at most so long; report with this number, even if in vain."""

    number: int
    question: Question
    wait_s: float


@dataclass(frozen=True)
class AskCard:
    """Ask the card; the answer comes as `CardAnswered`. A PIN in it belongs to the driver now."""

    request: CardRequest


@dataclass(frozen=True)
class Report:
    """A line for the log."""

    text: str


Action = (
    Connect
    | Hangup
    | SendLine
    | OpenDisplay
    | CloseDisplay
    | Blank
    | Show
    | Offered
    | RememberServers
    | Broadcast
    | Lookup
    | AskCard
    | Report
)
