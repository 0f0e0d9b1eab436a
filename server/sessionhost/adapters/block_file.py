"""The group's blocks on the disk, in the order in which they came. Which ones hold is not here.

Appended only: merging the lines again gives the set, so a line that was written twice or cut off in
a power failure costs nothing but itself. The lines that are superseded go at the next start.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from roamwire import codec
from roamwire.blocks import is_block_key
from roamwire.datagrams import BlockEntry
from roamwire.errors import RemoteProtocolError
from roamwire.fields import ascii_text, decode_fields, encode_fields
from sessionhost.adapters.folder_owner import open_plain
from sessionhost.core.blocks import MAX_BLOCKS, BlockSet

_LOG = logging.getLogger(__name__)

MAX_ENTRY_BYTES = 256
"""A key, a stamp and the name of a host."""

MAX_FILE_BYTES = 4 * MAX_BLOCKS * MAX_ENTRY_BYTES
"""More than a server can have written since its start; anything longer is no such file."""


class BlockFile:
    """One file in the server's state_dir, which hostd and roamctl, as hostd's user, may write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trouble = False

    def load(self, into: BlockSet) -> None:
        """Merge what was kept; a bad line is told and left out. OSError if it cannot be read."""
        try:
            with os.fdopen(open_plain(self._path, os.O_RDONLY), "rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return
        lines, bad = data.splitlines(), 0
        for line in filter(None, lines):
            try:
                into.merge((_parse(line),))
            except RemoteProtocolError:
                bad += 1
        if bad:
            _LOG.warning("%s: %d lines are not readable and left out", self._path, bad)

    def compact(self, blocks: BlockSet) -> None:
        """Write only what holds, whole or not at all."""
        if not self._path.exists():
            return
        fresh = self._path.with_suffix(".new")
        try:
            self._write(fresh, reversed(blocks.entries()), os.O_TRUNC)
            fresh.replace(self._path)
        except OSError as error:
            _LOG.warning("cannot write %s: %s", fresh, error.strerror)

    def keep(self, entries: Iterable[BlockEntry]) -> None:
        """Entries on the disk when this returns; a disk that refuses is told once.

        The set in memory goes on: another server gives it back after a restart.
        """
        try:
            self.append(entries)
            self._trouble = False
        except OSError as error:
            if not self._trouble:
                _LOG.error(
                    "cannot keep lost cards and revoked terminals in %s: %s; they hold until this "
                    "server restarts, and come back from the others",
                    self._path,
                    error.strerror,
                )
            self._trouble = True

    def append(self, entries: Iterable[BlockEntry]) -> None:
        """As `keep`; OSError if the disk refuses."""
        self._write(self._path, entries, os.O_APPEND)

    def _write(self, path: Path, entries: Iterable[BlockEntry], how: int) -> None:
        # The first newline ends what a power failure may have cut off before.
        lines = [encode_fields(codec.to_fields(entry)).encode("ascii") for entry in entries]
        data = b"\n" + b"\n".join(lines) + b"\n"
        descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | how, 0o640)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parse(line: bytes) -> BlockEntry:
    fields = codec.unique(decode_fields(ascii_text(line, MAX_ENTRY_BYTES)))
    entry = BlockEntry(**codec.values_of(BlockEntry, fields))
    if not is_block_key(entry.entry):
        raise RemoteProtocolError("value", "not a key")
    return entry
