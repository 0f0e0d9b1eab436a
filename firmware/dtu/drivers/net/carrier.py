"""Watches whether the network cable is in, by the interface's flags. Addresses are not here."""

import asyncio
import fcntl
import socket
import struct
from collections.abc import Callable

POLL_S = 0.5
"""A person who plugs a cable in does not wait longer than this to be told; one ioctl costs 1 µs."""

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


class CarrierWatch:
    """Posts True and False as the cable is put in and pulled; needs a running event loop."""

    def __init__(self, interface: str, look: Callable[[str], bool | None] = is_plugged) -> None:
        self._interface = interface
        self._look = look
        self._last = True
        self._post: Callable[[bool], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, post: Callable[[bool], None]) -> None:
        """Begin to watch; a cable that is in already is nothing to tell."""
        self._post = post
        self._poll()

    def stop(self) -> None:
        """End the watch; nothing is posted after this."""
        self._post = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(POLL_S, self._poll)
        # An interface that cannot be asked is no cable that could be plugged in.
        plugged = self._look(self._interface) is not False
        if plugged != self._last and self._post is not None:
            self._last = plugged
            self._post(plugged)
