"""The audit log on the disk and in the journal. What is recorded is decided in the core.

hostd and roamctl, as hostd's user, write the same file, under a lock. Each line is with the kernel
when `write` returns, so a crash of ours loses none; `sync`, once a second, brings them to the disk,
so a power failure loses the last second. A disk that is full, or gone, is told once and keeps
nobody waiting. The journal is told each line too: `journal_copies` reads them there.
"""

import contextlib
import datetime
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sessionhost.adapters.folder_owner import open_plain
from sessionhost.adapters.keyfiles import AUDIT_KEY_NAME, load_secret
from sessionhost.core.audit import Chain, Record, card_name, parse

_LOG = logging.getLogger(__name__)

JOURNAL = Path("/run/systemd/journal/socket")

MAX_FILE_BYTES = 8 * 1024 * 1024
"""Some 20,000 records: a busy day of a large group."""

MAX_FILES = 8
"""With the present one: 64 MB at most."""

LOG_FIELD = "ROAMDESK_AUDIT_LOG"
"""Of the journal: the file of this log; a machine may have had others."""

UNWRITTEN_FIELD = "ROAMDESK_AUDIT_UNWRITTEN"
"""Of the journal: the file did not take this record, so another one has its number."""

TAIL_BYTES = 16 * 1024
"""The last line is looked for in so much; lines have some 400 bytes."""


def load_audit_key(group_dir: Path) -> bytes | None:
    """The key of cards' names in the log; None, with words, in a group that has none yet."""
    path = group_dir / AUDIT_KEY_NAME
    if not path.exists():
        _LOG.warning(
            "%s is missing: cards of one kind are not told apart in the audit log; make it with "
            "'roamctl group audit-key' in the group's folder, export that, and restart hostd",
            path,
        )
        return None
    return load_secret(path)


def files_of(path: Path) -> list[Path]:
    """The files of a log that are there, the oldest first."""
    numbered = [_numbered(path, number) for number in range(MAX_FILES - 1, -1, -1)]
    return [each for each in numbered if each.exists()]


def open_files(path: Path, since: str) -> list[tuple[BinaryIO, int]]:
    """The files of a log with their sizes now, the oldest first; nobody rotates them meanwhile.

    Those that only have records of before `since` (as a line's `when`, "" for all) are left out.
    """
    opened: list[tuple[BinaryIO, int]] = []
    with _locked(path):
        for each in reversed(files_of(path)):
            file = os.fdopen(open_plain(each, os.O_RDONLY), "rb")
            opened.insert(0, (file, os.fstat(file.fileno()).st_size))
            first = parse(file.readline().decode("utf-8", "replace").removesuffix("\n"))
            file.seek(0)
            if first is not None and first["when"] < since:
                break
    return opened


def begins_late(path: Path) -> bool:
    """Whether the log may rightly lack its first records: all its files are there and full."""
    rotated = [_numbered(path, number) for number in range(1, MAX_FILES)]
    return all(each.exists() and each.stat().st_size > MAX_FILE_BYTES for each in rotated)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = open_plain(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


class AuditLog:
    """One server's log."""

    def __init__(
        self, path: Path, host: str, key: bytes | None, journal: Path | None = None
    ) -> None:
        self._path = path
        self._host = host
        self._key = key
        self._journal_path = journal or JOURNAL
        self._journal: socket.socket | None = None
        self._chain = Chain()
        self._fd = -1
        self._size = -1
        self._dirty = False
        self._unwritten = 0

    def write(self, record: Record) -> None:
        """Append a record; what cannot be written is counted, and told when it can again."""
        try:
            with _locked(self._path):
                self._follow_file()
                if self._unwritten:
                    lost = f"{self._unwritten} records before this one could not be written"
                    self._append(Record("audit", "resumed", reason=lost))
                    self._unwritten = 0
                self._append(record)
                if self._size > MAX_FILE_BYTES:
                    self._rotate()
        except OSError as error:
            if not self._unwritten:
                _LOG.error("cannot write the audit log %s: %s", self._path, error.strerror)
            self._unwritten += 1
            self._forget_file()
            self._tell_journal(record, self._line(record), f"{UNWRITTEN_FIELD}=1\n")

    def sync(self) -> None:
        """Bring what was written to the disk; may take long on a slow one."""
        if self._dirty and self._fd >= 0:
            self._dirty = False
            with contextlib.suppress(OSError):  # the next write says what is wrong
                os.fsync(self._fd)

    def close(self) -> None:
        """No more records."""
        self.sync()
        self._forget_file()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _follow_file(self) -> None:
        """The end of the chain as the file has it now: another process may have written."""
        try:
            moved = self._fd >= 0 and os.fstat(self._fd).st_ino != self._path.stat().st_ino
        except FileNotFoundError:
            moved = True  # roamctl has rotated it, and nobody has written since
        if moved:
            self._forget_file()
        if self._fd < 0:
            self._fd = open_plain(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        size = os.fstat(self._fd).st_size
        if size == self._size:
            return
        before, self._chain = self._chain.n, self._read_end()
        self._size = size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            self._put(b"\n")  # what a power failure cut off stays, as a line that is no record
        if self._chain.n < before:
            _LOG.error("%s lacks its records after %d", self._path, self._chain.n)
            gone = f"records {self._chain.n + 1} to {before} were there, and are gone"
            self._append(Record("audit", "damaged", reason=gone))

    def _read_end(self) -> Chain:
        chain = Chain()
        for path in (self._path, _numbered(self._path, 1)):
            with contextlib.suppress(FileNotFoundError):
                with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
                    file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                    lines = file.read().decode("utf-8", "replace").splitlines()
                for line in reversed(lines):
                    if (entry := parse(line)) is not None:
                        chain.follow(entry)
                        return chain
        return chain

    def _line(self, record: Record) -> str:
        now = datetime.datetime.now(datetime.UTC)
        when = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"
        card = "" if record.token is None else card_name(self._key, record.token)
        return self._chain.line(record, when=when, host=self._host, card=card)

    def _append(self, record: Record) -> None:
        line = self._line(record)
        self._put(line.encode() + b"\n")
        entry = parse(line)
        assert entry is not None
        self._chain.follow(entry)
        self._tell_journal(record, line)

    def _put(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written < len(data):  # the disk is full: half a line helps nobody
            os.ftruncate(self._fd, self._size)
            raise OSError(28, "No space left on device")
        self._size += written
        self._dirty = True

    def _rotate(self) -> None:
        os.fsync(self._fd)
        self._forget_file()
        for number in range(MAX_FILES - 2, -1, -1):
            with contextlib.suppress(FileNotFoundError):
                _numbered(self._path, number).replace(_numbered(self._path, number + 1))

    def _forget_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = self._size = -1

    def _tell_journal(self, record: Record, line: str, more: str = "") -> None:
        """The journal's native protocol: a datagram of fields; it is told what the file is."""
        fields = (
            f"MESSAGE={line}\nPRIORITY=6\nSYSLOG_IDENTIFIER=roamdesk-audit\nROAMDESK_AUDIT=1\n"
            f"ROAMDESK_WHAT={record.what}\nROAMDESK_DECISION={record.decision}\n"
            f"{LOG_FIELD}={self._path.absolute()}\n{more}"
        )
        if not self._journal_path.exists():  # a machine without systemd: the file is the log
            return
        try:
            if self._journal is None:
                self._journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._journal.setblocking(False)
            self._journal.sendto(fields.encode(), str(self._journal_path))
        except OSError:
            pass  # it restarts, or is busy
