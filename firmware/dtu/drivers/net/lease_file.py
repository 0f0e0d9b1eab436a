"""Watches the file in which the DHCP client's hook writes the lease; asks for no lease itself."""

import asyncio
import logging
from pathlib import Path

from dtu.core.lease import MAX_LEASE_TEXT, Lease, NoLease, parse_lease
from dtu.drivers.net.base import PostLease
from roamwire.errors import RemoteProtocolError

log = logging.getLogger(__name__)

# The hook replaces the file, so one stat tells of a change. 5 stats a second cost nothing that a
# Pi could notice, and inotify would add a C binding for a fifth of a second at power-on.
POLL_S = 0.2


def lease_path(run_dir: Path, interface: str) -> Path:
    """Where firmware/etc/udhcpc/roamdesk.script puts the lease of an interface."""
    return run_dir / f"lease-{interface}"


class LeaseFile:
    """Posts the lease in the file, each time that it changes; needs a running event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._last: Lease | NoLease | None = None
        self._post: PostLease | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, post: PostLease) -> None:
        self._post = post
        self._poll()

    def stop(self) -> None:
        self._post = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(POLL_S, self._poll)
        lease = self.look()
        if lease is not None and self._post is not None:
            self._post(lease)

    def look(self) -> Lease | NoLease | None:
        """The lease if it is another one than at the last look, else None."""
        try:
            status = self._path.stat()
            mark = (status.st_ino, status.st_mtime_ns, status.st_size)
            if mark == self._seen:
                return None
            self._seen = mark
            with self._path.open("rb") as file:
                text = file.read(MAX_LEASE_TEXT + 1).decode("utf-8", "replace")
            lease = parse_lease(text)
        except FileNotFoundError:
            return None  # no answer yet, or no DHCP client
        except (OSError, RemoteProtocolError) as error:
            log.warning("lease file %s cannot be used: %s", self._path, error)
            return None
        for problem in getattr(lease, "problems", ()):
            log.warning("lease of %s: %s (left out)", lease.interface, problem)
        if lease == self._last:
            return None  # renewed, and nothing has changed
        self._last = lease
        return lease
