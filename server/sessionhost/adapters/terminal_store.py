"""The terminals that a server knows, and those that wait, in SQLite. Decides nothing.

enrold and roamctl open the same file; each call is on the disk when it returns.
"""

import os
import pwd
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from roamwire.enrolment import fingerprint
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.registry_file import prepare_file
from sessionhost.core.enrolment import Known, Request, Waiting
from sessionhost.core.timing import PENDING_FORGET_S

STORE_NAME = "terminals.sqlite"
BUSY_TIMEOUT_S = 5.0
SEEN_EVERY_MS = 60_000
"""A terminal that asks again and again costs one write a minute."""

MAX_TERMINALS = 20_000
"""A large site has thousands; without a bound, mode `open` would let a stranger fill the disk."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS terminals (
        name TEXT PRIMARY KEY NOT NULL,
        key TEXT NOT NULL,
        code_hash TEXT NOT NULL DEFAULT '',
        code_until_ms INTEGER NOT NULL DEFAULT 0,
        denied INTEGER NOT NULL DEFAULT 0 CHECK (denied IN (0, 1)),
        model TEXT NOT NULL DEFAULT '',
        since_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS waiting (
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        address TEXT NOT NULL,
        model TEXT NOT NULL,
        denied INTEGER NOT NULL DEFAULT 0 CHECK (denied IN (0, 1)),
        first_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL,
        PRIMARY KEY (name, key)
    ) STRICT""",
)


class StoreError(Exception):
    """The store cannot be used, or what is asked of it makes no sense; says what to do."""


@dataclass(frozen=True)
class Listed:
    """One line of `roamctl dtu list`; times in milliseconds since 1970."""

    name: str
    state: str
    key: str
    address: str
    model: str
    seen_ms: int

    @property
    def waits(self) -> bool:
        """Whether it can be approved; also one that was turned away, if its key is named."""
        return self.address != ""

    @property
    def fingerprint(self) -> str:
        """As the terminal's own screen shows it."""
        return fingerprint(self.key)


