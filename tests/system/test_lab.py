"""The lab itself: what it gives, and that nothing of it is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.system import footprint

from roamtools.lab import kernel, plan
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

pytestmark = pytest.mark.system

LAB = [sys.executable, "-m", "roamtools.lab"]


def wait_for(condition, seconds=20.0, what="it"):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)
    return value


def cli(*arguments, expect=0):
    done = subprocess.run(
        [*LAB, *arguments], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture
def unchanged():
    """The machine is after the test what it was before."""
    before = footprint.machine()
    yield
    assert footprint.machine() == before


@pytest.fixture(scope="module")
def bare():
    """Two servers and a desk without our daemons."""
    with Lab("lab-test") as lab:
        lab.up(2, 1, tied=True, with_daemons=False)
        yield lab


def test_up_status_down_leaves_nothing(unchanged):
    name = "lab-cli"
    up = json.loads(cli("up", "--servers", "1", "--desks", "1", "--name", name, "--json").stdout)
    assert [node["name"] for node in up["nodes"]] == ["server1", "desk1"]
    assert "already" in cli("up", "--name", name, expect=1).stderr
    status = json.loads(cli("status", "--name", name, "--json").stdout)
    server, desk = status["nodes"]
    assert [p["name"] for p in server["processes"]] == ["launcherd", "displayd", "hostd"]
    assert all(p["running"] for node in (server, desk) for p in node["processes"])
    assert desk["address"].startswith("10.77.0.1")
    known = footprint.processes(name)
    assert len(known) >= 3 + 1 + 4 + 3
    down = json.loads(cli("down", "--name", name, "--json").stdout)
    assert down == {"lab": name}
    assert footprint.left_behind(name, known) == []
    assert "no lab" in cli("down", "--name", name, expect=1).stderr


@pytest.fixture
def interruptible():
    """What a script runs in the background ignores SIGINT, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("unchanged", "interruptible")
