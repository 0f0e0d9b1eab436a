"""The terminal as a service: tells systemd how it is, is up soon, and is the same after a crash."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from server_box import Authority

from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import call

pytestmark = pytest.mark.system

WATCHDOG_S = 1.0


@pytest.fixture
def service(tmp_path):
    """A terminal that was started as systemd would, and the socket that it tells."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(10)
    certificate, key = Authority(tmp_path / "group").issue("dtu", "desk1")
    config = tmp_path / "dtu.toml"
    config.write_text(
        f'name = "desk1"\ndisplay = "headless"\ncard = "scripted"\ninput = "scripted"\n'
        f'ca = "{certificate.parent / "ca.crt"}"\ncert = "{certificate}"\nkey = "{key}"\n'
        f'state_dir = "state"\nrun_dir = "run"\n'
    )
    environment = os.environ | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
    }
    environment.pop("WATCHDOG_PID", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "dtu.app.main", "--config", str(config)], env=environment
    )
    yield process, listener
    process.kill()
    process.wait()
    listener.close()


def heard(listener, wanted, seconds=10.0):
    """The lines up to the wanted one."""
    lines = []
    deadline = time.monotonic() + seconds
    while wanted not in lines:
        assert time.monotonic() < deadline, f"no {wanted} among {lines}"
        lines.append(listener.recv(4096).decode())
    return lines


def test_it_says_when_it_serves_and_that_it_lives(service):
    process, listener = service
    lines = heard(listener, "READY=1")
    assert "STATUS=Starting" in lines
    began = time.monotonic()
    heard(listener, "WATCHDOG=1")
    heard(listener, "WATCHDOG=1")
    assert time.monotonic() - began < 2 * WATCHDOG_S
    process.send_signal(signal.SIGTERM)
    heard(listener, "STOPPING=1")
    assert process.wait(10) == 0


def test_a_terminal_that_hangs_says_nothing(service):
    process, listener = service
    heard(listener, "READY=1")
    heard(listener, "WATCHDOG=1")
    process.send_signal(signal.SIGSTOP)
    listener.settimeout(0.01)
    try:
        while True:  # what was on its way
            listener.recv(4096)
    except TimeoutError:
        pass
    listener.settimeout(2 * WATCHDOG_S)
    with pytest.raises(TimeoutError):
        listener.recv(4096)
    process.send_signal(signal.SIGCONT)
    listener.settimeout(10)
    heard(listener, "WATCHDOG=1")


def test_a_crash_restarts_into_the_same_state():
    with Lab(f"dtu-crash-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True)
        wait_until("desk1 is connected", lambda: lab.desk_state("desk1")["state"] == "connected")
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            before = trace.wait("first_frame", 20)
        killed = time.monotonic()
        call(
            lab.node_dir("desk1") / "init.sock",
            {"op": "restart", "names": ["dtu"], "signal": int(signal.SIGKILL)},
        )

        def same_session() -> bool:
            try:
                return bool(lab.desk_state("desk1")["session"] == before["session"])
            except OSError:
                return False  # its socket is not there yet

        wait_until("the session is back", same_session)
        assert time.monotonic() - killed < 15
        assert lab.desk_state("desk1")["epoch"] > before["epoch"]
