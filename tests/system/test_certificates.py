"""Real TLS that fails: a running terminal says whose certificate is refused, and why."""

import asyncio
import contextlib
import datetime
import json
import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from roamtools.lab.desk_bench import DeskBench
from roamwire.control import Alive, Hello, Keepalive, Welcome, encode_line, parse_line
from roamwire.identity import Identity
from sessionhost.adapters.control_server import ControlServer
from sessionhost.adapters.pki import create_group
from sessionhost.adapters.tls import server_context

pytestmark = pytest.mark.system

PATIENCE_S = 20.0
NOW = datetime.datetime.now(datetime.UTC)
TEN_YEARS_AGO = NOW - datetime.timedelta(days=11 * 366)
FORTY_YEARS_AGO = NOW - datetime.timedelta(days=41 * 366)


class Group:
    """A group that was made at some time, and who belongs to it."""

    def __init__(self, folder, name, made=NOW):
        self.folder = folder / name
        self._made = made
        self._ca = create_group(self.folder, name, made, os.urandom)

    def issue(self, role, name, made=None):
        issued = self._ca.issue(Identity(role, name), made or self._made)
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(issued.certificate)
        key.touch(0o600)
        key.write_bytes(issued.key)
        return certificate, key


class Host:
    """What hostd does with a terminal, as far as its first words."""

    def __init__(self):
        self.control = None
        self.greeted = []

    def link_opened(self, link, dtu, address):
        pass

    def line_received(self, link, line):
        said = parse_line(line)
        if isinstance(said, Hello):
            self.greeted.append(said.dtu)
            self.control.send(link, encode_line(Welcome("s1", 500, 1500)))
        elif isinstance(said, Keepalive):
            self.control.send(link, encode_line(Alive(said.n)))

    def link_closed(self, link):
        pass


@contextlib.contextmanager
def terminal(folder, port, ca, certificate, key):
    """A terminal's whole program, with an address and one server to try."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = probe.getsockname()[1]
    settings = {
        "name": "desk1", "display": "headless", "card": "scripted", "input": "scripted",
        "sound": "none", "interface": "lo", "servers": ["127.0.0.1"], "dns_names": False,
        "mdns": False, "control_port": port, "group_port": nobody, "ca": str(ca),
        "cert": str(certificate), "key": str(key), "state_dir": "state", "run_dir": "run",
        "bench_socket": str(folder / "bench"),
    }  # fmt: skip
    config = folder / "dtu.toml"
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    (folder / "run").mkdir()
    lease = "event=bound\ninterface=lo\naddress=127.0.0.1\nmask=8\n"
    (folder / "run" / "lease-lo").write_text(lease)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dtu.app.main", "--config", str(config)], stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def words_on_screen(folder, wanted):
    """The state when that number is on the screen; every look is a new connection."""
    end, state = time.monotonic() + PATIENCE_S, {}
    while state.get("code") != wanted:
        log = (folder / "log").read_text()
        assert time.monotonic() < end, f"not {wanted}: {state}\n{log}"
        time.sleep(0.05)
        with contextlib.suppress(OSError), DeskBench(folder / "bench") as bench:
            state = bench.order(op="state")
    return state


def play(folder, ours, theirs, wanted, *, desk=None, server=None):
    """What stands on the screen, what the log says, and whom the server let in.

    `ours` is the group whose CA the terminal knows, `theirs` that of the server.
    """
    desk, server = desk or ours.issue("dtu", "desk1"), server or theirs.issue("server", "s1")
    host = Host()

    async def serve():
        config = SimpleNamespace(
            group_dir=theirs.folder, identity_cert=server[0], identity_key=server[1]
        )
        host.control = ControlServer(server_context(config), host)
        host.control.start(port)
        ca = ours.folder / "ca.crt"
        with terminal(folder, port, ca, *desk):
            state = await asyncio.to_thread(words_on_screen, folder, wanted)
        await host.control.close(0)
        return state

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = asyncio.run(serve())
    return state["text"], (folder / "log").read_text(), host.greeted


@pytest.fixture
def group(tmp_path):
    return Group(tmp_path, "ours")


def test_one_that_is_right_asks_for_a_card(tmp_path, group):
    """What the tests below rest on."""
    _, log, greeted = play(tmp_path, group, group, 21)
    assert "refuse" not in log
    assert greeted == ["desk1"]


def test_a_server_of_another_group(tmp_path, group):
    text, log, greeted = play(tmp_path, group, Group(tmp_path, "theirs"), 19)
    assert "group" in text
    assert "its certificate is refused" in log
    assert greeted == []


def test_what_is_no_server_but_a_terminal(tmp_path, group):
    fake = group.issue("dtu", "desk7")
    text, _, greeted = play(tmp_path, group, group, 19, server=fake)
    assert "group" in text
    assert greeted == []


def test_a_server_whose_certificate_has_expired(tmp_path, group):
    old = group.issue("server", "s1", TEN_YEARS_AGO)
    text, log, _ = play(tmp_path, group, group, 19, server=old)
    assert f"{datetime.datetime.now():%Y-%m-%d}" in text
    assert "certificate has expired; our clock says" in log


def test_a_clock_that_is_beyond_all_certificates(tmp_path):
    """To the terminal's clock it is the same whether it is wrong or the group is from long ago."""
    ours = Group(tmp_path, "ours", FORTY_YEARS_AGO)
    text, log, _ = play(tmp_path, ours, ours, 16)
    assert f"{datetime.datetime.now():%Y-%m-%d}" in text
    assert "certificate has expired; our clock says" in log


def test_a_terminal_of_another_group(tmp_path, group):
    foreign = Group(tmp_path, "theirs").issue("dtu", "desk1")
    text, log, greeted = play(tmp_path, group, group, 19, desk=foreign)
    assert "of this terminal" in text
    assert "it refuses our certificate: unknown ca" in log
    assert greeted == []


def test_a_terminal_whose_certificate_has_expired(tmp_path, group):
    old = group.issue("dtu", "desk1", TEN_YEARS_AGO)
    text, log, greeted = play(tmp_path, group, group, 19, desk=old)
    assert "of this terminal" in text
    assert "it refuses our certificate: certificate expired" in log
    assert greeted == []
