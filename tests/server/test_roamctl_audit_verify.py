"""roamctl audit --verify with a journalctl that tells what a test wants; the real one is elsewhere.

`tests/system/test_booted_server.py` has the real one.
"""

import json
import os
from types import SimpleNamespace

import pytest

from sessionhost.adapters import audit_log, journal_copies
from sessionhost.adapters.audit_log import AuditLog
from sessionhost.app import roamctl_audit_verify
from sessionhost.app.roamctl import main
from sessionhost.app.roamctl_audit_verify import CHAIN_ALONE
from sessionhost.core.audit import Chain, Record, parse

HOSTD, STRANGER = 990, 2001


class Server:
    """A server's folder with its log, and a journal that got what `AuditLog` sent it."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "state" / "audit.jsonl"
        self.path.parent.mkdir()
        self.config = folder / "server.toml"
        self.config.write_text('host = "s1"\nstate_dir = "state"\n')
        self.entries = []
        self.exit = 0
        self.script = folder / "journalctl"

    def write(self, *whos, log=None):
        log = log or self.log()
        for who in whos:
            log.write(Record("insert", "accepted", who))
        log.close()

    def log(self):
        log = AuditLog(self.path, "s1", b"k" * 32, self.folder)
        log._journal = SimpleNamespace(sendto=self._came, close=lambda: None)
        return log

    def _came(self, data, _where):
        self.tell(data.decode())

    def tell(self, text, uid=HOSTD):
        fields = dict(line.split("=", 1) for line in text.splitlines())
        at = {"_UID": str(uid), "__REALTIME_TIMESTAMP": str(1000 + len(self.entries))}
        self.entries.append(fields | at)

    def verify(self, *words):
        out = self.folder / "out"
        out.write_text("".join(json.dumps(each) + "\n" for each in reversed(self.entries)))
        self.script.write_text(
            f'#!/bin/sh\necho "$@" >> {self.folder}/asked\n[ $1 = --sync ] && exit 0\n'
            f"cat {out}\necho 'no rights' >&2\nexit {self.exit}\n"
        )
        self.script.chmod(0o755)
        return main(["audit", "--verify", *words, "--config", str(self.config)])

    @property
    def lines(self):
        return self.path.read_text().splitlines(keepends=True)

    def forge(self, who):
        """What hostd's user can do: everything from the second record on, and a whole chain."""
        chain, made = Chain(), []
        for number, line in enumerate(self.lines):
            entry = parse(line.rstrip())
            named = Record(entry["what"], entry["decision"], who if number else entry["who"])
            made.append(chain.line(named, when=entry["when"], host="s1", card=""))
            chain.follow(parse(made[-1]))
        self.path.write_text("".join(f"{line}\n" for line in made))
        return made


@pytest.fixture
def server(tmp_path, monkeypatch):
    made = Server(tmp_path)
    monkeypatch.setattr(journal_copies, "JOURNALCTL", made.script)
    monkeypatch.setattr(roamctl_audit_verify, "uid_of", lambda _name: HOSTD)
    return made


def test_a_log_that_the_journal_confirms(server, capsys):
    server.write("alice", "bob", "alice")
    assert server.verify() == 0
    told = capsys.readouterr().out
    assert f"{server.path}: 3 records of s1, whole" in told
    assert "copies of 3 of the records 1 to 3, all equal" in told
    assert CHAIN_ALONE not in told
    assert server.verify("--json") == 0
    journal = json.loads(capsys.readouterr().out)["journal"]
    assert journal == {"copies": 3, "first": 1, "last": 3, "unwritten": 0}
    sync, read = (server.folder / "asked").read_text().splitlines()[:2]
    assert sync == "--sync"
    assert f"ROAMDESK_AUDIT_LOG={server.path} _UID=0 _UID={HOSTD}" in read
    assert "--since" not in read


def test_a_chain_that_hostds_user_has_made_anew_is_found(server, capsys):
    server.write("alice", "alice", "alice")
    server.forge("carol")
    assert main(["audit", "--verify", str(server.path)]) == 0, "the chain alone does not show it"
    assert server.verify() == 1
    told = capsys.readouterr().err
    assert "records 2 to 3 are in the journal, with another content" in told
    assert "journalctl -o cat ROAMDESK_AUDIT_LOG=" in told


def test_an_end_and_a_beginning_that_were_cut_off_are_found(server, capsys):
    server.write("alice", "bob", "alice")
    whole = server.lines
    server.path.write_text("".join(whole[:2]))
    assert server.verify() == 1
    assert "record 3 is in the journal, and not in the log" in capsys.readouterr().err
    server.path.write_text("".join(whole[1:]))
    assert server.verify() == 1
    told = capsys.readouterr().err
    assert "record 1 is gone, and not because files were full" in told
    assert "record 1 is in the journal, and not in the log" in told


