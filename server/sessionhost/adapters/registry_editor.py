"""Changing the registry: tokens added, removed, enabled, disabled. Look-ups are not here."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from roamwire.tokens import Token
from sessionhost.adapters.registry_file import MAX_TOKENS, connect, explain
from sessionhost.adapters.registry_schema import RegistryError

BUSY_TIMEOUT_MS = 5000
"""A person waits at a prompt for another writer that long."""


@dataclass(frozen=True)
class TokenEntry:
    """One row of the token list."""

    token: str
    user: str
    enabled: bool
    registered_ms: int
    label: str
    recipe: str | None


@dataclass(frozen=True)
class UserEntry:
    """One row of the user list, with the number of the user's tokens."""

    name: str
    registered_ms: int
    tokens: int


class RegistryEditor:
    """Writes for roamctl: each call is on the disk when it returns, or RegistryError is raised."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = connect(path, BUSY_TIMEOUT_MS)
        except (sqlite3.Error, OSError, RegistryError) as error:
            raise RegistryError(explain(path, error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def add(
        self, token: Token, user: str, now_ms: int, label: str = "", recipe: str | None = None
    ) -> None:
        """Registers a token; one that is registered already must be removed first."""

        def insert(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "SELECT user FROM tokens WHERE token = ?", (str(token),)
            ).fetchone()
            if row is not None:
                raise RegistryError(f"{token} belongs to {row[0]} already; remove it first")
            if connection.execute("SELECT count(*) FROM tokens").fetchone()[0] >= MAX_TOKENS:
                raise RegistryError(f"the registry holds {MAX_TOKENS} tokens, which is the most")
            connection.execute("INSERT OR IGNORE INTO users VALUES (?, ?)", (user, now_ms))
            connection.execute(
                "INSERT INTO tokens VALUES (?, ?, 1, ?, ?, ?)",
                (str(token), user, now_ms, label, recipe),
            )

        self._write(insert)

    def remove(self, token: Token) -> None:
        """Forgets a token, and its user when it was the last one."""

        def delete(connection: sqlite3.Connection) -> None:
            found = connection.execute("DELETE FROM tokens WHERE token = ?", (str(token),))
            _require_one(found, token)
            connection.execute("DELETE FROM users WHERE name NOT IN (SELECT user FROM tokens)")

        self._write(delete)

    def set_enabled(self, token: Token, enabled: bool) -> None:
        """A disabled token stays in the list and opens nothing."""

        def update(connection: sqlite3.Connection) -> None:
            found = connection.execute(
                "UPDATE tokens SET enabled = ? WHERE token = ?", (int(enabled), str(token))
            )
            _require_one(found, token)

        self._write(update)

    def tokens(self) -> list[TokenEntry]:
        rows = self._read(
            "SELECT token, user, enabled, registered_ms, label, recipe FROM tokens "
            "ORDER BY user, token"
        )
        return [TokenEntry(row[0], row[1], bool(row[2]), row[3], row[4], row[5]) for row in rows]

    def users(self) -> list[UserEntry]:
        rows = self._read(
            "SELECT name, users.registered_ms, count(token) FROM users "
            "LEFT JOIN tokens ON user = name GROUP BY name ORDER BY name"
        )
        return [UserEntry(*row) for row in rows]

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise RegistryError(explain(self._path, error)) from error

    def _write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                change(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise RegistryError(f"nothing was changed: {explain(self._path, error)}") from error


def _require_one(cursor: sqlite3.Cursor, token: Token) -> None:
    if cursor.rowcount != 1:
        raise RegistryError(f"{token} is not registered; 'roamctl token list' shows what is")
