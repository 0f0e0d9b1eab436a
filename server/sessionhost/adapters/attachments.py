"""Epoch, last connection, terminal and card of each session, kept over a daemon restart. Lost with
a reboot, as are the sessions themselves."""

import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

_LOG = logging.getLogger(__name__)


class Kept(NamedTuple):
    """What is kept of one session; `last_connected` is CLOCK_MONOTONIC in seconds, `card` the block
    key of the card that opened it at `dtu`: no card's number is in the file."""

    epoch: int
    last_connected: float
    dtu: str = ""
    card: str = ""


class AttachmentFile:
    """A small JSON file, replaced at each change: session -> the values of `Kept`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Kept] = {}

    def load(self) -> dict[str, Kept]:
        """What was kept; a file that cannot be read is reported and counts as empty."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
            self._known = {str(name): _kept(*values) for name, values in found.items()}
        except FileNotFoundError:
            self._known = {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _LOG.warning("%s is not readable (%s): epochs start anew", self._path, error)
            self._known = {}
        return dict(self._known)

    def keep(self, session: str, kept: Kept) -> None:
        """Remember one session's attachment."""
        self._known[session] = kept
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


def _kept(epoch: int, last_connected: float, dtu: str = "", card: str = "") -> Kept:
    return Kept(int(epoch), float(last_connected), str(dtu), str(card))
