"""A gateway or a session that hangs: the desk says so, and gets its picture back. Crashes not."""

import os
import signal

import pytest

from dtu.core.timing import PICTURE_ANSWER_S, PICTURE_SILENT_S
from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import call

pytestmark = pytest.mark.system

NOTICED_S = PICTURE_SILENT_S + 2 * PICTURE_ANSWER_S
BACK_S = 20.0
STILL_S = 20.0
DISPLAY_LOST = 45


@pytest.fixture(scope="module")
def lab():
    with Lab(f"hang-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True)
        wait_until("desk1 is connected", lambda: lab.desk_state("desk1")["state"] == "connected")
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            trace.wait("first_frame", 20)
        yield lab


def stop(lab, server, process, how):
    """A process of the server hangs, or goes on: a daemon, or each X server."""
    if process == "Xtigervnc":
        pids = lab.run(server, ["pgrep", "-x", "Xtigervnc"]).stdout.split()
        assert pids
        assert lab.run(server, ["kill", f"-{int(how)}", *pids]).returncode == 0
    else:
        order = {"op": "signal", "names": [process], "signal": int(how)}
        call(lab.node_dir(server) / "init.sock", order)


@pytest.mark.parametrize("process", ["displayd", "Xtigervnc"])
def test_a_hang_is_said_and_ends(lab, process):
    before = lab.desk_state("desk1")
    assert before["session"]
    with lab.trace("desk1") as trace:
        stop(lab, before["server"], process, signal.SIGSTOP)
        try:
            trace.wait("words", NOTICED_S, code=DISPLAY_LOST)
        finally:
            stop(lab, before["server"], process, signal.SIGCONT)
        assert trace.wait("first_frame", BACK_S)["session"] == before["session"]


def test_a_picture_that_nothing_moves_stays(lab):
    """Longer than a hang would last."""
    with lab.trace("desk1") as trace:
        came = [event["event"] for event in trace.events(STILL_S)]
    assert not {"words", "open_display", "first_frame"} & set(came), came
