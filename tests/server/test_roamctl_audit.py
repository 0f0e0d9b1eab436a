"""roamctl audit, and roamctl token lost and dtu revoke where hostd does not run."""

import json
import os

import pytest

from fakes.cards import RealCard
from roamwire.blocks import dtu_key, token_key
from roamwire.tokens import Token
from sessionhost.adapters import audit_log, journal_copies, users
from sessionhost.adapters.audit_log import AuditLog
from sessionhost.adapters.block_file import BlockFile
from sessionhost.adapters.keyfiles import load_secret
from sessionhost.adapters.users import user_name
from sessionhost.app import roamctl_blocks, roamctl_cards, roamctl_status
from sessionhost.app.admin import with_person
from sessionhost.app.roamctl import main
from sessionhost.app.roamctl_status import HostdAwayError
from sessionhost.core.audit import Record, card_name
from sessionhost.core.blocks import BlockSet

CARD, OTHER = Token("uid", "04a1b2c3"), Token("uid", "04ffffff")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server's folders, as `roamctl server issue` makes them; hostd does not run."""
    monkeypatch.setattr(audit_log, "JOURNAL", tmp_path / "no journal here")
    monkeypatch.setattr(journal_copies, "JOURNALCTL", tmp_path / "no journalctl here")
    monkeypatch.setattr(users, "LOGIN_UID", tmp_path / "nobody logged in")
    monkeypatch.delenv("SUDO_USER", raising=False)

    def away(_path, _question):
        raise HostdAwayError("hostd is not running here")

    monkeypatch.setattr(roamctl_blocks, "ask", away)
    assert main(["group", "create", "--dir", str(tmp_path / "group"), "--name", "lab"]) == 0
    (tmp_path / "state").mkdir()
    config = tmp_path / "server.toml"
    config.write_text('host = "s1"\ngroup_dir = "group"\nstate_dir = "state"\nrun_dir = "run"\n')
    return config


@pytest.fixture
def run(server, capsys):
    capsys.readouterr()

    def run_one(*words, status=0):
        assert main([*map(str, words), "--config", str(server)]) == status
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    return run_one


@pytest.fixture
def log(server):
    """A log with a story of two cards."""
    key = load_secret(server.parent / "group" / "audit.key")
    log = AuditLog(server.parent / "state" / "audit.jsonl", "s1", key)
    log.write(Record("insert", "accepted", "alice", CARD, "desk1", "insert"))
    log.write(Record("session", "shown", "alice", CARD, "desk1", "insert", "5a"))
    log.write(Record("insert", "refused", "", OTHER, "desk2", "not_registered"))
    log.close()
    return server.parent / "state" / "audit.jsonl"


def found(run, *words):
    return [
        (r["what"], r["decision"]) for r in json.loads(run("audit", *words, "--json"))["records"]
    ]


def test_records_are_found_by_card_user_terminal_and_session(run, log):
    assert len(found(run)) == 3
    assert found(run, "--card", CARD) == [("insert", "accepted"), ("session", "shown")]
    name = json.loads(run("audit", "--card", OTHER, "--json"))["records"][0]["card"]
    assert found(run, "--card", name) == [("insert", "refused")]
    assert found(run, "--user", "alice", "--what", "insert") == [("insert", "accepted")]
    assert found(run, "--dtu", "desk2") == [("insert", "refused")]
    assert found(run, "--session", "5a") == [("session", "shown")]
    assert found(run, "--since", "1h") == found(run, "--since", "2000-01-01") == found(run)
    assert found(run, "--since", "2999-01-01T00:00") == []
    assert "no such records" in run("audit", "--user", "nobody")
    assert " insert refused - uid:" in run("audit", "--dtu", "desk2")
    assert "is no time" in run("audit", "--since", "yesterday", status=1)


def test_logs_of_several_servers_are_merged_by_time(run, log, tmp_path):
    lines = log.read_text().splitlines()
    other = tmp_path / "s2.jsonl"
    other.write_text(lines[0].replace('"s1"', '"s0"').replace('"when":"20', '"when":"19') + "\n")
    merged = json.loads(run("audit", log, other, "--json"))["records"]
    assert [each["host"] for each in merged] == ["s0", "s1", "s1", "s1"]


