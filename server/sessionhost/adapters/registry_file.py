"""Opening the registry's file and reading it whole; what can be wrong with it, in words."""

import contextlib
import errno
import logging
import os
import sqlite3
import time
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.tokens import Token
from sessionhost.adapters.folder_owner import check_plain
from sessionhost.adapters.registry_schema import RegistryError, SchemaTooNewError, migrate
from sessionhost.core.hours import hours_problem
from sessionhost.core.registration import Registration, Strength

log = logging.getLogger(__name__)

MAX_TOKENS = 100_000
"""Ten thousand people with ten cards each; a copy of all takes some 40 MB."""

MAX_READERS = 1000
"""Terminals that read cards for the administrator: one a desk of theirs."""

Entries = dict[str, Registration]

_BESIDE = ("-wal", "-shm", "-journal")
"""The files that SQLite makes beside a database (sqlite.org/tempfiles.html)."""


def connect(path: Path, busy_timeout_ms: int) -> sqlite3.Connection:
    """An open registry of the present schema; makes a new file if there is none."""
    prepare_file(path)
    connection = sqlite3.connect(
        path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # FULL: an entry that roamctl reported must be there after a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, time.time_ns() // 1_000_000)
        _check_integrity(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def read_entries(connection: sqlite3.Connection) -> Entries:
    """Every registration by its token's text; an entry that makes no sense is logged and left."""
    entries: Entries = {}
    rows = connection.execute(
        "SELECT token, user, enabled, recipe, lost, alias_of, person_key, hours FROM tokens "
        "LIMIT ?",
        (MAX_TOKENS,),
    )
    for text, user, enabled, recipe, lost, alias_of, person_key, hours in rows:
        try:
            token = Token.parse(text)
            owner = Token.parse(alias_of) if alias_of else None
        except RemoteProtocolError as error:
            log.warning("registry: %r of %s left out: %s", text, user, error)
            continue
        if problem := hours_problem(hours):
            log.warning("registry: the time window of %s token %s; left out", token.kind, problem)
            continue
        entries[text] = Registration(
            user, bool(enabled), recipe, Strength.of(token), bool(lost), owner, person_key, hours
        )
    return entries


def read_readers(connection: sqlite3.Connection) -> frozenset[str]:
    """The names of the terminals that read cards for the administrator."""
    rows = connection.execute("SELECT dtu FROM readers LIMIT ?", (MAX_READERS,))
    return frozenset(str(name) for (name,) in rows)


def explain(path: Path, error: Exception) -> str:
    """What is wrong with the registry and what to do, in one sentence."""
    number = error.errno if isinstance(error, OSError) else None
    name = getattr(error, "sqlite_errorname", "")
    if isinstance(error, SchemaTooNewError):
        return f"registry {path}: {error}; update this server"
    if number in (errno.ENOSPC, errno.EDQUOT) or name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"registry {path}: the disk is full or failing ({error}); make room on it"
    if name.startswith("SQLITE_READONLY") or number == errno.EROFS:
        return f"registry {path}: cannot be written ({error}); check its owner and the mount"
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT") or isinstance(error, RegistryError):
        return f"registry {path}: is damaged ({error}); put a backup in its place"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"registry {path}: another program holds it ({error})"
    return f"registry {path}: cannot be opened ({error}); check the folder and its owner"


def prepare_file(path: Path) -> None:
    """Makes an empty 0600 file if there is none; NotPlainError if SQLite would follow a link.

    A file that is there is not opened: to close it would take SQLite's locks on it away (POSIX).
    """
    for end in ("", *_BESIDE):
        check_plain(path.with_name(path.name + end))
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _check_integrity(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise RegistryError(str(found))
