"""The rig itself: what a guest test asks of the host reaches the guest's kernel. No driver here."""

import contextlib
import select
from pathlib import Path

import evdev
import pytest

from roamtools.qemu.host import HostError


def opened(path):
    return contextlib.closing(evdev.InputDevice(path))


def devices():
    """Names of the event devices by path."""
    found = {}
    for path in evdev.list_devices():
        try:
            with opened(path) as device:
                found[path] = device.name
        except OSError:
            continue  # pulled in this moment
    return found


def path_of(name):
    return next((path for path, found in devices().items() if name in found), None)


def events(device, kind, count, until):
    """The next `count` events of a kind, as (code, value)."""
    got = []

    def enough():
        if select.select([device.fd], [], [], 0)[0]:
            got.extend((e.code, e.value) for e in device.read() if e.type == kind)
        return len(got) >= count

    until(enough, f"{count} events")
    return got


def test_a_key_typed_by_the_host_is_an_evdev_event(host, until):
    with opened(path_of("Keyboard")) as keyboard:
        host.type("a", "ret")
        codes = evdev.ecodes
        assert events(keyboard, codes.EV_KEY, 4, until) == [
            (codes.KEY_A, 1),
            (codes.KEY_A, 0),
            (codes.KEY_ENTER, 1),
            (codes.KEY_ENTER, 0),
        ]


def test_the_tablet_points(host, until):
    with opened(path_of("Tablet")) as tablet:
        host.point(0.9, 0.9)  # where it is already, nothing is told
        host.point(0.5, 0.25)
        codes = evdev.ecodes
        assert events(tablet, codes.EV_ABS, 4, until)[-2:] == [
            (codes.ABS_X, 0x7FFF // 2),
            (codes.ABS_Y, 0x7FFF // 4),
        ]


def test_a_keyboard_is_plugged_and_pulled(host, until):
    before = set(devices())
    host.plug("usb-kbd", "second")
    until(lambda: len(set(devices()) - before) == 1, "the second keyboard")
    host.unplug("second")
    until(lambda: set(devices()) == before, "its end")


def test_a_refusal_is_told(host):
    with pytest.raises(HostError, match="nothing"):
        host.unplug("nothing")


def test_the_console_of_the_kernel_is_on_the_screen(host, until):
    Path("/dev/tty1").write_text("\033[41m\033[2J\033[?25l", encoding="ascii")
    until(lambda: host.screendump("console")[:, :, 0].min() >= 0xAA, "a red console")
    assert host.screendump("console").shape == (800, 1280, 3)


def test_a_second_monitor_comes_and_goes(host, until):
    status = next(Path("/sys/class/drm").glob("card*-Virtual-2")) / "status"
    assert status.read_text().strip() == "disconnected"
    host.monitor(1, 1024, 768)
    until(lambda: status.read_text().strip() == "connected", "the second monitor")
    assert (status.parent / "modes").read_text().split()[0] == "1024x768"
    host.monitor(1, 0, 0)
    until(lambda: status.read_text().strip() == "disconnected", "its end")
