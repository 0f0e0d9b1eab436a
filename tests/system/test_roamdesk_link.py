"""The helper beside udhcpc, with a real router: what it writes is whole, nothing of it stays."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from roamtools.lab import kernel, plan

pytestmark = pytest.mark.system

SCRIPT = plan.project_root() / "firmware/etc/network/roamdesk-link"
DNS = "fd77::1"


def ip(*words, inside=None):
    enter = ["nsenter", "-t", str(inside), "-n"] if inside else []
    subprocess.run([*enter, "ip", *words], check=True, timeout=10)


class Cable:
    """Our end is `v0`; `plug` moves the other one, where dnsmasq is the router."""

    def __init__(self, folder):
        self._switch = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self._router = None
        self.config = folder / "dnsmasq.conf"
        self.config.write_text(
            "port=0\nkeep-in-foreground\nuser=root\nenable-ra\nbind-interfaces\ninterface=v1\n"
            f"dhcp-range=::,constructor:v1,ra-only\ndhcp-option=option6:dns-server,[{DNS}]\n"
            f"log-facility=-\npid-file=\ndhcp-leasefile={folder / 'leases'}\n"
        )

    def start(self):
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self._switch.pid}/ns/net") == own:
            time.sleep(0.01)
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        ip("link", "set", "v1", "netns", str(self._switch.pid))
        ip("address", "add", f"{DNS}/64", "dev", "v1", "nodad", inside=self._switch.pid)
        ip("link", "set", "v0", "up")
        self.plug(True)
        enter = ["nsenter", "-t", str(self._switch.pid), "-n"]
        keep = ["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/v1/keep_addr_on_down"]
        subprocess.run([*enter, *keep], check=True, timeout=10)
        self._router = subprocess.Popen([*enter, "dnsmasq", f"--conf-file={self.config}"])

    def plug(self, plugged):
        ip("link", "set", "v1", "up" if plugged else "down", inside=self._switch.pid)

    def close(self):
        for process in (self._router, self._switch):
            if process is not None:
                process.terminate()
                process.wait(10)


@pytest.fixture
def cable(tmp_path):
    """This thread, and what it starts, is in a network of its own."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    kernel.unshare(kernel.CLONE_NEWNET)
    cable = Cable(tmp_path)
    try:
        cable.start()
        yield cable
    finally:
        cable.close()
        kernel.setns(before, kernel.CLONE_NEWNET)
        os.close(before)


@pytest.fixture
def helper(tmp_path, cable):
    process = subprocess.Popen(
        [SCRIPT, "v0"],
        env=os.environ | {"ROAMDESK_RUN_DIR": str(tmp_path / "run")},
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()
    for pid, _ in of_session(process.pid):
        os.kill(pid, signal.SIGKILL)


def of_session(session):
    """Number and name of each process that the helper has started, and of itself."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = status.read_text().partition(" (")
        except OSError:
            continue  # it has just ended
        name, _, fields = rest.rpartition(") ")
        state, _, _, its_session = fields.split()[:4]
        if int(its_session) == session and state != "Z":
            found.append((int(pid), name))
    return found


def until(condition, what, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_a_cable_that_flaps_leaves_one_question_and_a_whole_answer(helper, cable, tmp_path):
    told = tmp_path / "run/router-v0"
    asking = []
    for turn in range(30):
        cable.plug(turn % 2 == 1)
        for _ in range(5):
            asking.append([name for _, name in of_session(helper.pid)].count("rdisc6"))
            if told.exists():
                assert [line.split("=")[0] for line in told.read_text().splitlines()] == [
                    "interface",
                    "dns",
                    "domain",
                ]
            time.sleep(0.02)
    assert max(asking) == 1
    until(lambda: told.exists() and f"dns={DNS}\n" in told.read_text(), "the router's word")
    until(lambda: "rdisc6" not in [name for _, name in of_session(helper.pid)], "rest")
    assert not list(told.parent.glob(".router-v0.new"))


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.7, 4.0])
@pytest.mark.parametrize("answered", [True, False])
def test_nothing_of_it_is_left_when_it_is_ended(helper, cable, after_s, answered):
    """While it starts, while routers are asked, while it sleeps."""
    cable.plug(answered)
    time.sleep(after_s)
    helper.terminate()
    helper.wait(5)
    until(lambda: not of_session(helper.pid), of_session(helper.pid), 5)
