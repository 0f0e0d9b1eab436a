"""What the launcher refuses, and the lines on its socket."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.launcher_client import SessionOrder
from sessionhost.adapters.order_socket import (
    MAX_ORDER_BYTES,
    encode_order,
    parse_order,
    required,
    whole,
)
from sessionhost.adapters.session_spawn import leader_command, spawn_in_systemd
from sessionhost.app import launcherd
from sessionhost.app.config import load_config
from sessionhost.core.launching import OrderError, check_account, check_order


def test_a_usual_order_passes():
    check_order("a-1_B", "desktop", 1280, 800)
    check_account("alice", 1000, {990})


def test_no_daemons_user_gets_a_session_or_a_password_looked_at(tmp_path, monkeypatch):
    """Whatever the users' numbers are: an administrator may have made them as people."""
    names = ("roamdesk", "roamdesk-display", "roamdesk-enrol")
    accounts = {
        name: SimpleNamespace(pw_name=name, pw_uid=uid, pw_gid=uid)
        for uid, name in enumerate(names, 2001)
    }
    monkeypatch.setattr(launcherd, "unix_user", lambda name, setting: accounts[name])
    monkeypatch.setattr(launcherd.pwd, "getpwnam", accounts.__getitem__)
    monkeypatch.setattr(launcherd.os, "getgrouplist", lambda name, gid: [2001])
    (tmp_path / "server.toml").write_text('host = "s1"\n')
    launcher = launcherd.Launcher(load_config(tmp_path / "server.toml"), lambda *_: None)
    for name in names:
        with pytest.raises(OrderError, match="not a person's account"):
            launcher._launch(SessionOrder("s1", name, "uid:04a1", "desktop", 1280, 800))
    assert launcher._passwords._command[-3:] == ("2001", "2002", "2003")


@pytest.mark.parametrize(
    ("session", "recipe", "width", "height"),
    [
        ("", "desktop", 1280, 800),
        ("../x", "desktop", 1280, 800),
        ("a" * 65, "desktop", 1280, 800),
        ("a\n", "desktop", 1280, 800),
        ("a", "../desktop", 1280, 800),
        ("a", "Desktop", 1280, 800),
        ("a", "desktop", 63, 800),
        ("a", "desktop", 1280, 8193),
    ],
)
def test_names_and_sizes_that_are_refused(session, recipe, width, height):
    with pytest.raises(OrderError, match="not allowed"):
        check_order(session, recipe, width, height)


@pytest.mark.parametrize(
    ("user", "uid"), [("root", 0), ("daemon", 1), ("nobody", 65534), ("gateway", 61001)]
)
def test_accounts_that_are_nobodys(user, uid):
    with pytest.raises(OrderError, match="not a person's account"):
        check_account(user, uid, {61001})


def test_an_order_reads_back():
    line = encode_order("start", session="a b", epoch=3)
    assert line == b"start session=a%20b epoch=3\n"
    assert parse_order(line) == ("start", {"session": "a b", "epoch": "3"})
    assert encode_order("list") == b"list\n"
    assert parse_order(b"list") == ("list", {})


@pytest.mark.parametrize("line", [b"x a", b"x \xff=1", b"x a=%zz", b"x " + b"a" * MAX_ORDER_BYTES])
def test_a_bad_order_is_the_other_ends_error(line):
    with pytest.raises(RemoteProtocolError):
        parse_order(line)


@pytest.mark.parametrize("text", ["", "-1", "x", "1" * 20, "11", "\u0661"])
def test_a_number_that_is_none(text):
    with pytest.raises(RemoteProtocolError):
        whole({"n": text}, "n", highest=10)


def test_under_systemd_a_session_is_a_unit_of_its_own(monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: started.append((command, how)))
    order = SessionOrder("s1", "alice", "uid:04", "desktop", 1280, 800)
    command = leader_command(order, Path("/r/desktop.toml"), Path("/run/s1"))
    spawn_in_systemd(command, 6, 7, "s1")
    (line, how) = started[0]
    assert line[0] == "systemd-run"
    assert "--unit=roamdesk-session-s1" in line
    assert line[line.index("--") + 1 :] == command
    assert (how["stdin"], how["stdout"]) == (6, 7)
    assert "user=alice" in command
    assert command[1:3] == ["-I", "-S"]


def test_what_an_order_must_have():
    assert required({"a": "b"}, "a") == "b"
    assert whole({"n": "7"}, "n") == 7
    with pytest.raises(RemoteProtocolError):
        required({"a": ""}, "a")
    with pytest.raises(RemoteProtocolError):
        whole({}, "n")
