"""roamctl, command by command, as a person or a program calls it."""

import json
import pwd

import pytest

from sessionhost.adapters.keyfiles import load_secrets
from sessionhost.app.roamctl import main
from sessionhost.app.roamctl_answer import RoamctlError, day
from sessionhost.app.roamctl_status import parse_status, status_lines


@pytest.fixture(autouse=True)
def known_users(monkeypatch):
    entries = {"root": 0, "toor": 0, "alice": 1001}

    def getpwnam(name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", entries[name], 1, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)


def test_a_server_gets_its_identity_and_no_ca_key(group, tmp_path, run):
    out = tmp_path / "s1"
    written = json.loads(run("server", "issue", "s1", "--group", group, "--out", out, "--json"))
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    files = ("ca.crt", "secret", "audit.key", "policy.toml", "desk-ca.crt", "desk-ca.key")
    assert names == {"server.crt", "server.key", *(f"group/{name}" for name in files)}
    assert len(written["written"]) == len(names)


def test_a_terminal_gets_no_secret(group, tmp_path, run):
    run("dtu", "issue", "desk1", "--group", group, "--out", tmp_path / "d")
    assert {path.name for path in (tmp_path / "d").iterdir()} == {"ca.crt", "dtu.crt", "dtu.key"}


def test_a_key_is_replaced_only_by_force(group, tmp_path, run, fails):
    issue = ("dtu", "issue", "desk1", "--group", group, "--out", tmp_path / "d")
    run(*issue)
    assert "--force" in fails(*issue)
    run(*issue, "--force")


def test_a_group_is_not_made_twice(group, fails):
    assert "holds a group already" in fails("group", "create", "--dir", group, "--name", "x")


def test_rotation(group, tmp_path, run):
    before = load_secrets(group)
    assert "export it to every server, then rotate" in run(
        "group", "rotate-secret", "--dir", group, "--prepare"
    )
    run("group", "export", "--dir", group, "--out", tmp_path / "out")
    assert load_secrets(tmp_path / "out").current == before.current
    assert json.loads(run("group", "rotate-secret", "--dir", group, "--json"))["was_prepared"]
    assert load_secrets(group).previous == before.current
    assert "do not trust each other" in run("group", "rotate-secret", "--dir", group)


def test_tokens_from_birth_to_death(registry, run):
    assert run("token", "list", *registry) == "no tokens are registered\n"
    run("token", "add", "uid:04a1", "alice", "--label", "blue", "--recipe", "kiosk", *registry)
    run("token", "disable", "uid:04a1", *registry)
    lines = run("token", "list", *registry).splitlines()
    assert lines[1].split()[:3] == ["uid:04a1", "alice", "disabled"]
    assert lines[1].endswith("kiosk   blue")
    run("token", "enable", "uid:04a1", *registry)
    (entry,) = json.loads(run("token", "list", "--json", *registry))["tokens"]
    assert entry["enabled"] is True
    assert json.loads(run("user", "list", "--json", *registry))["users"][0]["tokens"] == 1
    assert "alice" in run("user", "list", *registry)
    assert run("token", "remove", "uid:04a1", *registry) == "uid:04a1 is forgotten\n"


def test_a_user_who_is_not_here_is_noted(registry, run):
    assert "note: this machine has no user bob" in run("token", "add", "uid:1", "bob", *registry)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "04a1", "alice"), "is not a token"),
        (("add", "uid:1", "root"), "must not open a session of root"),
        (("add", "uid:1", "toor"), "must not open a session of root"),
        (("add", "uid:1", "A b"), "the user is not a Unix user's name"),
        (("add", "uid:1", "alice", "--recipe", "../x"), "the recipe is not a recipe's name"),
        (("add", "uid:1", "alice", "--label", "a\nb"), "a label is one line"),
        (("remove", "uid:1"), "is not registered"),
    ],
)
def test_wrong_token_commands_are_told(registry, fails, words, told):
    assert told in fails("token", *words, *registry)


def test_errors_are_json_when_asked(registry, capsys):
    assert main(["token", "remove", "uid:1", "--json", *map(str, registry)]) == 1
    assert "not registered" in json.loads(capsys.readouterr().out)["error"]


def test_the_registry_is_found_by_the_config(tmp_path, run, fails):
    config = tmp_path / "server.toml"
    config.write_text('host = "s1"\nstate_dir = "state"')
    assert "start the server once" in fails("token", "list", "--config", config)
    (tmp_path / "state").mkdir()
    run("token", "list", "--config", config)
    assert (tmp_path / "state" / "registry.sqlite").exists()


def test_show_config(tmp_path, run, fails):
    config = tmp_path / "server.toml"
    config.write_text('host = "s1"')
    assert 'host = "s1"' in run("show-config", "--config", config)
    assert json.loads(run("show-config", "--config", config, "--json"))["control_port"] == 7009
    config.write_text("hots = 1")
    assert "did you mean 'host'" in fails("show-config", "--config", config)


HOST05 = {
    "host": "host05",
    "lastseen": 4,
    "timeoff": 0,
    "addr": "8190a705",
    "trusted": True,
    "down": False,
    "load": 0,
    "sessions": 1,
    "dtus": 2,
    "drain": False,
    "policy": "",
    "from_the_future": 1,
    "interfaces": [
        {
            "interface": "ge0",
            "ip": "c0a88001",
            "mask": "ffffff00",
            "bcast": "c0a880ff",
            "lastpkt": 4,
            "down": False,
        }
    ],
}


def test_the_topology_looks_like_table_a():
    lines = list(status_lines({"host": "s1", "registry": "", "topology": [HOST05]}))
    assert lines == [
        "host s1",
        "",
        "Host host05 lastseen 4 timeoff 0 addr 8190a705 numifs 1 TRUSTED",
        "interface ge0 ip c0a88001 mask ffffff00 bcast c0a880ff lastpkt 4",
        "",
        "no sessions",
        "",
        "no terminals are connected",
    ]


def test_sessions_and_terminals_are_listed():
    session = {"session": "a1", "user": "alice", "token": "uid:1", "epoch": 3, "dtu": None}
    dtus = [{"dtu": "desk1", "address": "10.0.0.9"}]
    text = "\n".join(status_lines({"sessions": [session], "dtus": dtus, "ways": {"eth0": "up"}}))
    assert 'ways {"eth0": "up"}' in text
    assert "no other server has been heard" in text
    assert "a1       alice  uid:1  -       3      -" in text
    assert "desk1  10.0.0.9" in text


@pytest.mark.parametrize(
    ("answer", "told"), [(b"", "cut off"), (b'{"a"', "cut off"), (b"[]", "not an object")]
)
def test_an_answer_that_is_none_is_told(answer, told):
    with pytest.raises(RoamctlError, match=told):
        parse_status(answer)


def test_an_answer_of_another_version_is_told():
    with pytest.raises(RoamctlError, match="another version"):
        list(status_lines({"topology": [{"host": "s1"}]}))


def test_days_are_in_utc():
    assert day(0) == "1970-01-01 00:00"
