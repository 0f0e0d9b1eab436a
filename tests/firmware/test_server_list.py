"""The server list on the disk: kept, replaced whole, and never believed if it is not ours."""

import json

import pytest

from dtu.app.server_list import MAX_FILE_BYTES, ServerListFile
from roamwire.control import Server
from roamwire.limits import MAX_LISTED

SERVERS = (Server("s1", "10.0.0.1", 7009), Server("s2", "fd00::2", 7100))
KEY, GROUP = b"this terminal's key", b"the group's CA"


def file(directory, key=KEY, group=GROUP):
    (directory / "dtu.key").write_bytes(key)
    (directory / "ca.crt").write_bytes(group)
    return ServerListFile(
        directory / "state" / "servers.json", directory / "dtu.key", directory / "ca.crt"
    )


@pytest.fixture
def saved(tmp_path):
    file(tmp_path).save(SERVERS)
    return tmp_path / "state" / "servers.json"


def test_what_was_kept_is_there_after_a_restart(tmp_path, saved, caplog):
    assert file(tmp_path).load() == SERVERS
    assert [each.name for each in saved.parent.iterdir()] == ["servers.json"]
    file(tmp_path).save(SERVERS[:1])
    assert file(tmp_path).load() == SERVERS[:1]
    assert caplog.records == []


def test_the_first_start_is_nothing_to_log(tmp_path, caplog):
    assert file(tmp_path).load() == ()
    assert caplog.records == []


@pytest.mark.parametrize("change", [{"key": b"another's"}, {"group": b"another CA"}])
def test_the_list_of_another_terminal_or_group_is_not_used(tmp_path, saved, caplog, change):
    assert file(tmp_path, **change).load() == ()
    (line,) = caplog.messages
    assert "of another terminal or group" in line


@pytest.mark.parametrize("at", range(0, 146, 7))
def test_a_flipped_bit_is_noticed(tmp_path, saved, caplog, at):
    data = bytearray(saved.read_bytes())
    data[at] ^= 4
    saved.write_bytes(data)
    assert file(tmp_path).load() == ()
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 512,
        b"[]",
        b"null",
        b"17",
        b'{"servers": []}',
        b'{"servers": 5, "signature": 5}',
        b'{"servers": [], "signature": "\xc3\xa9"}',
        b'[["s1", "10.0.0.1", 7009]]',
        b"[" * MAX_FILE_BYTES,
        b'"' + b"x" * (2 * MAX_FILE_BYTES),
    ],
)
def test_any_other_file_is_ignored_with_a_line(tmp_path, saved, caplog, data):
    saved.write_bytes(data)
    assert file(tmp_path).load() == ()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("entry", [["s", "a"], ["s", "a", 0], ["s", 5, 1], ["s" * 65, "a", 1], "x"])
def test_even_a_signed_entry_is_checked(tmp_path, saved, caplog, entry):
    keeper = file(tmp_path)
    entries = [entry]
    signed = {"servers": entries, "signature": keeper._signature(entries)}
    saved.write_text(json.dumps(signed))
    assert keeper.load() == ()
    assert len(caplog.records) == 1


def test_the_list_is_bounded(tmp_path):
    file(tmp_path).save(tuple(Server(f"s{n}", f"10.0.0.{n}", 1) for n in range(MAX_LISTED + 9)))
    assert len(file(tmp_path).load()) == MAX_LISTED


def test_without_a_key_there_is_no_list(tmp_path, saved, caplog):
    keeper = file(tmp_path)
    (tmp_path / "dtu.key").unlink()
    assert keeper.load() == ()
    keeper.save(SERVERS)
    assert len(caplog.records) == 1


def test_a_disk_that_cannot_be_written_costs_the_list_only(tmp_path, caplog):
    (tmp_path / "state").write_text("a file where the directory should be")
    file(tmp_path).save(SERVERS)
    assert len(caplog.records) == 1
    assert file(tmp_path).load() == ()
