"""The input contract on real device files: uinput, and QEMU's USB keyboard. Runs in the guest."""

import asyncio
import contextlib
import os
import select
import stat
import time
import warnings
from pathlib import Path

import evdev
import pytest
from tests.contracts.input import InputContract, InputRig
from tests.contracts.input_numbers import KINDS, numbers

from dtu.core.input.decoder import EV_ABS, EV_KEY, EV_LED, EV_REL
from dtu.core.input.events import Button, Key, Leds, Place, Plugged, Unplugged
from dtu.drivers.input.evdev_input import EvdevInput

PATIENCE_S = 60.0
UINPUT = Path("/dev/uinput")


@pytest.fixture(autouse=True)
def quiet_evdev():
    with warnings.catch_warnings():
        # evdev 1.9 asks for an event loop when it closes, which Python 3.12 calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


class RealRig(InputRig):
    """Real time passes between looks."""

    def __init__(self):
        super().__init__(EvdevInput())

    def turn(self):
        self.loop.run_until_complete(asyncio.sleep(0.01))

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"this did not happen: {self.events}")
            self.turn()


@pytest.fixture(scope="module")
def uinput():
    """Opening the node loads the module; in the guest nobody has made the node."""
    if not UINPUT.exists():
        os.mknod(UINPUT, 0o600 | stat.S_IFCHR, os.makedev(10, 223))


class UinputRig(RealRig):
    """Devices made by the kernel's uinput; udev and evdev are real."""

    def __init__(self):
        super().__init__()
        self.devices = {}

    def plug(self, kind):
        can = KINDS[kind]
        has = {EV_KEY: sorted(can.keys)}
        if can.relative:
            has[EV_REL] = sorted(can.relative)
        if can.absolute:
            has[EV_ABS] = [
                (axis, evdev.AbsInfo(0, low, high, 0, 0, 0))
                for axis, (low, high) in can.absolute.items()
            ]
        if can.lamps:
            has[EV_LED] = sorted(can.lamps)
        made = evdev.UInput(has, name=f"contract {kind}")
        node = made.device.path
        self.devices[node] = made
        return node

    def unplug(self, source):
        self.devices.pop(source).close()

    def write(self, source, event):
        for number in numbers(event):
            self.devices[source].write(*number)
        self.devices[source].syn()

    def lamps(self, source):
        lit = self.devices[source].device.leds()
        return Leds(caps=1 in lit, num=0 in lit, scroll=2 in lit)

    def close(self):
        super().close()
        for made in self.devices.values():
            made.close()


class TestUinput(InputContract):
    @pytest.fixture
    def rig(self, uinput):
        rig = UinputRig()
        yield rig
        rig.close()

    def test_nobody_else_gets_the_keys_until_it_stops(self, rig):
        rig.start()
        keyboard = self.plugged(rig, "keyboard")
        other = evdev.InputDevice(keyboard)
        rig.write(keyboard, Key(0, True, 30, keyboard))
        rig.write(keyboard, Key(0, False, 30, keyboard))
        rig.told(keyboard, 2)
        assert select.select([other.fd], [], [], 0.2)[0] == []
        rig.stop()
        rig.write(keyboard, Key(0, True, 30, keyboard))
        assert select.select([other.fd], [], [], 5.0)[0] == [other.fd]
        rig.write(keyboard, Key(0, False, 30, keyboard))
        other.close()

    def test_a_device_that_somebody_else_has_grabbed(self, rig, caplog):
        keyboard = rig.plug("keyboard")
        other = evdev.InputDevice(keyboard)
        other.grab()
        rig.start()
        assert rig.of(keyboard) == []
        assert "another program has grabbed it" in caplog.text
        other.close()
        assert isinstance(rig.told(keyboard, 1)[0], Plugged), "read once the other one lets go"

    def test_what_the_kernel_dropped_is_asked_for(self, rig):
        rig.start()
        keyboard = self.plugged(rig, "keyboard")
        rig.write(keyboard, Key(0, True, 30, keyboard))
        rig.told(keyboard, 1)
        # More than the kernel's buffer of a device while nobody looks; the last: 30 up, 48 down.
        for _ in range(2000):
            rig.write(keyboard, Key(0, True, 31, keyboard))
            rig.write(keyboard, Key(0, False, 31, keyboard))
        rig.write(keyboard, Key(0, False, 30, keyboard))
        rig.write(keyboard, Key(0, True, 48, keyboard))
        down = {30}

        def settled():
            for event in rig.of(keyboard):
                (down.add if event.down else down.discard)(event.code)
            return down == {48}

        rig.until(settled)

    def test_a_joystick_is_let_be(self, rig):
        rig.start()
        stick = evdev.UInput(
            {EV_KEY: [0x120, 0x121], EV_ABS: [(0, evdev.AbsInfo(0, 0, 255, 0, 0, 0))]},
            name="contract stick",
        )
        keyboard = self.plugged(rig, "keyboard")
        assert [e for e in rig.events if e.source == stick.device.path] == []
        assert keyboard
        stick.close()


@pytest.fixture
def usb():
    rig = RealRig()
    rig.start()
    yield rig
    rig.close()


def by_name(rig, words):
    """The devices that the driver tells of, by their names."""
    return [e.source for e in rig.events if isinstance(e, Plugged) and words in e.name]


def test_usb_keyboard_mouse_and_tablet_are_there(usb, host):
    (keyboard,) = by_name(usb, "Keyboard")
    (mouse,) = by_name(usb, "Mouse")
    (tablet,) = by_name(usb, "Tablet")
    usb.events.clear()
    host.type("a")
    assert usb.told(keyboard, 2) == [Key(0, True, 30, keyboard), Key(0, False, 30, keyboard)]
    host.point(0.5, 0.25)

    def there():
        places = [e for e in usb.events if isinstance(e, Place) and e.source == tablet]
        return places and (places[-1].x, places[-1].y) == pytest.approx((0.5, 0.25), abs=0.001)

    usb.until(there)
    host.button("left", True)
    # QEMU gives buttons to the device that pointed last, or to the mouse.
    usb.until(lambda: any(isinstance(e, Button) and e.down for e in usb.events))
    host.button("left", False)
    usb.until(lambda: any(isinstance(e, Button) and not e.down for e in usb.events))
    assert mouse != tablet


def test_a_usb_keyboard_is_pulled_with_a_key_down(usb, host):
    usb.events.clear()
    host.plug("usb-kbd", "contract")
    usb.until(lambda: by_name(usb, "Keyboard"))
    (keyboard,) = by_name(usb, "Keyboard")
    usb.of(keyboard)
    host.key("b", True)  # the keyboard that was plugged last gets it
    assert usb.told(keyboard, 1) == [Key(0, True, 48, keyboard)]
    host.unplug("contract")
    usb.until(lambda: Unplugged(keyboard) in usb.events)
    assert usb.of(keyboard)[-1] == Unplugged(keyboard)
    with contextlib.suppress(Exception):
        host.key("b", False)


def test_lamps_of_a_usb_keyboard(usb):
    (keyboard,) = by_name(usb, "Keyboard")
    usb.show_leds(Leds(caps=True))
    other = evdev.InputDevice(keyboard)
    usb.until(lambda: other.leds() == [1])
    usb.show_leds(Leds())
    usb.until(lambda: other.leds() == [])
    other.close()
