"""The window on a real X server: what it shows, what its keyboard and mouse tell. No TLS here."""

import os
import socket
import subprocess
import time

import numpy as np
import pytest

from dtu.core.rfb import RfbClient
from dtu.core.words import Words
from dtu.drivers.display.pygame_screen import open_screen
from dtu.drivers.input.base import Key, Pointer

pytestmark = pytest.mark.system

WIDTH, HEIGHT = 640, 400
PATIENCE_S = 20.0


class Viewer:
    """Sees the X server's screen and plays its keyboard and mouse."""

    def __init__(self, path):
        self.client = RfbClient()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(0.02)

    def step(self):
        self.socket.sendall(self.client.data_to_send())
        try:
            self.client.receive_data(self.socket.recv(1 << 18))
        except TimeoutError:
            pass
        while self.client.next_event() is not None:
            pass
        self.socket.sendall(self.client.data_to_send())

    @property
    def picture(self):
        return self.client.framebuffer[:, :, :3]


@pytest.fixture
def viewer(tmp_path, monkeypatch):
    path = tmp_path / "rfb.sock"
    ready, told = os.pipe()
    with (tmp_path / "x.log").open("wb") as log:
        x = subprocess.Popen(
            [
                *("Xtigervnc", "-displayfd", str(told), "-rfbunixpath", str(path)),
                *("-rfbport", "-1", "-SecurityTypes", "None", "-nolisten", "tcp"),
                *("-geometry", f"{WIDTH}x{HEIGHT}", "-depth", "24"),
            ],
            pass_fds=(told,),
            stderr=log,
        )
    os.close(told)
    with os.fdopen(ready) as stream:
        monkeypatch.setenv("DISPLAY", f":{stream.readline().strip()}")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    made = Viewer(path)
    yield made
    made.socket.close()
    x.terminate()
    x.wait(PATIENCE_S)


@pytest.fixture
def window(viewer):
    opened = open_screen("window", WIDTH, HEIGHT)
    yield opened
    opened.close()


def until(condition, viewer, window):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        viewer.step()
        window.pump()


def test_the_window_shows_sessions_words_and_black(viewer, window):
    frame = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    frame[:, :] = (10, 200, 30, 0)
    until(lambda: viewer.client.painted, viewer, window)
    window.show_session(frame, (), None)
    until(lambda: (viewer.picture == (10, 200, 30)).all(axis=2).mean() > 0.99, viewer, window)
    window.show_words(Words(26, "Looking for a server", "Please wait."), dim=True)
    until(lambda: (viewer.picture == (2, 50, 7)).all(axis=2).mean() > 0.2, viewer, window)
    window.blank()
    until(lambda: (viewer.picture == 0).all(axis=2).mean() > 0.99, viewer, window)


def test_the_window_tells_keys_and_mouse(viewer, window):
    until(lambda: viewer.client.painted, viewer, window)
    got = []

    def play(*calls, wanted):
        for name, *arguments in calls:
            getattr(viewer.client, name)(*arguments)
        viewer.step()

        def seen():
            for event in window.input_events():
                # The X server gives a viewer's keysyms some key: which one is not the point here.
                known = Key(event.keysym, event.down) if isinstance(event, Key) else event
                got.append(known)
            return all(event in got for event in wanted)

        until(seen, viewer, window)

    play(("send_pointer", 100, 80, 0), wanted=[Pointer(100, 80, 0)])
    play(("send_pointer", 101, 81, 1), wanted=[Pointer(101, 81, 1)])
    play(("send_pointer", 101, 81, 0), wanted=[Pointer(101, 81, 0)])
    play(("send_pointer", 101, 81, 8), ("send_pointer", 101, 81, 0), wanted=[Pointer(101, 81, 8)])
    for keysym in (0x61, 0x41, 0xFF0D, 0xFF1B, 0xFFC1, 0xFF51, 0xFFE3):
        wanted = [Key(keysym, True), Key(keysym, False)]
        play(("send_key", keysym, True), ("send_key", keysym, False), wanted=wanted)
    control_s = [("send_key", 0xFFE3, True), ("send_key", 0x73, True)]
    play(*control_s, wanted=[Key(0x73, True)])
    play(("send_key", 0x73, False), ("send_key", 0xFFE3, False), wanted=[Key(0x73, False)])


def test_a_window_that_nobody_touches_looks_less_often(viewer, window):
    until(lambda: viewer.client.painted, viewer, window)
    viewer.client.send_pointer(50, 50, 0)
    until(window.input_events, viewer, window)
    busy = window.pump_interval_s
    assert busy < 0.01
    until(lambda: window.pump_interval_s > 2 * busy, viewer, window)
    assert window.pump_interval_s < 0.05  # a first key is not to be felt late
    viewer.client.send_pointer(60, 60, 0)
    until(lambda: window.pump_interval_s == busy, viewer, window)
