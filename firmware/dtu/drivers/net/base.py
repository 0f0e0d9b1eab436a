"""What every source of network leases can do; what a lease means is in dtu.core.lease."""

from collections.abc import Callable
from typing import Protocol

from dtu.core.lease import Lease, NoLease

PostLease = Callable[[Lease | NoLease], None]


class LeaseDriver(Protocol):
    """Reports the lease in force and each change of it. Lives on the event loop's thread."""

    def start(self, post: PostLease) -> None:
        """Begin to watch; a lease that is there already is posted at once."""

    def stop(self) -> None:
        """End the watch; nothing is posted after this."""
