"""At which desks users have been, kept over restarts of hostd. What that is good for is not here.

Lines are appended, one a day for a user at a desk; the next start writes what still holds. A file
that is lost or cannot be written costs its users nothing until somebody guesses at their password.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.fields import ascii_text, decode_fields, encode_fields
from sessionhost.core.throttle import MAX_HOMES

_LOG = logging.getLogger(__name__)

DAY_MS = 24 * 3600 * 1000
KEEP_MS = 30 * DAY_MS
"""Somebody who has not been there for so long is a stranger there again."""

MAX_ENTRY_BYTES = 256
"""Two names and a time."""

MAX_FILE_BYTES = 16 * MAX_HOMES * MAX_ENTRY_BYTES

Home = tuple[str, str]
"""User and desk."""


class HomeFile:
    """One file in the server's state_dir; times are milliseconds since 1970."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[Home, int] = {}
        self._trouble = False

    def load(self, now_ms: int) -> list[Home]:
        """What was kept and still holds, the longest ago first; also makes the file short again."""
        found: dict[Home, int] = {}
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._tell(error)
            return []
        for line in filter(None, data.splitlines()):
            try:
                user, desk, at = _parse(line)
            except (RemoteProtocolError, ValueError):
                continue  # cut off in a power failure
            if now_ms - KEEP_MS < at <= now_ms + DAY_MS:
                found[user, desk] = max(at, found.get((user, desk), 0))
        self._known = dict(sorted(found.items(), key=lambda each: each[1])[-MAX_HOMES:])
        self._compact()
        return list(self._known)

    def note(self, user: str, desk: str, now_ms: int) -> None:
        """The user is there now; written if it was not today already."""
        if 0 <= now_ms - self._known.get((user, desk), -DAY_MS) < DAY_MS:
            return
        self._known.pop((user, desk), None)
        self._known[user, desk] = now_ms
        while len(self._known) > MAX_HOMES:
            del self._known[next(iter(self._known))]
        try:
            # The newline first ends what a power failure may have cut off.
            self._write(self._path, os.O_APPEND, [((user, desk), now_ms)])
            self._trouble = False
        except OSError as error:
            self._tell(error)

    def _compact(self) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            self._write(fresh, os.O_TRUNC, self._known.items())
            fresh.replace(self._path)
        except OSError as error:
            self._tell(error)

    def _write(self, path: Path, how: int, homes: Iterable[tuple[Home, int]]) -> None:
        lines = [_line(*home, at) for home, at in homes]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"\n" + b"".join(lines))

    def _tell(self, error: OSError) -> None:
        if not self._trouble:
            _LOG.warning(
                "%s cannot be used (%s): users are strangers at their desks after a restart",
                self._path,
                error.strerror,
            )
        self._trouble = True


def _line(user: str, desk: str, at: int) -> bytes:
    fields = (("user", user), ("desk", desk), ("at", str(at)))
    return encode_fields(fields).encode("ascii") + b"\n"


def _parse(line: bytes) -> tuple[str, str, int]:
    fields = dict(decode_fields(ascii_text(line, MAX_ENTRY_BYTES)))
    user, desk = fields.get("user", ""), fields.get("desk", "")
    if not user or not desk:
        raise RemoteProtocolError("missing", "no user or no desk")
    return user, desk, int(fields.get("at", ""))
