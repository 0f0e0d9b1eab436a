"""Epoch and last connection of each session, kept over a daemon restart. Lost with a reboot, as are
the sessions themselves."""

import json
import logging
import os
from pathlib import Path

_LOG = logging.getLogger(__name__)


class AttachmentFile:
    """A small JSON file, replaced at each change: session -> [epoch, CLOCK_MONOTONIC seconds]."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[int, float]] = {}

    def load(self) -> dict[str, tuple[int, float]]:
        """What was kept; a file that cannot be read is reported and counts as empty."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
            self._known = {str(name): (int(e), float(at)) for name, (e, at) in found.items()}
        except FileNotFoundError:
            self._known = {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _LOG.warning("%s is not readable (%s): epochs start anew", self._path, error)
            self._known = {}
        return dict(self._known)

    def keep(self, session: str, epoch: int, last_connected: float) -> None:
        """Remember one session's attachment."""
        self._known[session] = (epoch, last_connected)
        self._write()

    def only(self, sessions: set[str]) -> None:
        """Forget the sessions that are gone."""
        if self._known.keys() - sessions:
            self._known = {name: kept for name, kept in self._known.items() if name in sessions}
            self._write()

    def _write(self) -> None:
        """In memory (run_dir is a tmpfs): no fsync, but never half a file."""
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps(self._known), "utf-8")
            os.replace(new, self._path)
        except OSError as error:
            _LOG.warning("cannot write %s: %s", self._path, error.strerror)
