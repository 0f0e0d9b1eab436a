"""One device file under /dev/input (evdev's one import). Which devices there are is not here."""

import errno
import fcntl
import os
import select
from collections.abc import Iterator
from typing import Any, Protocol

import evdev
from evdev.eventio import EventIO

from dtu.core.input.decoder import EV_ABS, EV_KEY, EV_LED, EV_REL, Abilities
from dtu.core.input.events import Leds

RawEvent = tuple[int, int, int, float]
"""Kind, code and value as in struct input_event, and its time in seconds."""

_LED_NUM, _LED_CAPS, _LED_SCROLL = 0, 1, 2


class DeviceFile(Protocol):
    """An open device; every method may raise OSError once it is gone."""

    name: str
    abilities: Abilities

    def fileno(self) -> int:
        """Readable when `read` has events."""

    def read(self) -> Iterator[RawEvent]:
        """What has happened; BlockingIOError if nothing has."""

    def down(self) -> frozenset[int]:
        """Codes of all keys and buttons that are down now."""

    def lives(self) -> bool:
        """False once the device is gone, also if another one has its node now; raises nothing."""

    def show_leds(self, leds: Leds) -> None:
        """Set those lamps that it has."""

    def close(self) -> None:
        """Let it go; nobody else has read it meanwhile."""


class EvdevDevice:
    """A device file that only we can read: no getty gets its keys, no Ctrl-Alt-Del its machine."""

    def __init__(self, node: str) -> None:
        self._device = evdev.InputDevice(node)
        self.name = str(self._device.name)
        self.abilities = _abilities(self._device)
        writable = fcntl.fcntl(self._device.fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        self._lamps = self.abilities.lamps if writable else frozenset()

    def grab(self) -> None:
        """From now on nobody else reads it; OSError if somebody else has done this."""
        self._device.grab()

    def fileno(self) -> int:
        """Readable when `read` has events."""
        return int(self._device.fd)

    def read(self) -> Iterator[RawEvent]:
        """What has happened; BlockingIOError if nothing has."""
        return _read(self._device)

    def down(self) -> frozenset[int]:
        """Codes of all keys and buttons that are down now."""
        return frozenset(self._device.active_keys())

    def lives(self) -> bool:
        """False once the device is gone: then the kernel refuses every call with ENODEV."""
        try:
            self._device.active_keys()
        except OSError:
            return False
        return True

    def show_leds(self, leds: Leds) -> None:
        """Set those lamps that it has."""
        if not self._lamps:
            return
        lamps = {_LED_NUM: leds.num, _LED_CAPS: leds.caps, _LED_SCROLL: leds.scroll}
        for lamp, lit in lamps.items():
            if lamp in self._lamps:
                self._device.set_led(lamp, int(lit))
        self._device.syn()

    def close(self) -> None:
        """Let it go; the kernel ends the grab."""
        self._device.close()


class PipedDevice:
    """A device whose struct input_event bytes come out of a pipe: for benches, no hardware.

    `held` is what the kernel would say is down.
    """

    def __init__(self, descriptor: int, name: str, abilities: Abilities) -> None:
        self.name = name
        self.abilities = abilities
        self.held: set[int] = set()
        self.leds = Leds()
        self.closed = False
        self._io = _Descriptor(descriptor)
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        """Readable when `read` has events."""
        return self._io.fd

    def read(self) -> Iterator[RawEvent]:
        """What has happened; BlockingIOError if nothing has, OSError when the writer is gone."""
        events = list(_read(self._io))
        if not events:
            raise OSError(errno.ENODEV, "the pipe's writer is gone")
        return iter(events)

    def down(self) -> frozenset[int]:
        """What `held` has."""
        return frozenset(self.held)

    def lives(self) -> bool:
        """False when the writer is gone, read to the end or not."""
        ends = select.poll()
        ends.register(self._io.fd, 0)  # a hang-up is told unasked
        return not ends.poll(0)

    def show_leds(self, leds: Leds) -> None:
        """Kept in `leds`, for the bench to see."""
        self.leds = leds

    def close(self) -> None:
        """Close the pipe's reading end."""
        self.closed = True
        os.close(self._io.fd)


class _Descriptor(EventIO):
    """evdev's reader of struct input_event, on a descriptor that is no device file."""

    def __init__(self, descriptor: int) -> None:
        self.fd = descriptor


def open_device(node: str) -> DeviceFile | None:
    """Open and grab a device; None for one that is neither keyboard nor mouse nor touch screen.

    Raises OSError if it cannot be opened or somebody else has grabbed it.
    """
    device = EvdevDevice(node)
    if not device.abilities.useful:
        device.close()
        return None
    try:
        device.grab()
    except OSError:
        device.close()
        raise
    return device


def _read(source: EventIO) -> Iterator[RawEvent]:
    for event in source.read():
        yield event.type, event.code, event.value, event.sec + event.usec / 1e6


def _abilities(device: "evdev.InputDevice[str]") -> Abilities:
    # evdev's annotation does not know that axes come with their ranges.
    has: dict[int, Any] = dict(device.capabilities(absinfo=True))
    return Abilities(
        keys=frozenset(has.get(EV_KEY, ())),
        relative=frozenset(has.get(EV_REL, ())),
        absolute={axis: (info.min, info.max) for axis, info in has.get(EV_ABS, ())},
        properties=frozenset(device.input_props()),
        lamps=frozenset(has.get(EV_LED, ())),
    )
