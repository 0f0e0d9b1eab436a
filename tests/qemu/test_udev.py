"""The contract of device watches on udev itself: uinput devices, a USB keyboard that is pulled."""

import os
import stat
import time
import warnings
from pathlib import Path

import evdev
import pytest
from tests.contracts.udev import UdevContract, UdevRig

from dtu.drivers.udev import UdevWatch

UINPUT = Path("/dev/uinput")
PATIENCE_S = 60.0


class UinputRig(UdevRig):
    def __init__(self):
        super().__init__()
        if not UINPUT.exists():
            os.mknod(UINPUT, 0o600 | stat.S_IFCHR, os.makedev(10, 223))
        self.watch = UdevWatch("input", self.events.append)
        self._made = {}

    def plug(self):
        made = evdev.UInput({evdev.ecodes.EV_KEY: [evdev.ecodes.KEY_A]}, name="contract udev")
        self._made[made.device.path] = made
        return made.device.path

    def unplug(self, node):
        self._made.pop(node).close()

    def turn(self):
        time.sleep(0.01)
        self.watch.read()

    def until(self, condition, turns=int(PATIENCE_S / 0.01)):
        super().until(condition, turns)

    def close(self):
        for node in list(self._made):
            self.unplug(node)


@pytest.fixture
def rig():
    with warnings.catch_warnings():
        # evdev 1.9 asks for an event loop when it closes, which Python 3.12 calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        rig = UinputRig()
        yield rig
        rig.close()


class TestUdev(UdevContract):
    pass


def test_a_usb_keyboard_that_is_plugged_and_pulled(rig, host):
    rig.watch.start()
    rig.events.clear()

    def nodes(action):
        return {e.node for e in rig.events if e.action == action and "/event" in e.node}

    host.plug("usb-kbd", "udev")
    rig.until(lambda: nodes("add"))
    came = nodes("add")
    host.unplug("udev")
    rig.until(lambda: nodes("remove") == came)