def test_a_whole_log_is_called_whole_and_a_changed_one_says_where(run, log):
    assert "3 records of s1, whole" in run("audit", "--verify")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + lines[2])
    assert f"{log} line 2: record 2 is missing before record 3" in run(
        "audit", "--verify", status=1
    )
    log.write_text(lines[0] + lines[1].replace("alice", "carol") + lines[2])
    assert f"{log} line 2: record 2 was changed" in run("audit", "--verify", status=1)


def test_rotated_files_are_read_and_verified_in_their_order(run, log):
    os.rename(log, log.with_name("audit.jsonl.1"))
    writer = AuditLog(log, "s1", b"k" * 32)
    writer.write(Record("card", "out", dtu="desk1"))
    writer.close()
    assert "whole" in run("audit", "--verify")
    assert len(found(run)) == 4


def test_without_a_log_or_a_key_it_says_what_to_do(run, server, tmp_path):
    assert "there is no audit log yet" in run("audit", status=1)


def test_a_group_without_an_audit_key_gets_one_and_only_one(run, server, log):
    key = server.parent / "group" / "audit.key"
    key.rename(server.parent / "kept.key")
    assert "roamctl group audit-key" in run("audit", "--card", CARD, status=1)
    assert len(found(run, "--card", CARD, "--key", server.parent / "kept.key")) == 2
    run("group", "audit-key", "--dir", server.parent / "group")
    assert key.stat().st_mode & 0o777 == 0o600
    assert "already" in run("group", "audit-key", "--dir", server.parent / "group", status=1)


def test_what_roamctl_changes_stands_in_the_log_under_the_unix_user(run, log, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "bob")
    run("token", "add", CARD, "nobody")
    run("token", "disable", CARD)
    run("token", "lost", CARD)
    run("dtu", "revoke", "desk7")
    added, disabled, lost, revoked = json.loads(run("audit", "--what", "admin", "--json"))[
        "records"
    ]
    assert [each["decision"] for each in (added, disabled, lost, revoked)] == [
        "token add", "token disable", "token block", "dtu block",
    ]  # fmt: skip
    assert added["who"].endswith(" (bob)")
    assert added["reason"] == "of nobody"
    assert added["card"] == disabled["card"] == lost["card"] != ""
    assert revoked["dtu"] == "desk7"
    assert CARD.value not in log.read_text()
    assert "whole" in run("audit", "--verify")


def admin(run):
    records = json.loads(run("audit", "--what", "admin", "--json"))["records"]
    return [
        (e["decision"], e.get("dtu", ""), e.get("reason", ""), e.get("card", "")) for e in records
    ]


def test_card_reader_terminal_and_group_commands_stand_in_the_log(run, server, tmp_path):
    card = RealCard("p256")
    pem, group = tmp_path / "card.pem", server.parent / "group"
    pem.write_bytes(card.pem)
    (server.parent / "enrol").mkdir()
    server.write_text(server.read_text() + 'enrol_dir = "enrol"\n')
    run("card", "add", "--certificate", pem, "--user", "nobody")
    run("reader", "add", "desk9")
    run("reader", "remove", "desk9")
    run("dtu", "preregister", "desk7")
    run("dtu", "forget", "desk7")
    run("group", "rotate-secret", "--dir", group, "--prepare")
    run("group", "export", "--dir", group, "--out", tmp_path / "out")
    run("server", "issue", "s2", "--group", group, "--out", tmp_path / "s2")
    name = card_name(load_secret(group / "audit.key"), card.token)
    assert admin(run) == [
        ("card add", "", "of nobody", name),
        ("reader add", "desk9", "", ""),
        ("reader remove", "desk9", "", ""),
        ("dtu preregister", "desk7", "", ""),
        ("dtu forget", "desk7", "", ""),
        ("group rotate-secret", "", "prepare", ""),
        ("group export", "", f"to {tmp_path / 'out'}", ""),
        ("server issue", "", f"s2, to {tmp_path / 's2'}", ""),
    ]


