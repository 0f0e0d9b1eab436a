"""The group's revoked terminals, as hostd tells them to enrold. Which ones they are is not here.

run_dir/revoked: keys of terminals (`roamwire.blocks`), one a line. Everybody may read it, as enrold
may read nothing else of hostd's. Lost cards are not in it: short numbers are found from their keys.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from roamwire.blocks import dtu_key
from sessionhost.core.blocks import MAX_BLOCKS

_LOG = logging.getLogger(__name__)

MAX_FILE_BYTES = 64 * MAX_BLOCKS
"""A key and the line's end have 42."""


class RevokedFile:
    """hostd writes it, enrold asks it. Without a file nobody is revoked: hostd, which refuses the
    terminal by its name whatever certificate it has, has not run here since the machine started."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: frozenset[str] = frozenset()
        self._read: tuple[int, int, int] | None = None

    def write(self, keys: Iterable[str]) -> None:
        """Replace all of it; a disk that refuses is told, and the last file stays."""
        new = self._path.with_suffix(".new")
        data = "".join(f"{key}\n" for key in keys).encode("ascii")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o644)  # whatever the umask is
                file.write(data)
            new.replace(self._path)
        except OSError as error:
            _LOG.error(
                "cannot write %s: %s; revoked terminals may renew their certificates here, but "
                "are let in nowhere",
                self._path,
                error.strerror,
            )

    def has(self, name: str) -> bool:
        """Whether the terminal of that name is revoked, by the file as it is now."""
        try:
            found = self._path.stat()
            state = (found.st_ino, found.st_mtime_ns, found.st_size)
            if state != self._read:
                with self._path.open("rb") as file:
                    lines = file.read(MAX_FILE_BYTES).decode("ascii", "replace").split()
                self._keys, self._read = frozenset(lines), state
        except FileNotFoundError:
            self._keys, self._read = frozenset(), None
        except OSError as error:  # what was read last holds
            _LOG.error("cannot read %s: %s", self._path, error.strerror)
        return dtu_key(name) in self._keys
