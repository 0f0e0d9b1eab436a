"""What the group manager hands to its program: datagrams to send, and what has happened."""

from dataclasses import dataclass

from roamwire.datagrams import BlockEntry, Shown
from sessionhost.core.questions import Answer

Source = tuple[str, int]


@dataclass(frozen=True)
class Outgoing:
    """A datagram to send; `interface` set means: out of that interface (broadcast, multicast).

    `source` is the address of ours that it is to come from; "" leaves that to the kernel.
    """

    data: bytes
    address: str
    port: int
    interface: str = ""
    source: str = ""


@dataclass(frozen=True)
class HostUp:
    """A trusted host is heard for the first time, or again after it was down."""

    host: str


@dataclass(frozen=True)
class HostDown:
    """A trusted host has been silent for too long."""

    host: str


@dataclass(frozen=True)
class NameClash:
    """Another machine signs with our secret under our name: a configuration error to log."""

    source: str


@dataclass(frozen=True)
class TokenAsked:
    """A trusted server asks for a token (by its hash); answer with `GroupManager.answer`."""

    qid: str
    host: str
    boot: str
    digest: str
    pending: bool
    source: Source


@dataclass(frozen=True)
class TokenAnswered:
    """A question is over: the answers, and who of the asked kept silent."""

    qid: str
    answers: tuple[Answer, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True)
class BlocksChanged:
    """Cards or terminals were blocked, or allowed again, by another server."""

    entries: tuple[BlockEntry, ...]


@dataclass(frozen=True)
class ShownElsewhere:
    """Another server shows a session of a token."""

    message: Shown


GroupEvent = (
    HostUp | HostDown | NameClash | TokenAsked | TokenAnswered | BlocksChanged | ShownElsewhere
)
