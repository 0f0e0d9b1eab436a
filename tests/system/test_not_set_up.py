"""A terminal that lacks what it needs, as systemd starts it: words on a screen, then a new try."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from test_foreign_servers import display_of
from x_client import XClient

from dtu.app.not_set_up import SHOWN_S
from dtu.drivers.display.words_page import PANEL
from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

WIDTH, HEIGHT = 640, 480
START_S = 10.0
WINDOW = f'name = "desk1"\ndisplay = "window"\nwidth = {WIDTH}\nheight = {HEIGHT}\nsound = "none"\n'


@pytest.fixture
def started(tmp_path):
    """Starts a terminal with these settings on an X server of its own."""
    processes = []

    def start(*command, **options):
        processes.append(subprocess.Popen(command, **options))
        return processes[-1]

    screen = ("-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp")
    display = display_of(start, tmp_path, "Xvfb", *screen)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(START_S)

    def terminal(text):
        (tmp_path / "dtu.toml").write_text(text)
        environment = os.environ | {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "DISPLAY": display,
        }
        environment.pop("SDL_VIDEODRIVER", None)
        command = (sys.executable, "-m", "dtu.app.main", "--config", str(tmp_path / "dtu.toml"))
        return start(*command, env=environment), display, listener

    yield terminal
    listener.close()
    for process in reversed(processes):
        process.terminate()
        process.wait(START_S)


def painted(display):
    """How much of the screen is the panel with the words."""
    with XClient(display) as x:
        return (x.picture() == PANEL[::-1]).all(axis=2).mean()


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [("screen_offs = 3\n", 2, b"screen_off_s"), ('ca = "none.crt"\n', 1, b"none.crt")],
)
def test_it_says_so_for_a_while_and_ends(started, more, status, said):
    process, display, listener = started(WINDOW + more)
    told = listener.recv(4096)
    assert told.startswith(b"STATUS=This terminal is not set up")
    assert said in told
    begin = time.monotonic()
    wait_until("the words are on the screen", lambda: painted(display) > 0.2, 5)
    assert process.wait(SHOWN_S + START_S) == status
    assert time.monotonic() - begin > SHOWN_S - 3


def test_it_ends_when_it_is_told_to(started):
    process, display, _ = started(WINDOW + 'ca = "none.crt"\n')
    wait_until("the words are on the screen", lambda: painted(display) > 0.2, START_S)
    process.send_signal(signal.SIGTERM)
    assert process.wait(2) == 1, "SDL makes a closed window of it"


@pytest.mark.parametrize("text", ["", "broken"])
def test_a_broken_certificate_is_asked_for_anew(text):
    """A power cut while it was written, or a damaged disk."""
    with Lab(f"broken-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True, enrol="open")
        wait_until("desk1 is in", lambda: lab.desk_state("desk1")["code"] == 21)
        lab.stop_process("desk1", "dtu", hard=True)
        (lab.node_dir("desk1") / "state" / "dtu.crt").write_text(text)
        lab.start_process("desk1", "dtu")

        def is_in():
            try:
                return lab.desk_state("desk1")["code"] == 21
            except OSError:
                return False  # its socket is not there yet

        wait_until("desk1 is in again", is_in)
