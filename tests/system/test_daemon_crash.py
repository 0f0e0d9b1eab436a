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
