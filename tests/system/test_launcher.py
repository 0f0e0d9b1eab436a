"""Sessions as their users, with the real X server and programs, and daemons that are killed."""

import os
import signal
import stat
import time
from pathlib import Path

import pytest
from host_side import host_side
from rfb_probe import RfbProbe, painted
from server_box import server_box, wait_for

from sessionhost.adapters.launcher_client import (
    LauncherUnavailable,
    RunningSession,
    SessionEnded,
    SessionFailed,
    SessionReady,
)

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def box():
    with server_box() as made:
        made.start("launcherd")
        yield made


@pytest.fixture
def host(box):
    with host_side(box) as side:
        wait_for(lambda: side.launcher.connected, what="connection to launcherd")
        yield side
        for session in side.running():
            side.stop(session.session)
        wait_for(lambda: len(box.processes()) <= 2, what=f"all ended: {box.processes()}")


def inode_reachable(box, path, user):
    """Whether `user` can connect to the socket at `path`."""
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
    return box.run("/usr/bin/python3", "-c", code, user=user).returncode == 0


def test_a_desktop_is_painted_by_the_users_own_programs(box, host):
    rfb = host.ready("s1")
    probe = RfbProbe.at(rfb)
    probe.until(painted)
    probe.close()
    for words in ("Xtigervnc", "openbox", "xterm", "l3afpad"):
        pids = box.find(words)
        assert pids, words
        assert {box.processes()[pid][0] for pid in pids} == {2001}


def test_text_typed_into_the_editor_is_saved_in_the_home(box, host):
    notes = box.home("alice") / "notes.txt"
    notes.unlink(missing_ok=True)
    probe = RfbProbe.at(host.ready("s1"))
    probe.until(painted)
    probe.type("hello from the editor")
    probe.control("s")
    wait_for(lambda: notes.exists() and "hello from" in notes.read_text(), what="saved")
    probe.close()
    assert notes.stat().st_uid == 2001


def layout(box):
    """The layout of Alice's session, as her own programs see it."""
    pid, *_ = box.find("xterm")
    environment = dict(
        each.split("=", 1) for each in Path(f"/proc/{pid}/environ").read_text().split("\0") if each
    )
    asked = [f"{key}={environment[key]}" for key in ("DISPLAY", "XAUTHORITY")]
    told = box.run("env", *asked, "setxkbmap", "-query", user="alice").stdout
    return dict(line.split(":", 1) for line in told.splitlines()).get("layout", "").strip()


def test_a_session_takes_the_keyboard_layouts_that_it_is_told(box, host):
    probe = RfbProbe.at(host.ready("s1"))
    probe.until(painted)
    probe.close()
    for wanted in ("de", "fr", "de(nodeadkeys)"):
        host.set_keyboard("s1", wanted)
        wait_for(lambda wanted=wanted: layout(box) == wanted, what=wanted)
    for name in ("us", "ru", "us", "ru", "us"):  # faster than setxkbmap is
        host.set_keyboard("s1", name)
    wait_for(lambda: layout(box) == "us", what="the last one")
    host.set_keyboard("s1", "xx")
    wait_for(lambda: "keyboard layout xx is not known here" in box.log("launcherd"), what="a word")
    assert layout(box) == "us"
    host.set_keyboard("s1", "de;id")
    wait_for(lambda: "is no XKB layout" in box.log("launcherd"), what="refused")
    host.set_keyboard("s7", "de")
    pipe = box.run_dir / "sessions" / "s1" / "keyboard"
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o600
    assert pipe.stat().st_uid == 0


def test_a_launcher_that_starts_again_still_reaches_sessions(box, host):
    host.ready("s1")
    wait_for(lambda: box.find("xterm"), what="a program to ask")
    box.end("launcherd")
    wait_for(lambda: not host.launcher.connected, what="the loss is noticed")
    box.start("launcherd")
    wait_for(lambda: host.launcher.connected, what="connected again")
    host.set_keyboard("s1", "de")
    wait_for(lambda: layout(box) == "de", what="de")


