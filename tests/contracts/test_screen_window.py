"""The contract of screens on a window of a real X server, seen by a viewer of that server."""

import os
import socket
import subprocess
import time

import pytest
from tests.contracts.screen import ScreenContract

from dtu.core.rfb import RfbClient
from dtu.drivers.display.pygame_screen import open_screen

pytestmark = pytest.mark.system

WIDTH, HEIGHT = 640, 400
PATIENCE_S = 30.0
_STEP_S = 0.02


@pytest.fixture(scope="module")
def x_server(tmp_path_factory):
    """The RFB socket of an Xtigervnc, and its display."""
    folder = tmp_path_factory.mktemp("x")
    path = folder / "rfb.sock"
    ready, told = os.pipe()
    with (folder / "x.log").open("wb") as log:
        x = subprocess.Popen(
            [
                *("Xtigervnc", "-displayfd", str(told), "-rfbunixpath", str(path)),
                *("-rfbport", "-1", "-SecurityTypes", "None", "-nolisten", "tcp"),
                *("-geometry", f"{WIDTH}x{HEIGHT}", "-depth", "24"),
                "-AlwaysShared",
            ],
            pass_fds=(told,),
            stderr=log,
        )
    os.close(told)
    with os.fdopen(ready) as stream:
        display = f":{stream.readline().strip()}"
    yield path, display
    x.terminate()
    x.wait(PATIENCE_S)


class WindowRig:
    """Looks at the X server's screen, which the window fills."""

    def __init__(self, path):
        self.screen = open_screen("window", WIDTH, HEIGHT)
        self._client = RfbClient(quality=None)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.settimeout(_STEP_S)
        self.until(lambda: self._client.painted)

    def look(self, name):
        # X and the viewer see in their own time what the window has shown.
        for _ in range(3):
            self._step()
        return self._client.framebuffer[:, :, 2::-1]

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "this was never seen on the X server"
            self._step()

    def close(self):
        self._socket.close()
        self.screen.close()

    def _step(self):
        self.screen.pump()
        self._socket.sendall(self._client.data_to_send())
        try:
            self._client.receive_data(self._socket.recv(1 << 18))
        except TimeoutError:
            pass
        while self._client.next_event() is not None:
            pass


class TestWindow(ScreenContract):
    @pytest.fixture
    def rig(self, x_server, monkeypatch):
        path, display = x_server
        monkeypatch.setenv("DISPLAY", display)
        monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
        made = WindowRig(path)
        yield made
        made.close()