def test_what_failed_is_noted_without_the_words_that_may_name_a_card(run, log):
    run("token", "disable", CARD, status=1)
    run("token", "add", "uid:xyz uid", "nobody", status=1)
    run("reader", "remove", "desk9", status=1)
    run("audit", "--since", "yesterday", status=1)
    told = admin(run)
    assert [each[:3] for each in told] == [
        ("token disable", "", "failed"),
        ("token add", "", "failed"),
        ("reader remove", "desk9", "failed"),
    ]
    assert told[0][3] == card_name(load_secret(log.parents[1] / "group" / "audit.key"), CARD)
    assert CARD.value not in log.read_text()
    assert "xyz" not in log.read_text()


def test_an_enrolled_card_is_noted_with_its_desk(run, monkeypatch):
    answers = [
        b'{"seconds": 9}',
        json.dumps({"token": str(CARD), "outcome": "registered"}).encode(),
    ]
    monkeypatch.setattr(roamctl_cards, "ask", lambda _path, _question: answers.pop(0))
    run("card", "enrol", "--desk", "desk9", "--user", "nobody", "--pin")
    ((decision, dtu, reason, card),) = admin(run)
    assert (decision, dtu, reason) == ("card enrol", "desk9", "of nobody, pin")
    assert card.startswith("uid:")


def test_the_person_behind_root_is_the_kernels_word_and_else_sudos(tmp_path, monkeypatch):
    login = tmp_path / "loginuid"
    monkeypatch.setattr(users, "LOGIN_UID", login)
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert users.person_behind(0) == "", "not told by anybody"
    monkeypatch.setenv("SUDO_USER", "bob")
    for text, person in (("1", user_name(1)), (str(2**32 - 1), "bob"), ("0", "bob"), ("x", "bob")):
        login.write_text(text)
        assert users.person_behind(0) == person
    monkeypatch.setenv("SUDO_USER", "root")
    assert users.person_behind(0) == ""
    monkeypatch.setenv("SUDO_USER", "a\nb")
    assert users.person_behind(0) == ""


def test_hostd_is_told_who_the_person_is(run, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "bob")
    asked = []

    def answer(_path, question):
        asked.append(question)
        return b'{"error": "no room"}'

    monkeypatch.setattr(roamctl_blocks, "ask", answer)
    monkeypatch.setattr(roamctl_status, "ask", answer)
    run("dtu", "revoke", "desk7", status=1)
    run("session", "stop", "5a", status=1)
    assert asked == ["block dtu desk7 by=bob", "stop 5a by=bob"]
    assert admin(run) == [("dtu block", "desk7", "failed", ""), ("session stop", "", "failed", "")]


def test_hostd_writes_both_names_into_the_log():
    assert with_person(["stop", "5a", "by=bob"], "root") == (["stop", "5a"], "root (bob)")
    assert with_person(["stop", "5a"], "root") == (["stop", "5a"], "root")
    assert with_person(["status", "by=%zz"], "root") == (["status"], "root (?)")
    assert with_person([], "root") == ([], "root")


def test_without_hostd_blocks_go_to_the_file_that_it_starts_with(run, server):
    told = run("token", "lost", CARD)
    assert "hostd does not run here" in told
    run("dtu", "revoke", "desk7")
    run("token", "lost", OTHER)
    run("token", "found", OTHER)
    BlockFile(server.parent / "state" / "blocks").load(blocks := BlockSet())
    assert blocks.is_blocked(token_key(CARD))
    assert blocks.is_blocked(dtu_key("desk7"))
    assert not blocks.is_blocked(token_key(OTHER))
    assert [each.stamp for each in blocks.entries()] == [4, 2, 1]


def test_names_that_cannot_be_are_refused(run):
    assert "is not a token" in run("token", "lost", "04a1b2c3", status=1)
    assert "the terminal is not a name" in run("dtu", "revoke", "a b", status=1)


def test_hostds_answer_is_told(run, monkeypatch):
    asked = []

    def answer(_path, question):
        asked.append(question)
        return b'{"token": "x", "blocked": true, "before": false, "told": ["s2", "s3"]}\n'

    monkeypatch.setattr(roamctl_blocks, "ask", answer)
    assert "told to 2 other servers: s2, s3" in run("token", "lost", CARD)
    assert "did not know it as blocked" in run("token", "found", CARD)
    monkeypatch.setattr(roamctl_blocks, "ask", lambda _p, _q: b'{"error": "no room"}')
    assert "no room" in run("token", "lost", CARD, status=1)
    assert asked == [f"block token {CARD}", f"allow token {CARD}"]
