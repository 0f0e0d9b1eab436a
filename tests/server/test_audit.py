"""The audit log: its chain, what breaks it, its files, a full disk, and what is recorded."""

import json
import os
import re

import pytest

from fakes.lan import ALICE, BOB, Site
from roamwire.blocks import dtu_key, token_key
from roamwire.control import Connect, Redirect, Remove, SignOff
from roamwire.notices import DisconnectReason
from roamwire.tokens import Token
from sessionhost.adapters import audit_log
from sessionhost.adapters.audit_log import AuditLog, files_of
from sessionhost.core.actions import Audit
from sessionhost.core.audit import Chain, Record, card_name, parse, verify

KEY, CARD = b"k" * 32, Token("uid", "04a1b2c3")


@pytest.fixture(autouse=True)
def no_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_log, "JOURNAL", tmp_path / "no journal here")


def logged(path, count, host="s1"):
    log = AuditLog(path, host, KEY)
    for number in range(count):
        log.write(Record("insert", "accepted", "alice", CARD, "desk1", f"the {number}."))
    log.close()
    return path.read_text().splitlines()


def flaws(lines):
    return [f"{each.line}: {each.words}" for each in verify(lines, Chain())]


def test_a_record_is_one_line_of_json_and_names_no_card(tmp_path):
    (line,) = logged(tmp_path / "log", 1)
    entry = json.loads(line)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("when"))
    assert re.fullmatch(r"[0-9a-f]{64}", entry.pop("hash"))
    assert entry == {
        "host": "s1", "n": 1, "what": "insert", "decision": "accepted", "who": "alice",
        "card": card_name(KEY, CARD), "dtu": "desk1", "reason": "the 0.", "prev": "",
    }  # fmt: skip
    assert CARD.value not in line
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640


def test_a_cards_name_is_stable_and_needs_the_key():
    assert card_name(KEY, CARD) == card_name(KEY, CARD) != card_name(b"j" * 32, CARD)
    assert card_name(KEY, CARD) != card_name(KEY, Token("piv", CARD.value))
    assert re.fullmatch(r"uid:[0-9a-f]{16}", card_name(KEY, CARD))
    assert card_name(None, CARD) == "uid:-"


def test_a_whole_log_has_no_flaw_over_restarts(tmp_path):
    logged(tmp_path / "log", 5)
    lines = logged(tmp_path / "log", 5)
    assert [json.loads(line)["n"] for line in lines] == list(range(1, 11))
    assert flaws(lines) == []
    assert flaws(lines[3:]) == []  # older files are gone


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda x: x[:2] + x[3:], ["3: record 3 is missing before record 4"]),
        (lambda x: x[:2] + x[5:], ["3: records 3 to 5 are missing before record 6"]),
        (lambda x: [x[0], x[1].replace("alice", "carol"), *x[2:]], ["2: record 2 was changed"]),
        (lambda x: [x[0], x[1].replace(":", ": ", 1), *x[2:]], ["2: record 2 was changed"]),
        (lambda x: [x[0], "", *x[1:]], ["2: not a record"]),
        (lambda x: [x[0], x[1][:40], *x[2:]],
         ["2: not a record", "3: record 2 is missing before record 3"]),
        (lambda x: [x[0], x[2], x[1], *x[3:]],
         ["2: record 2 is missing before record 3", "3: record 2 stands after record 3",
          "4: record 3 is missing before record 4"]),
        (lambda x: [*x[:2], x[1], *x[2:]], ["3: record 2 stands after record 2"]),
    ],
)  # fmt: skip
def test_what_was_done_to_a_log_is_found_and_where(tmp_path, damage, found):
    lines = logged(tmp_path / "log", 7)
    assert flaws(damage(lines)) == found


def test_a_record_that_was_made_anew_does_not_fit_the_next(tmp_path):
    lines = logged(tmp_path / "log", 4)
    forger = Chain()
    forger.follow(parse(lines[0]))
    lines[1] = forger.line(Record("insert", "refused"), when="2026", host="s1", card="")
    assert flaws(lines) == ["3: record 3 does not follow the record 2 that is here"]


def test_two_writers_make_one_chain(tmp_path):
    one, two = (AuditLog(tmp_path / "log", "s1", KEY) for _ in range(2))
    for log in (one, two, two, one, two):
        log.write(Record("admin", "token add", "root"))
    one.close()
    two.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 5
    assert flaws(lines) == []


def test_a_writer_follows_when_another_one_has_rotated(tmp_path, monkeypatch):
    hostd, roamctl = (AuditLog(tmp_path / "log", "s1", KEY) for _ in range(2))
    hostd.write(Record("card", "in"))
    with monkeypatch.context() as patch:
        patch.setattr(audit_log, "MAX_FILE_BYTES", 1)
        roamctl.write(Record("admin", "token add", "root"))
    hostd.write(Record("card", "out"))
    for log in (hostd, roamctl):
        log.close()
    old, new = ((tmp_path / name).read_text().splitlines() for name in ("log.1", "log"))
    assert (len(old), len(new)) == (2, 1)
    assert flaws([*old, *new]) == []


def test_files_are_rotated_bounded_and_one_chain(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_log, "MAX_FILE_BYTES", 1500)
    monkeypatch.setattr(audit_log, "MAX_FILES", 3)
    log = AuditLog(tmp_path / "log", "s1", KEY)
    for _ in range(60):
        log.write(Record("insert", "accepted", "alice", CARD, "desk1"))
    log.close()
    files = files_of(tmp_path / "log")
    assert [path.name for path in files] in (["log.2", "log.1"], ["log.2", "log.1", "log"])
    assert {path.name for path in tmp_path.iterdir()} == {p.name for p in files} | {"log.lock"}
    lines = [line for path in files for line in path.read_text().splitlines()]
    assert flaws(lines) == []
    assert json.loads(lines[-1])["n"] == 60
    assert sum(path.stat().st_size for path in files) < 3 * 2200


