"""Watches whether the network cable is in, by the interface's flags. Addresses are not here."""

import fcntl
import socket
import struct

from dtu.drivers.net.polling import PolledWatch

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFREQ = struct.Struct("16sH14x")
"""Interface name and flags; see netdevice(7)."""


def is_plugged(interface: str) -> bool | None:
    """Whether the interface has a carrier; None if it is not there or not switched on yet.

    The ioctl looks into our own network namespace, as /sys does only if it was mounted there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            told = fcntl.ioctl(asking, _SIOCGIFFLAGS, _IFREQ.pack(interface.encode(), 0))
        except OSError:
            return None
    flags: int = _IFREQ.unpack(told)[1]
    return bool(flags & _IFF_RUNNING) if flags & _IFF_UP else None


class CarrierWatch(PolledWatch[bool]):
    """Posts True and False as the cable is put in and pulled; one that is in at the start is not
    told.
    """

    interval_s = 0.5  # one ioctl costs 1 µs

    def __init__(self, interface: str) -> None:
        super().__init__(known=True)
        self._interface = interface

    def look(self) -> bool:
        """An interface that cannot be asked is no cable that could be plugged in."""
        return is_plugged(self._interface) is not False
