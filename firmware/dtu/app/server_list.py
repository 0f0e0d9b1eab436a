"""The group's server list, kept over a power-off and signed with a key of this terminal's own.

The list came over TLS from a server of the group; the signature says that we wrote it. Whether an
entry is true is still proven by the server's certificate when it is tried.
"""

import hashlib
import hmac
import json
import logging
import os
from pathlib import Path

from roamwire.control import Server
from roamwire.limits import MAX_LISTED, MAX_NAME_CHARS, MAX_PORT

_LOG = logging.getLogger(__name__)
MAX_FILE_BYTES = 65536
_PURPOSE = b"roamdesk server list 1"


class ServerListFile:
    """A JSON object of servers and signature, replaced whole.

    Signed with the terminal's private key file and the CA's certificate file: a list of another
    terminal, or from before a change of group, is not ours.
    """

    def __init__(self, path: Path, key: Path, ca: Path) -> None:
        self._path = path
        self._key = key
        self._ca = ca

    def load(self) -> tuple[Server, ...]:
        """The list of the last run; empty if there is none, or it is damaged or not ours."""
        try:
            with self._path.open("rb") as file:
                kept = json.loads(file.read(MAX_FILE_BYTES))
            entries = kept["servers"]
            if not hmac.compare_digest(self._signature(entries), kept["signature"]):
                raise ValueError("it is damaged, or of another terminal or group")
            return tuple(_server(entry) for entry in entries[:MAX_LISTED])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            _LOG.warning("server list %s is not used: %s; finding servers anew", self._path, error)
            return ()

    def save(self, servers: tuple[Server, ...]) -> None:
        """Replace the list; a full or read-only disk costs the list, not the terminal."""
        entries = [[each.host, each.address, each.port] for each in servers]
        new = self._path.with_suffix(".new")
        try:
            text = json.dumps({"servers": entries, "signature": self._signature(entries)})
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # No fsync, which would hold up the loop on a slow card: half a file is not believed.
            new.write_text(text, "utf-8")
            os.replace(new, self._path)
        except OSError as error:
            _LOG.warning("cannot keep the server list in %s: %s", self._path, error.strerror)

    def _signature(self, entries: object) -> str:
        canonical = json.dumps(entries, separators=(",", ":")).encode()
        key = hmac.digest(self._key.read_bytes(), _PURPOSE + self._ca.read_bytes(), hashlib.sha256)
        return hmac.new(key, canonical, hashlib.sha256).hexdigest()


def _server(entry: object) -> Server:
    match entry:
        case [str(host), str(address), int(port)] if (
            len(host) <= MAX_NAME_CHARS and len(address) <= MAX_NAME_CHARS and 0 < port <= MAX_PORT
        ):
            return Server(host, address, port)
    raise ValueError("an entry is no server")