def test_a_line_cut_off_by_a_power_failure_is_told_and_the_chain_goes_on(tmp_path):
    path = tmp_path / "log"
    logged(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    lines = logged(path, 2)
    assert flaws(lines) == ["3: not a record"]
    assert [json.loads(line)["n"] for line in lines[3:]] == [3, 4]


def test_a_log_that_was_shortened_under_a_running_server_says_so(tmp_path, caplog):
    path = tmp_path / "log"
    log = AuditLog(path, "s1", KEY)
    for _ in range(5):
        log.write(Record("card", "out"))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    log.write(Record("card", "out"))
    log.close()
    last = [json.loads(line) for line in path.read_text().splitlines()[2:]]
    assert [(e["what"], e["decision"]) for e in last] == [("audit", "damaged"), ("card", "out")]
    assert last[0]["reason"] == "records 3 to 5 were there, and are gone"
    assert "lacks its records after 2" in caplog.text


def test_a_full_disk_is_told_once_and_in_the_log_when_there_is_room(tmp_path, monkeypatch, caplog):
    log = AuditLog(tmp_path / "log", "s1", KEY)
    log.write(Record("card", "out"))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        for _ in range(3):
            log.write(Record("card", "out"))
    assert caplog.text.count("No space left on device") == 1
    log.write(Record("card", "out"))
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert flaws(lines) == []
    assert [parse(line)["decision"] for line in lines] == ["out", "resumed", "out"]
    assert parse(lines[1])["reason"] == "3 records before this one could not be written"


def test_a_folder_that_is_gone_keeps_nobody_waiting(tmp_path, caplog):
    log = AuditLog(tmp_path / "gone" / "log", "s1", KEY)
    log.write(Record("card", "out"))
    log.write(Record("card", "out"))
    log.sync()
    log.close()
    assert caplog.text.count("cannot write the audit log") == 1


# What is recorded


def records(site, **wanted):
    found = [each.record for each in site.actions(Audit)]
    return [r for r in found if all(getattr(r, key) == value for key, value in wanted.items())]


def decisions(site, since=0):
    return [(r.what, r.decision) for r in records(site)][since:]


def test_every_decision_about_a_card_is_recorded_with_its_reason():
    site = Site("s1", "s2")
    site.run(3.0)
    site.core("s1").group.standing.load = 9000
    desk = site.desk("s1")
    desk.insert()
    assert decisions(site) == [
        ("terminal", "connected"), ("insert", "accepted"), ("redirect", "sent"),
    ]  # fmt: skip
    assert records(site, what="redirect")[0].reason.startswith("to s2: ")
    assert records(site, what="insert")[0] == Record(
        "insert", "accepted", "alice", ALICE, "desk1", "insert, proven nothing"
    )
    desk.follow()
    site.run(0.5)
    (shown,) = records(site, what="session", decision="shown")
    assert (shown.who, shown.token, shown.dtu, shown.reason) == (
        "alice", ALICE, "desk1", "redirect",
    )  # fmt: skip
    assert shown.session == desk.told(Connect)[0].session
    assert records(site, what="session", decision="created")
    desk.say(Remove(desk.seq))
    assert records(site, what="card", decision="out")[0].session == shown.session


def test_take_over_sign_off_and_end_are_recorded():
    site = Site("s1")
    site.run(1.0)
    one, two = site.desk("s1"), site.desk("s1")
    one.insert()
    site.run(0.5)
    two.insert()
    (lost,) = records(site, decision="taken-over")
    assert (lost.dtu, lost.reason, lost.who) == (one.name, f"at {two.name}", "alice")
    two.say(SignOff(two.seq))
    (off,) = records(site, decision="signed off")
    site.core("s1").session_gone(off.session, DisconnectReason.ENDED, site.now)
    site.deliver()
    assert records(site, what="session", decision="ended")[0].reason == "ended"
    one.hang_up()
    assert records(site, what="terminal", decision="gone")[0].dtu == one.name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda site: site.registry.pop(BOB), "not-registered"),
        (lambda site: setattr(site, "registry_fails", True), "registry-down"),
        (lambda site: site.core("s1").block(token_key(BOB), site.now, blocked=True), "card lost"),
    ],
)
def test_a_refused_card_is_recorded_with_the_reason(change, reason):
    site = Site("s1")
    site.run(1.0)
    change(site)
    desk = site.desk("s1")
    desk.insert(BOB)
    (refused,) = records(site, what="insert")
    assert (refused.decision, refused.reason, refused.token) == ("refused", reason, BOB)


def test_blocks_are_recorded_where_they_were_said_and_where_they_were_heard():
    site = Site("s1", "s2")
    site.run(3.0)
    desk = site.desk("s2")
    desk.insert()
    site.run(0.5)
    while desk.told(Redirect):
        desk.follow()
        site.run(0.5)
    site.done.clear()
    site.core("s1").block(token_key(ALICE), site.now, blocked=True)
    site.core("s1").block(dtu_key(desk.name), site.now, blocked=True)
    site.deliver()
    assert [r.reason for r in records(site, what="block")] == [
        "a card, said at s1", "a terminal, said at s1",
    ] * 2  # fmt: skip
    assert records(site, what="session", decision="blocked")[0].token == ALICE
    assert records(site, what="terminal", decision="blocked")[0].dtu == desk.name
    desk.connect("s1")
    assert records(site, what="terminal", decision="refused")[0].reason == "revoked"
