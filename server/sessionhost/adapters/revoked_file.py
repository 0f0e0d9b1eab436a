"""hostd's word to enrold: which terminals are revoked in the group. Who is, is not here.

A file in a folder that only hostd may write and everybody on this machine may read: enrold, which
hears strangers, needs no right on hostd's state, no socket to it and no group for it. Lines are
keys of the group's set of blocks, hashes of terminals' names.
"""

import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from roamwire.blocks import DTU, dtu_key, is_block_key
from sessionhost.adapters.keyfiles import write_public
from sessionhost.core.blocks import MAX_BLOCKS

_LOG = logging.getLogger(__name__)

MAX_FILE_BYTES = 64 * MAX_BLOCKS
"""A key has 41 characters."""

_Version = tuple[int, int, int]


class RevokedUnknownError(Exception):
    """hostd has not said which terminals are revoked, or not so that it can be read."""


class RevokedFile:
    """hostd's end of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trouble = False

    def publish(self, keys: Iterable[str]) -> None:
        """Replaces the list; a disk that refuses is told once. enrold goes by the old list then."""
        try:
            if not self._path.parent.exists():
                # tmpfiles.d makes it on a real machine; our umask must not hide it elsewhere.
                self._path.parent.mkdir(parents=True)
                self._path.parent.chmod(0o755)
            write_public(self._path, "".join(f"{key}\n" for key in keys).encode("ascii"))
            self._trouble = False
        except OSError as error:
            if not self._trouble:
                _LOG.error(
                    "cannot tell enrold of revoked terminals in %s: %s; until this is mended it "
                    "may renew their certificates, which hostd and displayd refuse all the same",
                    self._path,
                    error.strerror,
                )
            self._trouble = True


class RevokedList:
    """enrold's end: reads the file again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: _Version | None = None
        self._keys: frozenset[str] = frozenset()

    def is_revoked(self, name: str) -> bool:
        """Whether no certificate may be made for that terminal; raises RevokedUnknownError."""
        try:
            version = _version(self._path.stat())
            if version != self._version:
                self._keys, self._version = _read(self._path)
        except OSError as error:
            raise RevokedUnknownError(f"{self._path}: {error.strerror}") from error
        return dtu_key(name) in self._keys


def _version(status: os.stat_result) -> _Version:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: Path) -> tuple[frozenset[str], _Version]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RevokedUnknownError(f"{path} is not a file")
        keys = os.read(descriptor, MAX_FILE_BYTES).decode("ascii", "replace").split()
    finally:
        os.close(descriptor)
    if status.st_size > MAX_FILE_BYTES or not all(
        key.startswith(DTU) and is_block_key(key) for key in keys
    ):
        raise RevokedUnknownError(f"{path} is no list of revoked terminals")
    return frozenset(keys), _version(status)
