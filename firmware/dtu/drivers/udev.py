"""Devices that come and go, as udev tells them (pyudev's one import). What they are is not here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyudev

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A device of the watched subsystem is there (`add`), has changed (`change`), or went
    (`remove`). `node` is its file under /dev, empty if it has none; `path` is its place under /sys.
    """

    action: str
    node: str
    path: str


class UdevWatch:
    """Tells of every device of one subsystem: first of those that are there, then of changes.

    Give `fileno` to the event loop's `add_reader` with `read` as its callback. Events of one device
    come in order; one that came while the present ones were listed may be told twice.
    """

    def __init__(self, subsystem: str, on_event: Callable[[DeviceEvent], None]) -> None:
        self._on_event = on_event
        self._subsystem = subsystem
        self._context = pyudev.Context()
        self._monitor = pyudev.Monitor.from_netlink(self._context)
        self._monitor.filter_by(subsystem)

    def start(self) -> None:
        """Tell of the devices that are there; the monitor runs before they are listed."""
        self._monitor.start()
        for device in self._context.list_devices(subsystem=self._subsystem):
            self._tell("add", device)

    def fileno(self) -> int:
        """Readable when `read` has something to do."""
        return int(self._monitor.fileno())

    def read(self) -> None:
        """Tell of everything that has happened since."""
        while True:
            try:
                device = self._monitor.poll(timeout=0)
            except OSError as error:
                # ENOBUFS: more came than the socket holds. What is there is told again.
                _LOG.warning("udev events of %s were lost (%s)", self._subsystem, error)
                for present in self._context.list_devices(subsystem=self._subsystem):
                    self._tell("add", present)
                return
            if device is None:
                return
            self._tell(device.action or "change", device)

    def _tell(self, action: str, device: Any) -> None:
        self._on_event(DeviceEvent(action, device.device_node or "", device.sys_path))