def test_nobody_but_root_and_the_gateway_opens_the_rfb_socket(box, host):
    rfb = Path(host.ready("s1"))
    assert stat.S_IMODE(rfb.parent.stat().st_mode) == 0o750
    assert inode_reachable(box, rfb, "roamdesk-display")
    for user in ("alice", "bob", "roamdesk"):
        assert not inode_reachable(box, rfb, user)


def test_users_do_not_reach_each_others_x_server(box, host):
    host.ready("s1", "alice")
    host.ready("s2", "bob")
    wait_for(lambda: len(box.find("xterm")) == 2, what="both desktops")
    own = f"XAUTHORITY={box.run_dir}/sessions/s1/user/Xauthority"
    sockets = Path(f"/proc/{box.first_pid()}/root/tmp/.X11-unix")
    displays = [entry.name[1:] for entry in sockets.iterdir()]
    assert len(displays) == 2

    def opens(user: str, display: str) -> bool:
        line = ("env", own, "xdpyinfo", "-display", f":{display}")
        return box.run(*line, user=user).returncode == 0

    assert [opens("alice", display) for display in displays].count(True) == 1
    assert not any(opens("bob", display) for display in displays)


def test_a_recipe_needs_no_rights_of_the_user(box, host):
    box.recipes.chmod(0o700)
    try:
        probe = RfbProbe.at(host.ready("s1"))
        probe.until(painted)
        probe.close()
    finally:
        box.recipes.chmod(0o755)


def test_a_killed_terminal_comes_back(box, host):
    host.ready("s1")
    first = wait_for(lambda: box.find("xterm"), what="xterm")[0]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: set(box.find("xterm")) - {first}, what="xterm again")
    assert "service terminal ended with -9; starting it again" in box.log("launcherd")


def test_a_service_that_cannot_run_is_given_up(box, host):
    recipe = '[[service]]\nname = "bad"\ncommand = ["/nonexistent"]\n'
    with_recipe(box, "bad", recipe)
    host.ready("s1", recipe="bad")
    wait_for(lambda: "given up after 5 deaths" in box.log("launcherd"), what="given up")
    assert box.find("Xtigervnc")


def with_recipe(box, name, text):
    """Puts a recipe beside the real ones, in the box's own folder of recipes."""
    (box.recipes / f"{name}.toml").write_text(text)


def test_stop_leaves_nothing_not_even_what_fled(box, host):
    with_recipe(
        box,
        "fugitive",
        '[[service]]\nname = "shell"\ncommand = ["sh", "-c", '
        "\"setsid sh -c 'trap : TERM HUP; while :; do sleep 1234; done' & \"]\nrequired = false\n",
    )
    host.ready("s1", recipe="fugitive")
    wait_for(lambda: box.find("sleep 1234"), what="the fugitive")
    assert host.stop("s1") == SessionEnded("s1", "stopped")
    assert not box.find("sleep 1234")
    assert not box.find("Xtigervnc")
    assert not (box.run_dir / "sessions" / "s1").exists()


def test_the_end_of_the_x_server_is_the_end_of_the_session(box, host):
    host.ready("s1")
    os.kill(box.find("Xtigervnc")[0], signal.SIGKILL)
    assert host.next_launcher_event() == SessionEnded("s1", "the X server ended")
    assert not box.find("openbox")


def test_a_killed_leader_takes_its_session_along(box, host):
    host.ready("s1")
    wait_for(lambda: box.find("xterm"), what="xterm")
    leader = next(
        pid for pid, (uid, line) in box.processes().items() if "session_leader" in line and uid == 0
    )
    os.kill(leader, signal.SIGKILL)
    assert isinstance(host.next_launcher_event(), SessionEnded)
    assert not box.find("xterm")
    assert not box.find("Xtigervnc")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_sessions_survive_the_daemon(box, host, number):
    rfb = host.ready("s1")
    before = set(box.find("Xtigervnc")) | set(wait_for(lambda: box.find("l3afpad")))
    (listed,) = host.running()
    box.end("launcherd", number)
    wait_for(lambda: not host.launcher.connected, what="the loss is noticed")
    with pytest.raises(LauncherUnavailable):
        host.stop("s1")
    box.start("launcherd")
    wait_for(lambda: host.launcher.connected, what="connected again")
    assert host.running() == (listed,)
    assert listed == RunningSession("s1", "alice", "uid:04a1b2", "desktop", rfb, listed.started_ms)
    assert set(box.find("Xtigervnc")) | set(box.find("l3afpad")) == before
    probe = RfbProbe.at(rfb)
    probe.until(painted)
    probe.close()
    assert host.stop("s1") == SessionEnded("s1", "stopped")
    assert not box.find("Xtigervnc")


