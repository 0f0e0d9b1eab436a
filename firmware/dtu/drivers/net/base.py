"""What every driver of the network can do; what a lease or an answer means is in dtu.core."""

from collections.abc import Callable
from typing import Protocol

from dtu.core.actions import Lookup
from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import Answer

PostLease = Callable[[Lease | NoLease], None]
PostAnswer = Callable[[int, Answer], None]


class LeaseDriver(Protocol):
    """Reports the lease in force and each change of it. Lives on the event loop's thread."""

    def start(self, post: PostLease) -> None:
        """Begin to watch; a lease that is there already is posted at once."""

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
