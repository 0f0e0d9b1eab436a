"""Watches the file in which the DHCP client's hook writes the lease; asks for no lease itself."""

import logging
from pathlib import Path

from dtu.core.lease import MAX_LEASE_TEXT, Lease, NoLease, parse_lease
from dtu.drivers.net.polling import PolledWatch
from roamwire.errors import RemoteProtocolError

log = logging.getLogger(__name__)


def lease_path(run_dir: Path, interface: str) -> Path:
    """Where firmware/etc/udhcpc/roamdesk.script puts the lease of an interface."""
    return run_dir / f"lease-{interface}"


class LeaseFile(PolledWatch[Lease | NoLease]):
    """Posts the lease in the file; one that was renewed without a change is not told again."""

    # The hook replaces the file, so one stat tells of a change. 5 stats a second cost nothing that
    # a Pi could notice, and inotify would add a C binding for a fifth of a second at power-on.
    interval_s = 0.2

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def look(self) -> Lease | NoLease | None:
        """The lease if the file is another one than at the last look, else None."""
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
        return lease