def test_a_record_that_only_the_file_has_is_found(server, capsys):
    server.write("alice")
    server.write("mallory", log=AuditLog(server.path, "s1", None, server.folder / "no journal"))
    assert server.verify() == 1
    assert "record 2 is not in the journal" in capsys.readouterr().err


def test_what_others_tell_the_journal_does_not_count(server, capsys):
    server.write("alice", "alice")
    genuine = list(server.entries)
    forged = server.forge("carol")
    fields = f"ROAMDESK_AUDIT_LOG={server.path}\nROAMDESK_AUDIT=1\n"
    # A stranger's copies neither make the forged log good nor a good log look forged.
    server.entries = []
    for line in forged:
        server.tell(f"MESSAGE={line}\n{fields}", STRANGER)
    assert server.verify() == 0
    assert CHAIN_ALONE in capsys.readouterr().out
    server.entries += genuine
    assert server.verify() == 1
    assert "record 2 is in the journal, with another content" in capsys.readouterr().err
    server.path.write_text("".join(f"{each['MESSAGE']}\n" for each in genuine))
    assert server.verify() == 0
    assert "copies of 2 of" in capsys.readouterr().out


def test_roots_copies_count(server, capsys):
    server.write("alice", "alice")
    for each in server.entries:
        each["_UID"] = "0"
    server.forge("carol")
    assert server.verify() == 1


def test_without_a_journal_it_says_what_the_chain_does_not_show(server, monkeypatch, capsys):
    server.write("alice", "bob")
    server.entries = []
    assert server.verify() == 0
    assert f"the journal has no copy of its records\n{CHAIN_ALONE}" in capsys.readouterr().out
    monkeypatch.setattr(journal_copies, "JOURNALCTL", server.folder / "none")
    assert main(["audit", "--verify", "--config", str(server.config)]) == 0
    assert CHAIN_ALONE in capsys.readouterr().out


def test_a_named_file_is_only_a_chain(server, capsys):
    server.write("alice")
    assert server.verify(str(server.path)) == 0
    assert CHAIN_ALONE in capsys.readouterr().out


def test_a_journal_that_breaks_off_makes_no_log_good(server, monkeypatch, capsys):
    server.write("alice", "bob")
    server.exit = 1
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert server.verify() == 1
    assert "could not be compared with: no rights" in capsys.readouterr().err
    server.exit = 0
    monkeypatch.setattr(journal_copies, "MAX_ENTRIES", 1)
    assert server.verify() == 1
    assert "more than 1 entries" in capsys.readouterr().err


def test_who_may_not_read_the_journal_is_told_so(server, monkeypatch, capsys):
    server.write("alice")
    server.entries, server.exit = [], 1
    monkeypatch.setattr(os, "geteuid", lambda: HOSTD)
    assert server.verify() == 0
    told = capsys.readouterr().out
    assert "not compared with the journal, which root can read (no rights)" in told
    assert CHAIN_ALONE in told


def test_what_the_disk_did_not_take_is_told_and_no_flaw(server, monkeypatch, capsys):
    log, write = server.log(), os.write
    log.write(Record("insert", "accepted", "alice"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        log.write(Record("insert", "accepted", "bob"))
    server.write("carol", log=log)
    assert server.verify() == 0
    assert "1 records are in the journal alone" in capsys.readouterr().out


def test_a_log_whose_first_files_are_gone_rightly(server, monkeypatch, capsys):
    monkeypatch.setattr(audit_log, "MAX_FILE_BYTES", 400)
    monkeypatch.setattr(audit_log, "MAX_FILES", 3)
    server.write(*["alice"] * 20)
    assert server.verify() == 0
    assert "--since=@" in (server.folder / "asked").read_text()
    assert "whole" in capsys.readouterr().out
    server.path.with_name("audit.jsonl.2").unlink()
    assert server.verify() == 1
    assert "not because files were full" in capsys.readouterr().err


def test_after_a_break_that_is_understood_one_looks_at_what_is_since(server, capsys):
    server.write("alice", "bob")
    before = len(server.entries)
    server.path.unlink()
    server.write("alice")
    assert server.verify() == 1
    told = capsys.readouterr().err
    assert "record 1 is in the journal, with another content" in told
    assert "record 2 is in the journal, and not in the log" in told
    del server.entries[:before]  # as --since has it
    assert server.verify("--since", "2026-11-25") == 0
    assert "--since=@1795564800.000000" in (server.folder / "asked").read_text()
