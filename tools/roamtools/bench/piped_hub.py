"""Input devices without hardware: pipes with struct input_event bytes, and a watch played by hand.

What the driver makes of them is not here.
"""

import os
import struct
from collections.abc import Callable

from dtu.core.input.decoder import Abilities
from dtu.drivers.input.evdev_device import PipedDevice
from dtu.drivers.udev import DeviceEvent

EVENT = struct.Struct("@llHHi")
"""struct input_event of linux/input.h: seconds, microseconds, type, code, value."""

Number = tuple[int, int, int]
"""Kind, code and value."""


class PipedHub:
    """Devices by node, plugged and unplugged by hand; the driver's watch, and opens them for it."""

    def __init__(self) -> None:
        self.abilities: dict[str, Abilities] = {}
        self.devices: dict[str, PipedDevice] = {}
        self.refuses: dict[str, OSError] = {}
        self._writers: dict[str, int] = {}
        self._on_event: Callable[[DeviceEvent], None] | None = None
        self._woken, self._wake = os.pipe()

    # what EvdevInput is given

    def watch(self, on_event: Callable[[DeviceEvent], None]) -> "PipedHub":
        """This, as the driver's watch."""
        self._on_event = on_event
        return self

    def start(self) -> None:
        """Tell of the devices that are there."""
        for node in self.abilities:
            self.tell("add", node)

    def fileno(self) -> int:
        """Never readable: the driver is told at once."""
        return self._woken

    def read(self) -> None:
        """Nothing is ever to be read."""

    def open(self, node: str) -> PipedDevice | None:
        """As `open_device`; raises what `refuses` has for the node."""
        if node in self.refuses:
            raise self.refuses[node]
        if not self.abilities[node].useful:
            return None
        reader, self._writers[node] = os.pipe()
        device = PipedDevice(reader, f"device {node}", self.abilities[node])
        self.devices[node] = device
        return device

    # what a person does

    def plug(self, node: str, abilities: Abilities) -> None:
        """A device comes."""
        self.abilities[node] = abilities
        if self._on_event is not None:
            self.tell("add", node)

    def unplug(self, node: str) -> None:
        """A device is pulled: what was written before is still read, then reading fails."""
        del self.abilities[node]
        if node in self._writers:
            os.close(self._writers.pop(node))

    def tell(self, action: str, node: str) -> None:
        """Udev says this of a node."""
        assert self._on_event is not None
        self._on_event(DeviceEvent(action, node, f"/sys/{node}"))

    def write(self, node: str, *numbers: Number, at: float = 1.0) -> None:
        """The device tells these and SYN_REPORT, in one write."""
        seconds, part = int(at), round(at % 1 * 1e6)
        data = b"".join(EVENT.pack(seconds, part, *each) for each in (*numbers, (0, 0, 0)))
        os.write(self._writers[node], data)

    def close(self) -> None:
        """Close all pipes' writing ends; the driver has closed the others."""
        for writer in (*self._writers.values(), self._wake, self._woken):
            os.close(writer)
