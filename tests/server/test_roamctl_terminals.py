"""roamctl on terminals and invitations, command by command."""

import base64
import json

import pytest

from roamwire.enrolment import Join
from sessionhost.adapters.invitations import Invitations, parse_token, unseal
from sessionhost.adapters.pki import load_ca
from sessionhost.adapters.terminal_store import TerminalStore
from sessionhost.app import roamctl_join
from sessionhost.app.enrold import code_hash
from sessionhost.app.roamctl import main
from sessionhost.core.enrolment import Known, Request

KEY = "1a2b" * 16


@pytest.fixture
def run(capsys, tmp_path):
    (tmp_path / "server.toml").write_text('host = "s1"\nenrol_dir = "enrol"\ngroup_dir = "group"\n')
    (tmp_path / "enrol").mkdir()

    def run_one(*words, status=0) -> str:
        config = ("--config", tmp_path / "server.toml")
        assert main([str(word) for word in (*words, *config)]) == status
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    return run_one


@pytest.fixture
def store(tmp_path, run):
    with TerminalStore(tmp_path / "enrol") as found:
        yield found


def test_a_terminal_is_listed_and_approved(run, store):
    assert "no terminal is known" in run("dtu", "list")
    store.wait(Request("desk1", KEY), "10.0.0.1", "Pi 4", 0)
    assert "desk1  waits  1a2b-1a2b-1a2b-1a2b  10.0.0.1" in run("dtu", "list")
    told = json.loads(run("dtu", "approve", "desk1", "--json"))
    assert told == {"name": "desk1", "fingerprint": "1a2b-1a2b-1a2b-1a2b"}
    assert json.loads(run("dtu", "list", "--json"))[0]["state"] == "known"
    assert "no terminal waits" in run("dtu", "approve", "desk1", status=1)


def test_a_terminal_is_turned_away_and_forgotten(run, store):
    store.wait(Request("desk1", KEY), "10.0.0.1", "", 0)
    assert "turned away" in run("dtu", "deny", "desk1")
    run("dtu", "approve", "desk1", "--key", "1a2b")
    assert "no other certificate" in run("dtu", "deny", "desk1")
    run("dtu", "forget", "desk1")
    assert "there is no terminal" in run("dtu", "forget", "desk1", status=1)


def test_a_terminal_is_announced_with_a_code(run, store):
    code = json.loads(run("dtu", "preregister", "desk1", "--json"))["code"]
    assert len(code.replace("-", "")) == 16
    assert store.known("desk1", KEY, 0) == Known("", code_hash(code.upper().replace("-", "")))
    assert "is not a name" in run("dtu", "preregister", "a b", status=1)
    assert "--days" in run("dtu", "preregister", "desk1", "--days", "0", status=1)


@pytest.fixture
def group(run, tmp_path):
    run("group", "create", "--dir", tmp_path / "group", "--name", "lab")
    return tmp_path / "group"


def test_a_server_is_invited(run, group, tmp_path):
    told = json.loads(run("server", "invite", "s2", "--group", group, "--at", "10.0.0.1", "--json"))
    token = parse_token(told["token"])
    kept = json.loads((tmp_path / "enrol" / "invitations" / token.id).read_text())
    files = unseal(token, base64.b64decode(kept["envelope"]))
    assert files.keys() == {
        *("server.crt", "server.key", "host", "group/ca.crt", "group/secret"),
        *("group/desk-ca.crt", "group/desk-ca.key", "group/audit.key", "group/policy.toml"),
    }
    assert b"ca.key" not in files["group/ca.crt"]
    out = run("server", "invite", "s3", "--group", group, "--at", "h", "--out", tmp_path / "o")
    assert "copy" in out


def test_a_new_server_gets_its_files(run, group, tmp_path, monkeypatch):
    told = json.loads(run("server", "invite", "s2", "--group", group, "--at", "10.0.0.1", "--json"))
    invited = Invitations(tmp_path / "enrol" / "invitations")

    def fetch(token):
        return invited.take(Join(token.id, token.claim), 0)

    monkeypatch.setattr(roamctl_join, "fetch", fetch)
    out = tmp_path / "etc"
    run("server", "join", told["token"], "--out", out)
    assert (out / "group" / "ca.crt").read_bytes() == (group / "ca.crt").read_bytes()
    assert (out / "server.toml").read_text() == 'host = "s2"\n'
    assert oct((out / "server.key").stat().st_mode)[-3:] in ("600", "640")
    assert load_ca(group)
    assert "--force" in run("server", "join", told["token"], "--out", out, status=1)
    assert "copy all of it" in run("server", "join", "x", "--out", tmp_path / "x", status=1)


def test_an_envelope_writes_nowhere_else(run, group, tmp_path, monkeypatch):
    told = json.loads(run("server", "invite", "s2", "--group", group, "--at", "h", "--json"))
    monkeypatch.setattr(roamctl_join, "fetch", lambda token: b"")
    monkeypatch.setattr(roamctl_join, "unseal", lambda token, data: {"../x": b"", "host": b"s2"})
    assert "none of the group's" in run(
        "server", "join", told["token"], "--out", tmp_path / "etc", status=1
    )
    assert not (tmp_path / "x").exists()


def test_the_ca_is_rotated_in_three_steps(run, group):
    assert "--prepare" in run("group", "rotate-ca", "--dir", group, status=1)
    assert "the next CA is ready" in run("group", "rotate-ca", "--dir", group, "--prepare")
    assert json.loads(run("group", "rotate-ca", "--dir", group, "--json"))["step"] == "rotated"
    assert "trusted no more" in run("group", "rotate-ca", "--dir", group, "--finish")
    assert "no rotation" in run("group", "rotate-ca", "--dir", group, "--finish", status=1)
