"""The contract of screens where no screen is: headless, and a console on a fake card."""

import numpy as np
import pytest
from tests.contracts.screen import ScreenContract, read

from dtu.drivers.display import kms, kms_head
from dtu.drivers.display.pygame_screen import PygameScreen, open_screen
from fakes.drm import FakeBuffer, FakeCard, mode


class NoWatch:
    """udev where nothing ever happens."""

    def __init__(self, subsystem, on_event):
        assert subsystem == "drm"

    def start(self):
        pass

    def read(self):
        pass

    def fileno(self):
        return 98


def until(rig, condition):
    for _ in range(20):
        rig.screen.pump()
        if condition():
            return
    pytest.fail("this never comes")


class HeadlessRig:
    def __init__(self, folder):
        self.screen = open_screen("headless", 640, 400)
        self._file = folder / "look.png"

    def look(self, name):
        self.screen.snapshot(self._file)
        return read(self._file)

    def until(self, condition):
        until(self, condition)


class FakeConsoleRig:
    def __init__(self, card):
        self.card = card
        self.screen = PygameScreen(kms.KmsOutput((640, 400), ""))

    def look(self, name):
        self.card.blanking()
        seen = self.card.see(10)
        if seen is None:
            return np.zeros((480, 720, 3), np.uint8)
        return np.ascontiguousarray(seen).view(np.uint8).reshape(*seen.shape, 4)[:, :, 2::-1]

    def until(self, condition):
        until(self, condition)


class TestHeadlessScreen(ScreenContract):
    @pytest.fixture
    def rig(self, tmp_path):
        made = HeadlessRig(tmp_path)
        yield made
        made.screen.close()


@pytest.mark.parametrize("card", [{}, {"copies": True}, {"memory": 1}], ids=str)
class TestConsoleOnAFakeCard(ScreenContract):
    @pytest.fixture
    def rig(self, card, monkeypatch):
        made = FakeCard((mode(720, 480),), **card)
        monkeypatch.setattr(kms, "_open_card", lambda _: made)
        monkeypatch.setattr(kms, "UdevWatch", NoWatch)
        monkeypatch.setattr(kms_head, "Buffer", FakeBuffer)
        console = FakeConsoleRig(made)
        yield console
        console.screen.close()
        assert made.closed
        assert not made.buffers
