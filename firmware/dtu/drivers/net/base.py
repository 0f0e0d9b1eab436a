"""What every driver of the network can do; what a lease or an answer means is in dtu.core."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dtu.core.actions import Lookup
from dtu.core.ip6 import Ip6
from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import Answer

T_co = TypeVar("T_co", covariant=True)

PostAnswer = Callable[[int, Answer], None]


class Watch(Protocol[T_co]):
    """Reports what is in force and each change of it. Lives on the event loop's thread."""

    def start(self, post: Callable[[T_co], None]) -> None:
        """Begin to watch; what is there already is posted at once, if it is worth telling."""

    def stop(self) -> None:
        """End the watch; nothing is posted after this."""


class LookupDriver(Protocol):
    """Asks DNS and the neighbours. Lives on the event loop's thread and never blocks it."""

    def start(self, post: PostAnswer) -> None:
        """Answers go there, each with the number of its look-up."""

    def ask(self, lookup: Lookup) -> None:
        """Begin to ask; an answer follows, an empty one if there is none."""

    async def close(self) -> None:
        """End all questions; nothing is posted after this."""


@dataclass(frozen=True)
class NetworkDrivers:
    """A terminal's network: `carrier` tells whether the cable is in, which it is until told."""

    lease: Watch[Lease | NoLease]
    carrier: Watch[bool]
    ip6: Watch[Ip6]
    lookups: LookupDriver