@pytest.mark.parametrize("stage", ["keeper.sock", "nodes/server1", "nodes/desk1/jobs.json"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(stage, number):
    name = f"interrupt-{os.getpid()}"
    command = subprocess.Popen(
        [*LAB, "up", "--servers", "1", "--desks", "1", "--name", name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_for((plan.lab_root() / name / stage).exists, what=stage)
        known = footprint.processes(name)
        os.killpg(command.pid, number)  # as the terminal does: to the command and its children
        _, errors = command.communicate(timeout=30)
        assert command.returncode == 130, errors
        # A child that was killed with it may still be on its way out.
        wait_for(lambda: footprint.left_behind(name, known) == [], 3, "the last one's end")
    finally:
        if (plan.lab_root() / name).exists():  # a lab that stays would fail the next ones too
            cli("down", "--name", name)


def test_an_up_that_is_killed_leaves_nothing_running(unchanged):
    name = "lab-killed"
    command = subprocess.Popen(
        [*LAB, "up", "--servers", "2", "--desks", "1", "--name", name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for((plan.lab_root() / name / "nodes/server1/init.sock").exists)
    known = footprint.processes(name)
    command.kill()
    command.wait()
    known.pop(command.pid, None)
    wait_for(lambda: footprint.left_behind(name, known) == [])


def test_a_lab_ends_with_the_process_that_it_is_tied_to(unchanged):
    name = "lab-tied"
    code = (
        "import os; from roamtools.lab.lab import Lab\n"
        f"Lab({name!r}).up(1, 0, tied=True, with_daemons=False); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    wait_for(lambda: footprint.left_behind(name, {}) == [])


def test_a_killed_keeper_takes_everything_with_it(unchanged):
    name = "lab-keeper"
    with Lab(name) as lab:
        lab.up(1, 1, with_daemons=False)
        known = footprint.processes(name)
        os.kill(lab.status()["pid"], signal.SIGKILL)
        wait_for(lambda: not footprint.processes(name))
        lab.up(1, 0, with_daemons=False)
    assert footprint.left_behind(name, known) == []


def test_two_labs_side_by_side(bare):
    with Lab("lab-other") as other:
        other.up(1, 1, tied=True, with_daemons=False)
        for lab in (bare, other):
            assert lab.node("server1")["address"] == "10.77.0.11"
            lab.run("server1", ["touch", f"/run/{lab.name}", f"/home/alice/{lab.name}"])
        assert "lab-test" not in other.run("server1", ["ls", "/run", "/home/alice"]).stdout
        other.insert("desk1", "A")
        assert other.card("desk1") == plan.CARDS["A"].number
        assert bare.card("desk1") is None
        other.kill("server1")
        assert bare.node("server1")["power"]
    assert bare.node("server1")["power"]


def test_a_server_sees_its_own_machine(bare):
    script = "hostname; id -un; getent passwd alice; ls /home; cat /etc/hostname; ls -A /root"
    told = bare.run("server2", ["sh", "-c", script], user="roamdesk").stdout.split("\n")
    assert told[:2] == ["server2", "roamdesk"]
    assert told[2].startswith("alice:x:62001:")
    assert told[3:7] == ["alice", "bob", "carol", "server2"]


def test_keys_are_only_for_the_daemons(bare):
    def readable(path, user):
        return bare.run("server1", ["test", "-r", path], user=user).returncode == 0

    key, secret = "/etc/roamdesk/server.key", "/etc/roamdesk/group/secret"
    assert readable(key, "roamdesk")
    assert readable(key, "roamdesk-display")
    assert readable(secret, "roamdesk")
    assert not readable(secret, "roamdesk-display")
    assert not readable(key, "alice")
    assert not readable(secret, "alice")
    assert bare.run("server1", ["find", "/etc/roamdesk/", "-name", "ca.key"]).stdout == ""
    assert not readable("/home/bob", "alice")


def test_homes_are_shared_and_everything_else_is_not(bare):
    bare.run("server1", ["sh", "-c", "echo x >/home/alice/shared; echo x >/tmp/own"], user="alice")
    assert bare.run("server2", ["cat", "/home/alice/shared"], user="alice").stdout == "x\n"
    assert bare.run("server2", ["test", "-e", "/tmp/own"]).returncode == 1


def reaches(lab, source, target):
    """Whether ARP finds the target: no program of ours has to answer."""
    script = f"ip neigh flush all; echo x >/dev/udp/{target}/9; sleep 0.3; ip neigh show {target}"
    return "REACHABLE" in lab.run(source, ["bash", "-c", script]).stdout


def test_a_cut_link_is_silent_and_keeps_its_carrier(bare):
    assert reaches(bare, "server2", "10.77.0.11")
    bare.cut("server1")
    try:
        assert not reaches(bare, "server2", "10.77.0.11")
        assert bare.run("server1", ["cat", "/sys/class/net/eth0/carrier"]).stdout == "1\n"
        assert bare.node("server1")["link"] is False
    finally:
        bare.heal("server1")
    assert reaches(bare, "server2", "10.77.0.11")


def test_kill_ends_every_process_and_heal_powers_on_again(bare):
    bare.run("server2", ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & touch /tmp/mark"])
    init = bare.node("server2")["init"]
    namespace = os.readlink(f"/proc/{init}/ns/pid")
    deadline = time.monotonic() + 10
    while not any("sleep 1000" in c for c in footprint.processes(bare.name).values()):
        assert time.monotonic() < deadline, "the program that is to be killed does not start"
        time.sleep(0.05)
    inside = footprint.processes(bare.name)
    at = bare.kill("server2")
    assert 0 <= time.monotonic() - at < 5
    assert bare.node("server2")["power"] is False
    left = [pid for pid in inside if os.path.exists(f"/proc/{pid}")]
    assert not [pid for pid in left if os.readlink(f"/proc/{pid}/ns/pid") == namespace]
    with pytest.raises(Refusal, match="off"):
        bare.run("server2", ["true"])
    bare.heal("server2")
    assert bare.run("server2", ["test", "-e", "/tmp/mark"]).returncode == 1
    assert bare.run("server2", ["test", "-r", "/var/lib/roamdesk/registry.sqlite"]).returncode == 0


def test_what_cannot_be_done_is_refused_in_words(bare):
    for wrong, words in (
        (lambda: bare.insert("desk9", "A"), "there is no 'desk9'"),
        (lambda: bare.insert("server1", "A"), "is no desk"),
        (lambda: bare.kill("desk1"), "is no server"),
        (lambda: bare.insert("desk1", "A", mode="wet"), "unknown mode"),
        (lambda: bare.stop_process("desk1", "nothing"), "no process"),
    ):
        with pytest.raises(Refusal, match=words):
            wrong()
    with pytest.raises(ValueError, match="no card"):
        bare.insert("desk1", "Z")
    with pytest.raises(ValueError, match="no name"):
        Lab("../etc")


def test_commands_of_the_command_line(bare):
    name = ("--name", bare.name)
    inserted = json.loads(cli("insert", "desk1", "B", *name, "--json").stdout)
    assert inserted["card"] == plan.CARDS["B"].number
    assert json.loads(cli("remove", "desk1", *name, "--json").stdout)["desk"] == "desk1"
    assert cli("run", "server1", *name, "--", "hostname").stdout == "server1\n"
    assert cli("run", "server1", *name, "--", "sh", "-c", "exit 3", expect=3)
    assert "lease of" in cli("logs", "desk1", "udhcpc", *name).stdout
    assert "power on, link up" in cli("status", *name).stdout
    failed = cli("kill", "server9", *name, "--json", expect=1)
    assert "no 'server9'" in json.loads(failed.stdout)["error"]


def test_a_clone_that_only_root_can_reach(unchanged):
    """As under /root: the daemons are not root and must be able to read the code."""
    closed = plan.project_root().parent
    script = f"""
        mount --bind {plan.project_root()} /mnt
        mount -t tmpfs -o mode=700 closed {closed}
        mkdir {plan.project_root()} && mount --bind /mnt {plan.project_root()}
        trap '{sys.executable} -m roamtools.lab down --name lab-closed' EXIT
        {sys.executable} -m roamtools.lab up --servers 1 --desks 0 --name lab-closed
    """
    command = ["unshare", "-m", "sh", "-e", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "server1 is ready" in done.stderr


def test_daemons_come_back_with_restart_and_by_themselves():
    with Lab("lab-restart") as lab:
        lab.up(1, 0, tied=True)

        def pids():
            processes = lab.status()["nodes"][0]["processes"]
            return {p["name"]: p["pid"] for p in processes if p["running"]}

        for hard in (False, True):
            before = pids()
            lab.restart("server1", hard=hard)
            lab.wait_ready("server1")
            assert pids().keys() == before.keys()
            assert not set(pids().values()) & set(before.values())
        before = pids()
        lab.run("server1", ["kill", "-9", str(before["displayd"])])
        wait_for(lambda: pids().get("displayd") not in (None, before["displayd"]))


def test_a_desk_that_starts_before_any_server_and_a_server_with_a_wrong_secret():
    with Lab("lab-late") as lab:
        lab.up(0, 1, tied=True)
        assert lab.servers() == []
        assert lab.desk_state("desk1")["state"] != "connected"
        lab.add_server(wrong_secret=True)
        good = lab.add_server()
        wait_for(lambda: lab.desk_state("desk1")["state"] == "connected", what="a connection")
        assert good == "server2"
        seen = {
            host["host"]: host["trusted"]
            for host in wait_for(
                lambda: next(n for n in lab.status(deep=True)["nodes"] if n["name"] == good)[
                    "tells"
                ]["topology"]
            )
        }
        assert seen == {"server1": False}


def test_namespaces_of_the_test_process_are_its_own_again():
    own = os.readlink("/proc/self/ns/net")
    descriptor = kernel.new_network_namespace()
    try:
        assert os.readlink("/proc/self/ns/net") == own
        assert os.readlink(f"/proc/self/fd/{descriptor}") != own
    finally:
        os.close(descriptor)
    assert Path("/proc/self/ns/net").exists()
