"""What hostd tells enrold of revoked terminals: replaced whole, read again, never half believed."""

import os

import pytest

from roamwire.blocks import dtu_key, token_key
from roamwire.tokens import Token
from sessionhost.adapters.revoked_file import RevokedFile, RevokedList, RevokedUnknownError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "public" / "revoked"


def test_a_list_is_readable_for_all_and_read_again_when_it_was_replaced(path):
    before = os.umask(0o077)  # as in hostd's unit
    try:
        file, seen = RevokedFile(path), RevokedList(path)
        file.publish([dtu_key("desk1")])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert (seen.is_revoked("desk1"), seen.is_revoked("desk2")) == (True, False)
    file.publish([dtu_key("desk2")])
    assert (seen.is_revoked("desk1"), seen.is_revoked("desk2")) == (False, True)
    file.publish([])
    assert not seen.is_revoked("desk2")
    assert [each.name for each in path.parent.iterdir()] == ["revoked"]


@pytest.mark.parametrize(
    "text", ["nonsense\n", dtu_key("desk1")[:-1], token_key(Token("uid", "04a1b2c3")), "d" * 2**21]
)
def test_what_is_no_list_says_nothing_of_anybody(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RevokedUnknownError, match="no list"):
        RevokedList(path).is_revoked("desk1")


def test_a_list_that_vanishes_or_is_no_file_is_not_an_empty_one(path, tmp_path):
    file, seen = RevokedFile(path), RevokedList(path)
    with pytest.raises(RevokedUnknownError, match="No such file"):
        seen.is_revoked("desk1")
    file.publish([])
    assert not seen.is_revoked("desk1")
    path.unlink()
    with pytest.raises(RevokedUnknownError):
        seen.is_revoked("desk1")
    path.mkdir()
    with pytest.raises(RevokedUnknownError):
        seen.is_revoked("desk1")


def test_a_disk_that_refuses_is_told_once_and_keeps_the_old_list(path, monkeypatch, caplog):
    file, seen = RevokedFile(path), RevokedList(path)
    file.publish([dtu_key("desk1")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        file.publish([])
        file.publish([])
    assert caplog.text.count("cannot tell enrold") == 1
    assert seen.is_revoked("desk1")
    file.publish([])
    assert not seen.is_revoked("desk1")


def _full(_descriptor):
    raise OSError(28, "No space left on device")
