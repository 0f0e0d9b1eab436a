"""Desks of users over restarts: what is kept, for how long, and what a bad disk costs."""

import os

import pytest

from sessionhost.adapters import home_file
from sessionhost.adapters.home_file import DAY_MS, KEEP_MS, HomeFile

NOW = 1_800_000_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "homes"


def test_what_was_noted_is_there_after_a_restart(path):
    file = HomeFile(path)
    assert file.load(NOW) == []
    file.note("alice", "desk1", NOW)
    file.note("DOM\\bob é", "desk2", NOW + 1)
    assert HomeFile(path).load(NOW + 2) == [("alice", "desk1"), ("DOM\\bob é", "desk2")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_user_at_a_desk_is_one_line_a_day(path):
    file = HomeFile(path)
    for number in range(50):
        file.note("alice", "desk1", NOW + number)
    assert path.read_text().count("alice") == 1
    file.note("alice", "desk1", NOW + DAY_MS)
    assert path.read_text().count("alice") == 2
    HomeFile(path).load(NOW + DAY_MS)
    assert path.read_text().count("alice") == 1
    file = HomeFile(path)
    file.load(NOW + DAY_MS)
    file.note("alice", "desk1", NOW + DAY_MS + 1)
    assert path.read_text().count("alice") == 1, "known from the file"


def test_who_was_not_there_for_long_is_a_stranger(path):
    file = HomeFile(path)
    file.note("alice", "desk1", NOW)
    file.note("bob", "desk1", NOW + 1)
    file.note("carol", "desk1", NOW + 10 * DAY_MS)  # a clock that went wrong
    assert HomeFile(path).load(NOW + KEEP_MS - 1) == [
        ("alice", "desk1"), ("bob", "desk1"), ("carol", "desk1"),
    ]  # fmt: skip
    assert HomeFile(path).load(NOW + KEEP_MS) == [("bob", "desk1"), ("carol", "desk1")]
    assert HomeFile(path).load(NOW) == [("bob", "desk1")]


def test_the_oldest_go_first(path, monkeypatch):
    monkeypatch.setattr(home_file, "MAX_HOMES", 2)
    file = HomeFile(path)
    for number in range(4):
        file.note(f"user{number}", "desk1", NOW + number)
    assert len(file._known) == 2
    assert HomeFile(path).load(NOW + 9) == [("user2", "desk1"), ("user3", "desk1")]


def test_lines_that_are_cut_off_or_nonsense_are_left_out(path):
    file = HomeFile(path)
    file.note("alice", "desk1", NOW)
    with path.open("ab") as end:
        end.write(b"user=bob desk=de")
    file.note("carol", "desk2", NOW)
    with path.open("ab") as end:
        end.write(b"\xff\nuser=x at=1\nuser=x desk=y\nuser=x desk=y at=z\n")
    assert HomeFile(path).load(NOW) == [("alice", "desk1"), ("carol", "desk2")]


def test_a_disk_that_refuses_is_told_once(path, caplog, monkeypatch):
    file = HomeFile(path / "no folder" / "homes")
    file.note("alice", "desk1", NOW)
    file.note("bob", "desk1", NOW)
    assert caplog.text.count("strangers at their desks") == 1
    path.mkdir()
    assert HomeFile(path).load(NOW) == []
    assert os.listdir(path) == []
