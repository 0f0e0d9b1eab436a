"""The SQLite registry: look-ups, edits, and a disk or file that fails under it."""

import asyncio
import errno
import sqlite3
import threading
from pathlib import Path

import pytest

from roamwire.tokens import Token
from sessionhost.adapters import registry_sqlite
from sessionhost.adapters.registry_editor import RegistryEditor
from sessionhost.adapters.registry_file import connect, explain
from sessionhost.adapters.registry_schema import MIGRATIONS, VERSION, RegistryError
from sessionhost.adapters.registry_sqlite import SqliteRegistry
from sessionhost.core.actions import Register
from sessionhost.core.registration import Registration, Strength

ALICE = Token("uid", "04a1")
BOB = Token("piv", "b0b")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "registry.sqlite"


@pytest.fixture
def editor(path):
    with RegistryEditor(path) as opened:
        yield opened


@pytest.fixture
def open_registry(tmp_path):
    opened = []

    def open_one(path: Path) -> SqliteRegistry:
        opened.append(SqliteRegistry(path, spare_dir=tmp_path))
        return opened[-1]

    yield open_one
    for registry in opened:
        registry.close()


def test_a_strength_is_the_tokens_kind():
    assert Strength.of(ALICE) is Strength.UID
    assert Strength.of(Token("pseudo", "d1")) < Strength.UID < Strength.of(BOB)


def test_a_token_is_found_as_soon_as_it_is_added(path, editor, open_registry):
    registry = open_registry(path)
    assert registry.lookup(ALICE) is None
    editor.add(ALICE, "alice", 1000, "blue card")
    editor.add(BOB, "bob", 1001, recipe="kiosk")
    assert registry.lookup(ALICE) == Registration("alice", True, None, Strength.UID)
    assert registry.lookup(BOB) == Registration("bob", True, "kiosk", Strength.PIV)
    assert set(registry.snapshot()) == {"uid:04a1", "piv:b0b"}


def test_a_disabled_token_is_known_but_not_enabled(path, editor, open_registry):
    editor.add(ALICE, "alice", 1000)
    registry = open_registry(path)
    editor.set_enabled(ALICE, False)
    assert registry.lookup(ALICE) == Registration("alice", False)
    editor.set_enabled(ALICE, True)
    assert registry.lookup(ALICE).enabled


def test_lists_and_removal(editor):
    editor.add(ALICE, "alice", 1000, "blue card")
    editor.add(BOB, "alice", 1001)
    assert [entry.token for entry in editor.tokens()] == ["piv:b0b", "uid:04a1"]
    assert [(user.name, user.tokens) for user in editor.users()] == [("alice", 2)]
    editor.remove(ALICE)
    editor.remove(BOB)
    assert editor.tokens() == editor.users() == []


def test_wrong_edits_are_told_and_change_nothing(editor):
    editor.add(ALICE, "alice", 1000)
    with pytest.raises(RegistryError, match="belongs to alice already"):
        editor.add(ALICE, "bob", 1001)
    for wrong in (lambda: editor.remove(BOB), lambda: editor.set_enabled(BOB, True)):
        with pytest.raises(RegistryError, match="piv:b0b is not registered"):
            wrong()
    assert [user.name for user in editor.users()] == ["alice"]


def test_the_registry_has_a_bound(editor, monkeypatch):
    monkeypatch.setattr("sessionhost.adapters.registry_editor.MAX_TOKENS", 1)
    editor.add(ALICE, "alice", 1000)
    with pytest.raises(RegistryError, match="which is the most"):
        editor.add(BOB, "bob", 1000)


def test_the_file_is_private(path, editor):
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_restored_backup_is_noticed(path, editor, open_registry, tmp_path):
    editor.add(ALICE, "alice", 1000)
    registry = open_registry(path)
    backup = tmp_path / "backup.sqlite"
    with RegistryEditor(backup) as other:
        other.add(BOB, "bob", 1000)
    backup.replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    assert registry.lookup(ALICE) is None
    assert registry.lookup(BOB).user == "bob"


def test_an_entry_that_makes_no_sense_is_left_out(path, editor, open_registry, caplog):
    editor.add(ALICE, "alice", 1000)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO tokens (token, user, enabled, registered_ms, label) "
            "VALUES ('what', 'alice', 1, 0, '')"
        )
    connection.close()
    assert open_registry(path).lookup(ALICE).user == "alice"
    assert "'what' of alice left out" in caplog.text


