"""A daemon is killed under a live session: the session, and where it can be the picture, stay."""

import os
import signal
import time

import pytest

from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import call

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def lab():
    with Lab(f"crash-{os.getpid()}") as lab:
        lab.up(servers=2, desks=1, tied=True)
        wait_until("desk1 is connected", lambda: lab.desk_state("desk1")["state"] == "connected")
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            trace.wait("first_frame", 20)
        yield lab


def crash(lab, server, daemon):
    order = {"op": "restart", "names": [daemon], "signal": int(signal.SIGKILL)}
    call(lab.node_dir(server) / "init.sock", order)


@pytest.mark.parametrize("daemon", ["hostd", "displayd", "launcherd"])
def test_the_same_session_goes_on(lab, daemon):
    before = lab.desk_state("desk1")
    assert before["session"]
    with lab.trace("desk1") as trace:
        crash(lab, before["server"], daemon)
        if daemon != "launcherd":
            assert trace.wait("first_frame", 20)["session"] == before["session"]
    time.sleep(1)
    after = lab.desk_state("desk1")
    assert (after["session"], after["server"]) == (before["session"], before["server"])


def test_a_new_session_starts_after_a_crash_of_the_launcher(lab):
    with lab.trace("desk1") as trace:
        lab.remove("desk1")
        lab.insert("desk1", "B")
        assert trace.wait("first_frame", 20)["session"]


def x_server_of(lab, server, session):
    """PID (in the server's own namespace) of the session's X server."""
    found = lab.run(server, ["pgrep", "-f", "Xtigervnc"]).stdout.split()
    for pid in found:
        env = lab.run(server, ["cat", f"/proc/{pid}/environ"]).stdout
        command = lab.run(server, ["cat", f"/proc/{pid}/cmdline"]).stdout
        if session in env or session in command:
            return pid
    raise AssertionError(f"no X server of {session} among {found}")


def test_an_x_server_that_dies_while_the_launcher_is_down_is_replaced(lab):
    before = lab.desk_state("desk1")
    pid = x_server_of(lab, before["server"], before["session"])
    with lab.trace("desk1") as trace:
        lab.stop_process(before["server"], "launcherd")
        lab.run(before["server"], ["kill", "-9", pid])
        time.sleep(0.5)
        lab.start_process(before["server"], "launcherd")
        frame = trace.wait("first_frame", 20)
    assert frame["session"] != before["session"]


def test_a_launcher_that_dies_while_a_session_starts(lab):
    lab.remove("desk1")
    with lab.trace("desk1") as trace:
        lab.insert("desk1", "C")
        trace.wait("words", 20, code=36)
        crash(lab, lab.desk_state("desk1")["server"], "launcherd")
        assert trace.wait("first_frame", 10)["session"], "not the 20 s of a failed start"


def test_a_polite_restart_of_hostd_alone_leaves_the_picture(lab):
    before = lab.desk_state("desk1")
    with lab.trace("desk1") as trace:
        order = {"op": "restart", "names": ["hostd"], "signal": int(signal.SIGTERM)}
        call(lab.node_dir(before["server"]) / "init.sock", order)
        came = []
        for event in trace.events(5):
            came.append(event["event"])
            if event["event"] == "first_frame":
                break
    assert event["session"] == before["session"]
    assert "words" not in came, "the person has seen nothing of it"
