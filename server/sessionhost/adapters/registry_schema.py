"""The registry's SQLite schema and its migrations. Reading and writing entries is not here."""

import sqlite3

# Append only: a file of any older version is brought up step by step, in one transaction.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE users (
            name TEXT PRIMARY KEY NOT NULL,
            registered_ms INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE tokens (
            token TEXT PRIMARY KEY NOT NULL,
            user TEXT NOT NULL REFERENCES users (name),
            enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
            registered_ms INTEGER NOT NULL,
            label TEXT NOT NULL,
            recipe TEXT
        ) STRICT""",
        "CREATE INDEX tokens_by_user ON tokens (user)",
    ),
    (
        "ALTER TABLE tokens ADD COLUMN lost INTEGER NOT NULL DEFAULT 0 CHECK (lost IN (0, 1))",
        "ALTER TABLE tokens ADD COLUMN alias_of TEXT",
        "ALTER TABLE tokens ADD COLUMN person_key TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tokens ADD COLUMN hours TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE readers (
            dtu TEXT PRIMARY KEY NOT NULL,
            registered_ms INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE seen (
            token TEXT PRIMARY KEY NOT NULL REFERENCES tokens (token) ON DELETE CASCADE,
            at_ms INTEGER NOT NULL,
            dtu TEXT NOT NULL
        ) STRICT""",
    ),
)

VERSION = len(MIGRATIONS)

_MIGRATION_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
    version INTEGER PRIMARY KEY NOT NULL,
    applied_ms INTEGER NOT NULL
) STRICT"""


class RegistryError(Exception):
    """The registry cannot be read or written; says what to do."""


class SchemaTooNewError(RegistryError):
    """A newer version of this program made the file."""


def migrate(connection: sqlite3.Connection, now_ms: int) -> None:
    """Brings the file to VERSION; SchemaTooNewError when it is beyond it."""
    if stored_version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_MIGRATION_TABLE)
        # Asked again: another process may have migrated while this one waited for the lock.
        for number in range(stored_version(connection), VERSION):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", (number + 1, now_ms))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def stored_version(connection: sqlite3.Connection) -> int:
    """The schema's version in the file, 0 for a new file; SchemaTooNewError beyond VERSION."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'"
    ).fetchone()
    if known is None:
        return 0
    row = connection.execute("SELECT max(version) FROM migrations").fetchone()
    version = int(row[0] or 0)
    if version > VERSION:
        raise SchemaTooNewError(f"has schema {version}; this program knows up to {VERSION}")
    return version