def test_a_damaged_file_leaves_what_was_known(path, open_registry, caplog):
    with RegistryEditor(path) as editor:
        editor.add(ALICE, "alice", 1000)
    registry = open_registry(path)
    registry._disconnect()
    good = path.read_bytes()
    path.write_bytes(b"garbage" * 1000)
    assert registry.lookup(ALICE).user == "alice"
    assert registry.lookup(BOB) is None
    assert "put a backup in its place" in registry.trouble
    assert caplog.text.count("is damaged") == 1, "a lasting trouble is logged once"
    path.write_bytes(good)
    assert registry.lookup(ALICE).user == "alice"
    assert registry.trouble == ""
    assert "can be read again" in caplog.text


def test_inner_damage_is_found_on_opening(path):
    with RegistryEditor(path) as editor:
        for number in range(200):
            editor.add(Token("uid", f"{number:032x}"), "alice", 1000, "x" * 100)
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096 * 3)
    with pytest.raises(RegistryError, match="is damaged"):
        RegistryEditor(path)


def test_a_file_that_vanishes_leaves_what_was_known(path, open_registry):
    with RegistryEditor(path) as editor:
        editor.add(ALICE, "alice", 1000)
    registry = open_registry(path)
    path.unlink()
    assert registry.lookup(ALICE).user == "alice"
    assert "the file is gone" in registry.trouble
    assert not path.exists(), "an empty registry must not take its place"


def test_a_missing_folder_is_told_and_healed(tmp_path, open_registry, caplog):
    registry = open_registry(tmp_path / "none" / "registry.sqlite")
    assert registry.lookup(ALICE) is None
    assert "check the folder and its owner" in caplog.text
    (tmp_path / "none").mkdir()
    assert registry.lookup(ALICE) is None
    assert registry.trouble == ""


def test_a_newer_file_is_refused(path):
    connect(path, 100).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES (?, 0)", (VERSION + 1,))
    connection.close()
    with pytest.raises(RegistryError, match="update this server"):
        RegistryEditor(path)


def test_a_migration_that_fails_changes_nothing(path, monkeypatch):
    connect(path, 100).close()
    broken = (*MIGRATIONS, ("CREATE TABLE later (a INTEGER) STRICT", "no such statement"))
    monkeypatch.setattr("sessionhost.adapters.registry_schema.MIGRATIONS", broken)
    monkeypatch.setattr("sessionhost.adapters.registry_schema.VERSION", VERSION + 1)
    with pytest.raises(RegistryError):
        RegistryEditor(path)
    monkeypatch.undo()
    connection = connect(path, 100)
    assert connection.execute("SELECT count(*) FROM migrations").fetchone()[0] == VERSION
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchall()
    connection.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left"), "make room"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written"),
        (OSError(errno.EACCES, "Permission denied"), "cannot be opened"),
        (RegistryError("row 1 missing"), "is damaged"),
    ],
)
def test_troubles_are_told_apart(error, words):
    assert words in explain(Path("/r"), error)


def test_a_held_registry_is_told(path, editor, monkeypatch):
    monkeypatch.setattr("sessionhost.adapters.registry_editor.BUSY_TIMEOUT_MS", 1)
    holder = connect(path, 100)
    holder.execute("BEGIN IMMEDIATE")
    with (
        RegistryEditor(path) as second,
        pytest.raises(RegistryError, match=r"nothing was changed: .*another program holds it"),
    ):
        second.add(ALICE, "alice", 1000)
    holder.close()


def test_look_ups_from_the_loop_run_in_one_other_thread(path, editor, open_registry):
    editor.add(ALICE, "alice", 1000)
    registry = open_registry(path)

    async def look_up() -> list[Registration | None]:
        return list(await asyncio.gather(*(registry.lookup_async(ALICE) for _ in range(20))))

    assert {found.user for found in asyncio.run(look_up())} == {"alice"}
    assert sum(thread.name.startswith("registry") for thread in threading.enumerate()) == 1


def test_a_disk_that_hangs_keeps_nobody_waiting(path, editor, open_registry, monkeypatch, caplog):
    editor.add(ALICE, "alice", 1000)
    registry = open_registry(path)
    monkeypatch.setattr(registry_sqlite, "LOOKUP_TIMEOUT_MS", 1)
    hang = threading.Event()
    monkeypatch.setattr(registry, "_reread_if_changed", hang.wait)

    async def look_up() -> list[Registration | None]:
        found = [await registry.lookup_async(ALICE) for _ in range(3)]
        hang.set()
        await registry._late
        monkeypatch.setattr(registry_sqlite, "LOOKUP_TIMEOUT_MS", 10_000)
        return [*found, await registry.lookup_async(ALICE)]

    assert [found.user for found in asyncio.run(look_up())] == ["alice"] * 4
    assert caplog.text.count("does not answer") == 1


