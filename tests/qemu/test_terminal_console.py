"""The terminal's whole process on console and evdev: words on the monitor, sleep, hotplug."""

import datetime
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dtu.drivers.display.words_page import BACKGROUND
from roamwire.identity import Identity
from sessionhost.adapters.pki import create_group

OFF_S = 6
HOME = (1280, 800)


@pytest.fixture
def home():
    """A folder that a user without any privilege can use."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def config(home):
    now = datetime.datetime.now(datetime.UTC)
    issued = create_group(home / "ca", "test", now, os.urandom).issue(Identity("dtu", "desk1"), now)
    (home / "dtu.crt").write_bytes(issued.certificate)
    (home / "dtu.key").write_bytes(issued.key)
    (home / "dtu.key").chmod(0o600)
    path = home / "dtu.toml"
    path.write_text(
        'name = "desk1"\ndisplay = "console"\ninput = "evdev"\ncard = "scripted"\n'
        'ca = "ca/ca.crt"\ncert = "dtu.crt"\nkey = "dtu.key"\nstate_dir = "."\nrun_dir = "."\n'
        f"screen_off_s = {OFF_S}\n",
        encoding="ascii",
    )
    for each in (home, *home.rglob("*")):
        shutil.chown(each, "nobody", "nogroup")
    return path


def start(config, log):
    """As its unit does: no root, only the groups of screen and input."""
    command = [sys.executable, "-m", "dtu.app.main", "--config", str(config)]
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            user="nobody",
            group="nogroup",
            extra_groups=["video", "input"],
        )


@pytest.fixture
def monitor(host):
    """Changes the monitor; as the others expect it again at the end, whatever the test said."""
    yield functools.partial(host.monitor, 0)
    host.monitor(0, *HOME)


@pytest.fixture
def terminal(config, tmp_path):
    process = start(config, tmp_path / "log")
    yield process
    process.kill()
    process.wait()
    print((tmp_path / "log").read_text(encoding="utf-8"))


def test_words_then_sleep_then_awake_at_a_key(terminal, host, until, monitor):
    def corner():
        return tuple(host.screendump("terminal")[2, 2])

    until(lambda: corner() == BACKGROUND, "words on the monitor")
    assert host.screendump("terminal-words").shape == (HOME[1], HOME[0], 3)
    until(lambda: corner() == (0, 0, 0), "a monitor that sleeps")
    host.type("shift")
    until(lambda: corner() == BACKGROUND, "words again after a key")
    until(lambda: corner() == (0, 0, 0), "sleep again")
    monitor(1024, 768)
    until(lambda: host.screendump("terminal-other").shape == (768, 1024, 3), "another monitor")
    until(lambda: corner() == BACKGROUND, "words on the other monitor")
    monitor(*HOME)
    terminal.send_signal(signal.SIGTERM)
    assert terminal.wait(30) == 0


def test_a_second_terminal_says_who_has_the_screen(terminal, host, until, config, tmp_path):
    until(lambda: tuple(host.screendump("first")[2, 2]) == BACKGROUND, "the first one's words")
    second = start(config, tmp_path / "second")
    assert second.wait(60) == 1
    assert "another program has the screen" in (tmp_path / "second").read_text(encoding="utf-8")