def test_a_session_that_ended_meanwhile_is_not_listed(box, host):
    host.ready("s1")
    box.end("launcherd")
    os.kill(box.find("Xtigervnc")[0], signal.SIGKILL)
    wait_for(lambda: not box.find("session_leader"), what="the leader ends by itself")
    box.start("launcherd")
    wait_for(lambda: host.launcher.connected, what="connected again")
    assert host.running() == ()
    assert not (box.run_dir / "sessions" / "s1").exists()


def test_the_same_order_again_is_answered_and_changes_nothing(box, host):
    rfb = host.ready("s1")
    assert host.start("s1") == SessionReady("s1", rfb)
    assert len(box.find("Xtigervnc")) == 1


@pytest.mark.parametrize(
    ("user", "recipe", "words"),
    [
        ("nobody-here", "desktop", "there is no Unix user 'nobody-here'"),
        ("root", "desktop", "not a person's account"),
        ("alice", "absent", "No such file"),
        ("alice", "../desktop", "not allowed"),
        ("alice", "broken", "unknown key 'x'"),
    ],
)
def test_an_order_that_cannot_be_done_is_refused_in_words(box, host, user, recipe, words):
    with_recipe(box, "broken", "x = 1\n")
    event = host.start("s1", user, recipe)
    assert isinstance(event, SessionFailed)
    assert words in event.reason
    assert not box.find("Xtigervnc")


def test_a_daemons_user_with_a_persons_number_gets_nothing():
    with server_box() as made:
        with made.config.open("a") as file:
            file.write('enrol_user = "bob"\n')
        made.start("launcherd")
        with host_side(made) as side:
            wait_for(lambda: side.launcher.connected, what="connection to launcherd")
            event = side.start("s1", "bob")
            assert isinstance(event, SessionFailed)
            assert "user bob (uid 2002) is not a person's account" in event.reason


def test_an_x_server_that_does_not_start_says_why(box, host):
    namespace = f"/proc/{box.first_pid()}/root"
    tmp = Path(f"{namespace}/tmp/.X11-unix")
    tmp.chmod(0o755)
    try:
        event = host.start("s1")
    finally:
        tmp.chmod(0o1777)
    assert isinstance(event, SessionFailed)
    assert event.reason.startswith("the X server did not start: ")


def test_other_users_do_not_give_orders(box):
    code = (
        "import socket; s = socket.socket(socket.AF_UNIX);"
        f"s.connect('{box.run_dir}/launcher.sock');"
        "s.sendall(b'list\\n'); print(s.recv(99))"
    )
    assert box.run("/usr/bin/python3", "-c", code, user="roamdesk").stdout == "b'listed\\n'\n"
    assert "listed" not in box.run("/usr/bin/python3", "-c", code, user="bob").stdout
    assert "refused user 2002" in box.log("launcherd")


def test_a_second_launcher_says_that_there_is_one(box):
    answer = box.run(
        "/usr/bin/python3", "-m", "sessionhost.app.launcherd", "--config", str(box.config)
    )
    assert answer.returncode == 1
    assert "is it running already?" in answer.stderr


def test_new_sessions_are_fast(box, host):
    times = []
    for number in range(6):
        began = time.monotonic()
        probe = RfbProbe.at(host.ready(f"fast{number}"))
        probe.until(painted)
        times.append(time.monotonic() - began)
        probe.close()
        host.stop(f"fast{number}")
    print([round(value, 3) for value in times])
    assert sorted(times)[3] < 1.5
