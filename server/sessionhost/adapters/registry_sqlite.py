"""The registry of one server in SQLite, as the daemon uses it; what people change is the editor's.

`SqliteRegistry` keeps a copy of all entries in memory, reads the file again when somebody changed
it, and answers from the copy while the file cannot be read.
"""

import asyncio
import logging
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from roamwire.tokens import Token
from sessionhost.adapters.registry_editor import RegistryEditor
from sessionhost.adapters.registry_file import (
    Entries,
    connect,
    explain,
    read_entries,
    read_readers,
)
from sessionhost.adapters.registry_schema import RegistryError
from sessionhost.core.actions import Register
from sessionhost.core.registration import Registration

log = logging.getLogger(__name__)

LOOKUP_TIMEOUT_MS = 150
"""A disk that hangs must not keep a person waiting: half of what tokenQ waits for answers."""

BUSY_TIMEOUT_MS = 100
"""A writer holds the lock for a few milliseconds; longer is a problem of its own."""

SPARE_DIR = Path("/dev/shm")
"""In memory on every Linux: where a copy can be opened when the registry's own disk is full."""


class SqliteRegistry:
    """Look-ups for the daemon; never raises for a bad file or disk, only logs and goes on."""

    def __init__(self, path: Path, spare_dir: Path = SPARE_DIR) -> None:
        self._path = path
        self._spare_dir = spare_dir
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._stamp: tuple[int, int] | None = None
        self._data_version = -1
        self._entries: Entries = {}
        self._readers: frozenset[str] = frozenset()
        self._trouble = ""
        self._late: asyncio.Future[Registration | None] | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._refresh()

    @property
    def trouble(self) -> str:
        """Why the file cannot be read at present, for `roamctl status`; empty when it can."""
        return self._trouble

    def lookup(self, token: Token) -> Registration | None:
        """The token's registration, None if it has none. Blocks on the disk: not for the loop."""
        with self._lock:
            self._refresh()
            return self._entries.get(str(token))

    async def lookup_async(self, token: Token) -> Registration | None:
        """As `lookup`, in the registry's own thread; from the copy when the disk hangs."""
        if self._late is None or self._late.done():
            loop = asyncio.get_running_loop()
            answer = loop.run_in_executor(self._worker, self.lookup, token)
            done, _ = await asyncio.wait({answer}, timeout=LOOKUP_TIMEOUT_MS / 1000)
            if done:
                return answer.result()
            log.warning("registry %s does not answer; answering from memory", self._path)
            # One look-up may hang; those after it must not queue up behind it.
            self._late = answer
        return self._entries.get(str(token))

    def is_reader(self, dtu: str) -> bool:
        """Whether a terminal reads cards for the administrator, as of the last look-up."""
        return dtu in self._readers

    async def is_reader_async(self, dtu: str) -> bool:
        """The same after a look at the file."""
        await self.lookup_async(Token("pseudo", dtu))
        return self.is_reader(dtu)

    async def register_async(self, order: Register, now_ms: int) -> str:
        """Writes down whose token it is; what is wrong in words, or "" when it is on the disk."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._register, order, now_ms)

    def _register(self, order: Register, now_ms: int) -> str:
        try:
            with RegistryEditor(self._path) as editor:
                editor.add(
                    order.token, order.user, now_ms, order.label, person_key=order.person_key
                )
        except RegistryError as error:
            return str(error)
        return ""

    async def note_seen_async(self, seen: Mapping[Token, tuple[int, str]]) -> None:
        """Notes when (wall clock, ms) and where tokens were last admitted; it may fail."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._note_seen, seen)

    def _note_seen(self, seen: Mapping[Token, tuple[int, str]]) -> None:
        rows = [(str(token), at_ms, dtu, str(token)) for token, (at_ms, dtu) in seen.items()]
        with self._lock:
            if self._connection is None:
                return
            try:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO seen SELECT ?, ?, ? "
                    "WHERE EXISTS (SELECT 1 FROM tokens WHERE token = ?)",
                    rows,
                )
            except sqlite3.Error as error:
                log.debug("registry %s: when tokens were seen is not noted: %s", self._path, error)

    def snapshot(self) -> Mapping[str, Registration]:
        """The copy in memory, as of the last look-up that could read the file."""
        return dict(self._entries)

    def close(self) -> None:
        """Ends the thread and the connection."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            self._disconnect()

    def _refresh(self) -> None:
        """Brings the copy up to date if the file can be read; keeps it as it is if not."""
        try:
            self._reread_if_changed()
        except (sqlite3.Error, OSError, RegistryError) as error:
            self._disconnect()
            self._degraded(explain(self._path, error))
        else:
            if self._trouble:
                log.warning("registry %s can be read again", self._path)
                self._trouble = ""

    def _reread_if_changed(self) -> None:
        known = self._stamp is not None
        if known and not self._path.exists():
            raise RegistryError("the file is gone")
        # A restored backup is another file under the same name.
        if self._connection is None or self._file_stamp() != self._stamp:
            self._disconnect()
            self._connection = connect(self._path, BUSY_TIMEOUT_MS)
            self._stamp, self._data_version = self._file_stamp(), -1
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._entries = read_entries(self._connection)
            self._readers = read_readers(self._connection)
            self._data_version = version

    def _file_stamp(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _degraded(self, words: str) -> None:
        if words == self._trouble:
            return
        self._trouble = words
        if not self._entries:
            self._entries = self._read_spare_copy()
        log.error("%s; going on with the %d tokens known so far", words, len(self._entries))

    def _read_spare_copy(self) -> Entries:
        """The entries read from a copy elsewhere: opening a WAL database needs a disk with room."""
        try:
            with tempfile.TemporaryDirectory(prefix="roamdesk-", dir=self._spare_dir) as folder:
                for suffix in ("", "-wal"):
                    source = self._path.with_name(self._path.name + suffix)
                    if source.exists():
                        shutil.copyfile(source, Path(folder) / source.name)
                copy = Path(folder) / self._path.name
                if not copy.exists():
                    return {}
                connection = connect(copy, BUSY_TIMEOUT_MS)
                try:
                    return read_entries(connection)
                finally:
                    connection.close()
        except (sqlite3.Error, OSError, RegistryError):
            return {}

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                log.debug("registry %s: closing failed", self._path, exc_info=True)
