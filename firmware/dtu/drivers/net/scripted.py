"""A lease that a test or a bench dictates; no DHCP client, no file, refused in images."""

from dtu.core.lease import Lease, NoLease
from dtu.drivers.net.base import PostLease


class ScriptedLeaseDriver:
    """Posts what `set` was told, and the last one again at `start`."""

    def __init__(self, lease: Lease | NoLease | None = None) -> None:
        self._lease = lease
        self._post: PostLease | None = None

    def start(self, post: PostLease) -> None:
        self._post = post
        if self._lease is not None:
            post(self._lease)

    def stop(self) -> None:
        self._post = None

    def set(self, lease: Lease | NoLease) -> None:
        """Change the lease in force."""
        self._lease = lease
        if self._post is not None:
            self._post(lease)