# States, aliases, readers


CARD = Token("piv", "ca" * 20)


def test_an_entry_has_all_that_policies_ask_for(path, editor, open_registry):
    editor.add(ALICE, "alice", 1000)
    editor.add(CARD, "alice", 1000, person_key="ee" * 20)
    editor.set_lost(ALICE, True)
    editor.set_hours(ALICE, "mon-fri 07:00-19:00")
    editor.set_alias(CARD, ALICE)
    registry = open_registry(path)
    assert registry.lookup(ALICE) == Registration(
        "alice", True, lost=True, hours="mon-fri 07:00-19:00"
    )
    assert registry.lookup(CARD) == Registration(
        "alice", True, strength=Strength.PIV, owner=ALICE, person_key="ee" * 20
    )
    assert [entry.state for entry in editor.tokens()] == ["enabled", "lost"]
    editor.set_lost(ALICE, False)
    editor.set_alias(CARD, None)
    assert registry.lookup(CARD).owner is None
    assert not registry.lookup(ALICE).lost


def test_an_alias_is_of_the_same_user_and_of_a_token_that_is_none(editor):
    third = Token("uid", "0333")
    editor.add(ALICE, "alice", 1000)
    editor.add(CARD, "alice", 1000)
    editor.add(third, "alice", 1000)
    editor.add(BOB, "bob", 1000)
    for token, other, words in (
        (ALICE, BOB, "no alias"),
        (ALICE, ALICE, "no alias"),
        (ALICE, Token("uid", "0999"), "not registered"),
        (Token("uid", "0999"), ALICE, "not registered"),
        (ALICE, Token("user", "bob"), "can be user:alice"),
    ):
        with pytest.raises(RegistryError, match=words):
            editor.set_alias(token, other)
    editor.set_alias(CARD, ALICE)
    with pytest.raises(RegistryError, match="an alias itself"):
        editor.set_alias(third, CARD)
    with pytest.raises(RegistryError, match="an alias itself"):
        editor.set_alias(ALICE, third)
    with pytest.raises(RegistryError, match="has aliases"):
        editor.remove(ALICE)
    editor.set_alias(third, Token("user", "alice"))
    editor.remove(CARD)
    editor.remove(ALICE)


def test_a_broken_time_window_leaves_its_entry_out(path, editor, open_registry, caplog):
    editor.add(ALICE, "alice", 1000)
    editor.set_hours(ALICE, "at night")
    assert open_registry(path).lookup(ALICE) is None
    assert "time window" in caplog.text


def test_reader_desks(path, editor, open_registry):
    registry = open_registry(path)
    editor.set_reader("desk1", True, 1000)
    editor.set_reader("desk1", True, 1000)
    assert [each.dtu for each in editor.readers()] == ["desk1"]
    assert asyncio.run(registry.is_reader_async("desk1"))
    assert not registry.is_reader("desk2")
    editor.set_reader("desk1", False, 1000)
    assert not asyncio.run(registry.is_reader_async("desk1"))
    with pytest.raises(RegistryError, match="no reader"):
        editor.set_reader("desk1", False, 1000)


def test_the_daemon_registers_and_notes_when_tokens_were_seen(path, editor, open_registry):
    registry = open_registry(path)
    order = Register(1, 1, CARD, "alice", "ee" * 20, "by its owner")

    async def both() -> list[str]:
        first = await registry.register_async(order, 1000)
        second = await registry.register_async(order, 1001)
        await registry.note_seen_async({CARD: (5000, "desk1"), BOB: (5000, "desk1")})
        return [first, second]

    first, second = asyncio.run(both())
    assert first == ""
    assert "belongs to alice already" in second
    (entry,) = editor.tokens()
    assert (entry.seen_ms, entry.seen_at, entry.label) == (5000, "desk1", "by its owner")
    assert registry.lookup(CARD).person_key == "ee" * 20
    editor.remove(CARD)
    assert editor.tokens() == []


def test_a_registry_of_the_first_version_is_brought_up(path, monkeypatch, open_registry):
    monkeypatch.setattr("sessionhost.adapters.registry_schema.MIGRATIONS", MIGRATIONS[:1])
    monkeypatch.setattr("sessionhost.adapters.registry_schema.VERSION", 1)
    connection = connect(path, 100)
    connection.execute("INSERT INTO users VALUES ('alice', 1)")
    connection.execute("INSERT INTO tokens VALUES ('uid:04a1', 'alice', 1, 1, '', NULL)")
    connection.close()
    monkeypatch.undo()
    assert open_registry(path).lookup(ALICE) == Registration("alice", True)
