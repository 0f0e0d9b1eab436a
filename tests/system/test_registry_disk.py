"""The registry on a disk that is full or read-only: a small tmpfs, mounted for the test."""

import os
import subprocess
from pathlib import Path

import pytest

from roamwire.tokens import Token
from sessionhost.adapters.registry_editor import RegistryEditor
from sessionhost.adapters.registry_schema import RegistryError
from sessionhost.adapters.registry_sqlite import SqliteRegistry

pytestmark = pytest.mark.system

ALICE = Token("uid", "04a1")
BOB = Token("piv", "b0b")


@pytest.fixture
def open_registry(tmp_path):
    opened = []

    def open_one(path: Path) -> SqliteRegistry:
        opened.append(SqliteRegistry(path, spare_dir=tmp_path))
        return opened[-1]

    yield open_one
    for registry in opened:
        registry.close()


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        while os.statvfs(folder).f_bavail:
            file.write(b"\0" * 4096)


def add_until_full(editor: RegistryEditor) -> None:
    for number in range(1000):
        editor.add(Token("uid", f"{number:060x}"), "bob", 1000, "x" * 1000)


def test_a_full_disk_under_a_running_daemon(tiny_disk, open_registry):
    path = tiny_disk / "registry.sqlite"
    with RegistryEditor(path) as editor:
        editor.add(ALICE, "alice", 1000)
        registry = open_registry(path)
        fill(tiny_disk)
        with pytest.raises(RegistryError, match=r"nothing was changed: .*make room"):
            add_until_full(editor)
        known = len(editor.tokens())
        assert registry.lookup(ALICE).user == "alice"
        assert len(registry.snapshot()) == known
        (tiny_disk / "filler").unlink()
        editor.add(BOB, "bob", 1000)
    assert registry.lookup(BOB).user == "bob"
    assert len(registry.snapshot()) == known + 1, "nothing was lost"


def test_a_full_disk_when_the_daemon_starts(tiny_disk, open_registry, caplog):
    path = tiny_disk / "registry.sqlite"
    with RegistryEditor(path) as editor:
        editor.add(ALICE, "alice", 1000)
    fill(tiny_disk)
    registry = open_registry(path)
    assert registry.lookup(ALICE).user == "alice"
    assert "make room" in registry.trouble
    assert "with the 1 tokens known so far" in caplog.text
    (tiny_disk / "filler").unlink()
    assert registry.lookup(ALICE).user == "alice"
    assert registry.trouble == ""


def test_a_disk_that_turned_read_only(tiny_disk, open_registry):
    path = tiny_disk / "registry.sqlite"
    with RegistryEditor(path) as editor:
        editor.add(ALICE, "alice", 1000)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    registry = open_registry(path)
    assert registry.lookup(ALICE).user == "alice"
    with pytest.raises(RegistryError, match="registry"):
        RegistryEditor(path).add(BOB, "bob", 1000)
    subprocess.run(["mount", "-o", "remount,rw", str(tiny_disk)], check=True)
    assert registry.lookup(ALICE).user == "alice"
    assert registry.trouble == ""
