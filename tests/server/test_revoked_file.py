"""Revoked terminals as hostd tells them to enrold, on a real disk."""

import os
import stat

import pytest

from roamwire.blocks import dtu_key
from sessionhost.adapters.revoked_file import RevokedFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "revoked"


def test_what_one_writes_the_other_knows_at_once(path):
    hostd, enrold = RevokedFile(path), RevokedFile(path)
    assert not enrold.has("desk1")
    hostd.write([dtu_key("desk1"), dtu_key("desk2")])
    assert enrold.has("desk1")
    assert enrold.has("desk2")
    assert not enrold.has("desk3")
    hostd.write([dtu_key("desk3")])
    assert not enrold.has("desk1")
    assert enrold.has("desk3")
    path.unlink()
    assert not enrold.has("desk3")


def test_enrold_may_read_it_whatever_the_umask_is(path):
    before = os.umask(0o077)
    try:
        RevokedFile(path).write([dtu_key("desk1")])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert "desk1" not in path.read_text()


def test_a_folder_that_is_gone_is_told_and_ends_nothing(path, caplog):
    RevokedFile(path / "none" / "revoked").write([dtu_key("desk1")])
    assert "cannot write" in caplog.text


def test_what_was_read_last_holds_when_it_cannot_be_read_now(path, caplog):
    enrold = RevokedFile(path)
    RevokedFile(path).write([dtu_key("desk1")])
    assert enrold.has("desk1")
    path.unlink()
    path.mkdir()
    assert enrold.has("desk1")
    assert "cannot read" in caplog.text


def test_a_link_in_its_place_is_not_followed(path, tmp_path, caplog):
    target = tmp_path / "another"
    target.write_text("mine")
    path.with_suffix(".new").symlink_to(target)
    RevokedFile(path).write([dtu_key("desk1")])
    assert target.read_text() == "mine"
    assert "cannot write" in caplog.text