class TerminalStore:
    """Reads and writes of the two tables; StoreError says what is wrong with the file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STORE_NAME
        try:
            prepare_file(self._path)
            self._db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._db.execute("PRAGMA synchronous = FULL")
            for statement in _SCHEMA:
                self._db.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot open {self._path}: {error}; the folder must be there and belong to the "
                "user of enrold (settings enrol_dir, enrol_user)"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    # For enrold

    def known(self, name: str, key: str, now_ms: int) -> Known | None:
        """What there is on a name, seen from the key that asks."""
        row = self._db.execute(
            "SELECT key, code_hash, code_until_ms, denied FROM terminals WHERE name = ?", (name,)
        ).fetchone()
        turned_away = self._db.execute(
            "SELECT 1 FROM waiting WHERE name = ? AND key = ? AND denied", (name, key)
        ).fetchone()
        if row is None:
            return Known(denied=True) if turned_away else None
        holder, code_hash, until_ms, denied = row
        code = code_hash if now_ms < until_ms else ""
        return Known(holder, code, bool(denied) or turned_away is not None)

    def admit(self, request: Request, model: str, now_ms: int, *, uses_code: bool = False) -> bool:
        """The name is this key's now; False if there is no room. `uses_code`: its code is gone."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if not self._has_room(request.name):
                return False
            self._db.execute(
                "INSERT INTO terminals (name, key, model, since_ms, seen_ms) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET key = excluded.key, seen_ms = excluded.seen_ms,"
                " model = CASE excluded.model WHEN '' THEN model ELSE excluded.model END",
                (request.name, request.key, model, now_ms, now_ms),
            )
            if uses_code:
                self._db.execute(
                    "UPDATE terminals SET code_hash = '' WHERE name = ?", (request.name,)
                )
            self._db.execute(
                "DELETE FROM waiting WHERE name = ? AND key = ?", (request.name, request.key)
            )
        return True

    def seen(self, name: str, key: str, now_ms: int) -> None:
        """A terminal with a certificate was here, perhaps one that got it from another server."""
        if self._has_room(name):
            self._db.execute(
                "INSERT INTO terminals (name, key, since_ms, seen_ms) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET seen_ms = excluded.seen_ms"
                " WHERE key = excluded.key"
                f" AND excluded.seen_ms > terminals.seen_ms + {SEEN_EVERY_MS}",
                (name, key, now_ms, now_ms),
            )

    def _has_room(self, name: str) -> bool:
        if self._db.execute("SELECT 1 FROM terminals WHERE name = ?", (name,)).fetchone():
            return True
        count = self._db.execute("SELECT count(*) FROM terminals").fetchone()[0]
        return int(count) < MAX_TERMINALS

    def waiting(self, now_ms: int) -> list[Waiting]:
        """Who waits; those who have not asked for a long time are dropped."""
        oldest = now_ms - int(PENDING_FORGET_S * 1000)
        self._db.execute("DELETE FROM waiting WHERE seen_ms < ? AND NOT denied", (oldest,))
        rows = self._db.execute("SELECT name, key, address, seen_ms FROM waiting WHERE NOT denied")
        return [Waiting(*row) for row in rows]

    def wait(self, request: Request, address: str, model: str, now_ms: int) -> None:
        """Put a terminal on the list, or note that it has asked again."""
        self._db.execute(
            "INSERT INTO waiting VALUES (?, ?, ?, ?, 0, ?, ?)"
            " ON CONFLICT (name, key) DO UPDATE SET seen_ms = excluded.seen_ms"
            f" WHERE excluded.seen_ms > waiting.seen_ms + {SEEN_EVERY_MS}",
            (request.name, request.key, address, model, now_ms, now_ms),
        )

    def drop(self, waiting: Waiting) -> None:
        """It has to make room for another one."""
        self._db.execute(
            "DELETE FROM waiting WHERE name = ? AND key = ?", (waiting.name, waiting.key)
        )

    # For roamctl

    def listed(self) -> list[Listed]:
        """All terminals, those who wait first."""
        rows = self._db.execute(
            "SELECT name, CASE denied WHEN 1 THEN 'denied' ELSE 'waits' END, key, address, model,"
            " seen_ms FROM waiting ORDER BY denied, name, first_ms"
        ).fetchall()
        rows += self._db.execute(
            "SELECT name, CASE WHEN denied = 1 THEN 'denied' WHEN code_hash != '' THEN"
            " 'preregistered' ELSE 'known' END, key, '', model, seen_ms FROM terminals"
            " ORDER BY name"
        ).fetchall()
        return [Listed(*row) for row in rows]

    def approve(self, name: str, key_start: str, now_ms: int) -> Listed:
        """Lets the terminal in that waits under this name; of several, the key says which."""
        digits = key_start.replace("-", "").lower()
        asking = [
            each
            for each in self.listed()
            if each.name == name and each.waits and each.key.startswith(digits)
            if digits or each.state == "waits"
        ]
        if not asking:
            what = f" with a key that begins with {key_start}" if key_start else ""
            raise StoreError(f"no terminal waits under the name {name}{what}: 'roamctl dtu list'")
        if len(asking) > 1:
            keys = ", ".join(each.fingerprint for each in asking)
            raise StoreError(
                f"{len(asking)} terminals ask for the name {name}: compare with their screens and "
                f"say --key, one of {keys}"
            )
        self.admit(Request(name, asking[0].key), asking[0].model, now_ms)
        self._db.execute("UPDATE terminals SET denied = 0 WHERE name = ?", (name,))
        return asking[0]

    def deny(self, name: str) -> str:
        """Turns those away who wait under the name, or else the terminal that has it; says which.

        A key that is turned away stays so until it is approved after all or forgotten.
        """
        if self._db.execute(
            "UPDATE waiting SET denied = 1 WHERE name = ? AND NOT denied", (name,)
        ).rowcount:
            return "waiting"
        if self._db.execute("UPDATE terminals SET denied = 1 WHERE name = ?", (name,)).rowcount:
            return "known"
        raise StoreError(f"there is no terminal {name}: 'roamctl dtu list'")

    def preregister(self, name: str, code_hash: str, until_ms: int, now_ms: int) -> None:
        """The next terminal that comes with the code has the name, whoever had it before."""
        self._db.execute(
            "INSERT INTO terminals (name, key, code_hash, code_until_ms, since_ms, seen_ms)"
            " VALUES (?, '', ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET denied = 0,"
            " code_hash = excluded.code_hash, code_until_ms = excluded.code_until_ms",
            (name, code_hash, until_ms, now_ms, now_ms),
        )

    def forget(self, name: str) -> None:
        """The name is free again; a certificate that was given out is good until it ends."""
        found = self._db.execute("DELETE FROM waiting WHERE name = ?", (name,)).rowcount
        found += self._db.execute("DELETE FROM terminals WHERE name = ?", (name,)).rowcount
        if not found:
            raise StoreError(f"there is no terminal {name}: 'roamctl dtu list'")


def make_folder(folder: Path, owner: pwd.struct_passwd) -> None:
    """The store's folder, if it is not there: only its owner may look into it."""
    if folder.exists():
        return
    with as_owner(folder.parent):
        folder.mkdir(mode=0o700, parents=True)
        # In root's own folder, where nobody else can put another thing in its place.
        if os.geteuid() == 0:
            os.chown(folder, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
