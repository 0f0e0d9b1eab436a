"""Changing the registry: tokens, their states and aliases, readers. Look-ups are not here."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from roamwire.tokens import Token
from sessionhost.adapters.registry_file import MAX_READERS, MAX_TOKENS, connect, explain
from sessionhost.adapters.registry_schema import RegistryError
from sessionhost.core.registration import login_token

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
    lost: bool
    alias_of: str | None
    person_key: str
    hours: str
    seen_ms: int | None
    seen_at: str | None

    @property
    def state(self) -> str:
        """In one word."""
        return "lost" if self.lost else "enabled" if self.enabled else "disabled"


@dataclass(frozen=True)
class ReaderEntry:
    """A terminal that reads cards for the administrator."""

    dtu: str
    registered_ms: int


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
        self,
        token: Token,
        user: str,
        now_ms: int,
        label: str = "",
        recipe: str | None = None,
        *,
        person_key: str = "",
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
                "INSERT INTO tokens "
                "(token, user, enabled, registered_ms, label, recipe, person_key) "
                "VALUES (?, ?, 1, ?, ?, ?, ?)",
                (str(token), user, now_ms, label, recipe, person_key),
            )

        self._write(insert)

    def remove(self, token: Token) -> None:
        """Forgets a token, and its user when it was the last one."""

        def delete(connection: sqlite3.Connection) -> None:
            aliases = connection.execute(
                "SELECT token FROM tokens WHERE alias_of = ?", (str(token),)
            ).fetchall()
            if aliases:
                names = ", ".join(str(name) for (name,) in aliases)
                raise RegistryError(f"{token} has aliases: {names}; remove or change them first")
            found = connection.execute("DELETE FROM tokens WHERE token = ?", (str(token),))
            _require_one(found, token)
            connection.execute("DELETE FROM users WHERE name NOT IN (SELECT user FROM tokens)")

        self._write(delete)

    def set_enabled(self, token: Token, enabled: bool) -> None:
        """A disabled token stays in the list and opens nothing."""
        self._set(token, "enabled", int(enabled))

    def set_lost(self, token: Token, lost: bool) -> None:
        """A lost token opens nothing; who finds it is told so."""
        self._set(token, "lost", int(lost))

    def set_hours(self, token: Token, hours: str) -> None:
        """A time window of the token's own; empty: always."""
        self._set(token, "hours", hours)

    def set_alias(self, token: Token, other: Token | None) -> None:
        """The token opens the other one's sessions, its own again with None.

        Both belong to one user. `user:NAME` stands for that user's sessions without a card.
        """

        def update(connection: sqlite3.Connection) -> None:
            user = _user_of(connection, token)
            if other is not None and other.kind == "user":
                if other != login_token(user):
                    raise RegistryError(
                        f"{token} is {user}'s: its alias can be {login_token(user)}"
                    )
            elif other is not None:
                self._check_alias(connection, token, user, other)
            connection.execute(
                "UPDATE tokens SET alias_of = ? WHERE token = ?",
                (str(other) if other is not None else None, str(token)),
            )

        self._write(update)

    def _check_alias(
        self, connection: sqlite3.Connection, token: Token, user: str, other: Token
    ) -> None:
        owner = _user_of(connection, other)
        if token == other or owner != user:
            raise RegistryError(f"{token} is {user}'s and {other} is {owner}'s: no alias")
        chained = connection.execute(
            "SELECT 1 FROM tokens WHERE (token = ? AND alias_of IS NOT NULL) OR alias_of = ?",
            (str(other), str(token)),
        ).fetchone()
        if chained is not None:
            raise RegistryError(
                f"{other} is an alias itself, or {token} has one: let all of them be aliases of one"
            )

    def _set(self, token: Token, column: str, value: int | str) -> None:
        def update(connection: sqlite3.Connection) -> None:
            found = connection.execute(
                f"UPDATE tokens SET {column} = ? WHERE token = ?", (value, str(token))
            )
            _require_one(found, token)

        self._write(update)

    def set_reader(self, dtu: str, reader: bool, now_ms: int) -> None:
        """A terminal that reads cards for the administrator opens no session."""

        def update(connection: sqlite3.Connection) -> None:
            if reader:
                count = connection.execute("SELECT count(*) FROM readers").fetchone()[0]
                if count >= MAX_READERS:
                    raise RegistryError(f"{MAX_READERS} terminals are readers, which is the most")
                connection.execute("INSERT OR IGNORE INTO readers VALUES (?, ?)", (dtu, now_ms))
            elif connection.execute("DELETE FROM readers WHERE dtu = ?", (dtu,)).rowcount != 1:
                raise RegistryError(f"{dtu} is no reader; 'roamctl reader list' shows what is")

        self._write(update)

    def readers(self) -> list[ReaderEntry]:
        rows = self._read("SELECT dtu, registered_ms FROM readers ORDER BY dtu")
        return [ReaderEntry(*row) for row in rows]

    def tokens(self) -> list[TokenEntry]:
        rows = self._read(
            "SELECT tokens.token, user, enabled, registered_ms, label, recipe, lost, alias_of, "
            "person_key, hours, at_ms, dtu FROM tokens LEFT JOIN seen ON seen.token = tokens.token "
            "ORDER BY user, tokens.token"
        )
        return [
            TokenEntry(
                token=row[0],
                user=row[1],
                enabled=bool(row[2]),
                registered_ms=row[3],
                label=row[4],
                recipe=row[5],
                lost=bool(row[6]),
                alias_of=row[7],
                person_key=row[8],
                hours=row[9],
                seen_ms=row[10],
                seen_at=row[11],
            )
            for row in rows
        ]

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


def _user_of(connection: sqlite3.Connection, token: Token) -> str:
    row = connection.execute("SELECT user FROM tokens WHERE token = ?", (str(token),)).fetchone()
    if row is None:
        raise RegistryError(f"{token} is not registered; 'roamctl token list' shows what is")
    return str(row[0])
