"""Input devices without hardware: pipes with struct input_event bytes, and a watch played by hand.

What the driver makes of them is not here.
"""

import os
import struct

from dtu.drivers.input.evdev_device import PipedDevice
from dtu.drivers.udev import DeviceEvent

EVENT = struct.Struct("@llHHi")
"""struct input_event of linux/input.h: seconds, microseconds, type, code, value."""


class PipedHub:
    """Devices by node, plugged and unplugged by the test; opens them for the driver."""

    def __init__(self):
        self.abilities = {}
        self.devices = {}
        self.refuses = {}
        self._writers = {}
        self._on_event = None
        self._wake, self._woken = None, None

    # what EvdevInput is given

    def watch(self, on_event):
        self._on_event = on_event
        self._woken, self._wake = os.pipe()
        return self

    def start(self):
        for node in self.abilities:
            self.tell("add", node)

    def fileno(self):
        return self._woken

    def read(self):
        os.read(self._woken, 4096)

    def open(self, node):
        if node in self.refuses:
            raise self.refuses[node]
        if not self.abilities[node].useful:
            return None
        reader, self._writers[node] = os.pipe()
        device = PipedDevice(reader, f"device {node}", self.abilities[node])
        self.devices[node] = device
        return device

    # what the test does

    def plug(self, node, abilities):
        self.abilities[node] = abilities
        if self._on_event is not None:
            self.tell("add", node)

    def unplug(self, node):
        """As a USB device that is pulled: its descriptor fails, then udev tells."""
        del self.abilities[node]
        if node in self._writers:
            os.close(self._writers.pop(node))

    def tell(self, action, node):
        self._on_event(DeviceEvent(action, node, f"/sys/{node}"))

    def write(self, node, *numbers, at=1.0):
        """Triples of kind, code and value, then SYN_REPORT, in one write."""
        seconds, part = int(at), round(at % 1 * 1e6)
        data = b"".join(EVENT.pack(seconds, part, *each) for each in (*numbers, (0, 0, 0)))
        os.write(self._writers[node], data)

    def close(self):
        for writer in self._writers.values():
            os.close(writer)
        for end in (self._wake, self._woken):
            if end is not None:
                os.close(end)
