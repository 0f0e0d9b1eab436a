"""The group's server list, kept over a power-off. Whether an entry is true is proven by TLS."""

import json
import logging
import os
from pathlib import Path

from roamwire.control import Server
from roamwire.limits import MAX_LISTED

_LOG = logging.getLogger(__name__)
MAX_FILE_BYTES = 65536


class ServerListFile:
    """A JSON list of [host, address, port], replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[Server, ...]:
        """The list of the last run; empty if there is none or it is damaged."""
        try:
            entries = json.loads(self._path.read_bytes()[:MAX_FILE_BYTES])
            return tuple(Server(str(h), str(a), int(p)) for h, a, p in entries[:MAX_LISTED])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            _LOG.warning("server list %s is not readable (%s): starting without", self._path, error)
            return ()

    def save(self, servers: tuple[Server, ...]) -> None:
        """Replace the list; a full or read-only disk costs the list, not the terminal."""
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps([[s.host, s.address, s.port] for s in servers]), "utf-8")
            os.replace(new, self._path)
        except OSError as error:
            _LOG.warning("cannot keep the server list in %s: %s", self._path, error.strerror)
