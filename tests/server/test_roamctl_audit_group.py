"""roamctl audit --group: logs of several servers as one story, and who is missing from it."""

import contextlib
import json
import os
import pwd

import pytest

from roamwire.tokens import Token
from sessionhost.adapters import audit_log
from sessionhost.adapters.audit_client import NoAnswerError
from sessionhost.adapters.audit_log import AuditLog
from sessionhost.adapters.keyfiles import load_secret
from sessionhost.app import roamctl_audit_group
from sessionhost.app.roamctl import main
from sessionhost.app.roamctl_status import HostdAwayError
from sessionhost.core.audit import Record

CARD = Token("uid", "04a1b2c3")


class Others:
    """s2 and s3, as hostd names them; `logs` has their lines, or why there are none."""

    def __init__(self, folder, key):
        self.folder = folder
        self.key = key
        self.logs = {}
        self.asked = []
        self.timeoff = 1

    def log(self, host):
        """What is written there is what the server answers."""
        path = self.folder / f"{host}.jsonl"
        self.logs[host] = path
        return AuditLog(path, host, self.key)

    @contextlib.contextmanager
    def read_log(self, server, _tls, _secrets, *, host, by, since):
        self.asked.append((server.host, server.addresses, server.port, host, since))
        assert by
        found = self.logs[server.host]
        if isinstance(found, str):
            raise NoAnswerError(found)
        yield iter(found.read_text().splitlines())

    def hostd(self, _path, question):
        assert question == "servers"
        servers = [
            {"host": host, "addresses": [f"10.0.0.{host[1:]}"], "port": 7009,
             "timeoff": self.timeoff}
            for host in self.logs
        ]  # fmt: skip
        return json.dumps({"servers": servers}).encode()


@pytest.fixture
def config(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(audit_log, "JOURNAL", tmp_path / "no journal here")
    etc = tmp_path / "etc"
    assert main(["group", "create", "--dir", str(tmp_path / "group"), "--name", "lab"]) == 0
    issue = ("server", "issue", "s1", "--group", str(tmp_path / "group"), "--out", str(etc))
    assert main(list(issue)) == 0
    (tmp_path / "state").mkdir()
    path = etc / "server.toml"
    path.write_text(
        'host = "s1"\ngroup_dir = "group"\nstate_dir = "../state"\nrun_dir = "run"\n'
        'identity_cert = "server.crt"\nidentity_key = "server.key"\n'
    )
    capsys.readouterr()
    return path


@pytest.fixture
def others(tmp_path, config, monkeypatch):
    """The story: a card at s2, then here, then at s3."""
    key = load_secret(config.parent / "group" / "audit.key")
    made = Others(tmp_path, key)
    monkeypatch.setattr(roamctl_audit_group, "read_log", made.read_log)
    monkeypatch.setattr(roamctl_audit_group, "ask", made.hostd)
    own = AuditLog(tmp_path / "state" / "audit.jsonl", "s1", key)
    for log, what, decision in (
        (made.log("s2"), "insert", "accepted"),
        (own, "redirect", "sent"),
        (made.log("s3"), "session", "shown"),
    ):
        log.write(Record(what, decision, "alice", CARD, "desk1"))
        log.write(Record("card", "out", "", None, "desk9"))
        log.close()
    return made


@pytest.fixture
def run(config, others, capsys):
    def run_one(*words, status=0):
        assert main(["audit", "--group", *map(str, words), "--config", str(config)]) == status
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    return run_one


def test_a_card_is_followed_over_the_servers(run, others):
    found = json.loads(run("--card", CARD, "--json"))
    story = [(each["server"], each["what"], each["decision"]) for each in found["records"]]
    assert sorted(story) == [
        ("s1", "redirect", "sent"), ("s2", "insert", "accepted"), ("s3", "session", "shown"),
    ]  # fmt: skip
    whens = [each["when"] for each in found["records"]]
    assert whens == sorted(whens)
    assert (found["complete"], found["whole"]) == (True, True)
    assert [each["server"] for each in found["servers"]] == ["s1", "s2", "s3"]
    assert sorted(others.asked) == [
        ("s2", ["10.0.0.2"], 7009, "s1", ""), ("s3", ["10.0.0.3"], 7009, "s1", ""),
    ]  # fmt: skip
    words = run("--card", CARD)
    assert "s3: 2 records, whole" in words
    assert " s2 insert accepted alice uid:" in words


def test_who_does_not_answer_is_named_and_the_rest_is_told(run, others):
    others.logs["s3"] = "did not answer: No route to host"
    words = run("--card", CARD)
    assert "s3 did not answer: No route to host" in words
    assert " s2 insert accepted" in words
    found = json.loads(run("--json"))
    assert found["complete"] is False
    assert [each["answered"] for each in found["servers"]] == [True, True, False]
    told = run("--verify", status=1)
    assert "not every log is there and whole" in told
    assert "s3 did not answer" in told


def test_each_chain_is_verified_and_the_flaw_named(run, others):
    assert "s2: 2 records, whole" in run("--verify")
    lines = others.logs["s2"].read_text().splitlines(keepends=True)
    others.logs["s2"].write_text(lines[0].replace("alice", "carol") + lines[1])
    words = run("--card", CARD)
    assert "s2: 2 records, NOT WHOLE\n  line 1: record 1 was changed" in words
    found = json.loads(run("--json"))
    assert (found["complete"], found["whole"]) == (True, False)
    assert "record 1 was changed" in run("--verify", status=1)
    others.logs["s2"].write_text("nonsense\n" * 9)
    assert "and 4 more" in run("--verify", status=1)


def test_records_of_another_host_in_a_servers_log_are_told(run, others):
    others.logs["s2"] = others.logs["s3"]
    words = run()
    assert "s2: 2 records, whole, with records of s3" in words
    found = json.loads(run("--json"))
    assert {each["server"] for each in found["records"]} == {"s1", "s2", "s3"}


def test_a_clock_that_is_wrong_is_told(run, others):
    assert "clock" not in run()
    others.timeoff = -40
    assert "s3: 2 records, whole, its clock is -40 s from ours" in run()


def test_since_is_asked_of_the_servers_and_filtered_here(run, others):
    assert json.loads(run("--since", "2999-01-01", "--json"))["records"] == []
    assert [each[-1] for each in others.asked] == ["2999-01-01"] * 2
    assert len(json.loads(run("--since", "1h", "--json"))["records"]) == 6


def test_without_hostd_or_with_files_it_says_so(run, monkeypatch, tmp_path):
    assert "name no files" in run(tmp_path / "a.jsonl", status=1)
    monkeypatch.setattr(roamctl_audit_group, "ask", lambda _p, _q: b'{"error": "the questions"}')
    assert "restart it" in run(status=1)

    def away(_path, _question):
        raise HostdAwayError("hostd is not running here")

    monkeypatch.setattr(roamctl_audit_group, "ask", away)
    assert "hostd is not running here" in run(status=1)


def test_without_the_servers_key_nobody_is_asked(run, others, config):
    (config.parent / "server.key").unlink()
    assert "server.key" in run(status=1)
    assert others.asked == []


def test_the_servers_secret_may_be_hostds_and_nobody_elses(run, config, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("needs root to give files away")
    secret = config.parent / "group" / "secret"
    os.chown(secret, 1, 1)
    assert "belongs to user 1" in run(status=1)
    config.write_text(config.read_text() + f'host_user = "{pwd.getpwuid(1).pw_name}"\n')
    assert "s2: 2 records, whole" in run()
