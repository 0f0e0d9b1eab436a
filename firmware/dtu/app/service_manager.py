"""What systemd wants to hear of us: ready, a status line, still alive (sd_notify(3)). No more.

Own code because it is one datagram: the libraries for it are unmaintained or bind to libsystemd.
"""

import os
import socket
from collections.abc import Mapping

MAX_STATUS_CHARS = 200


class ServiceManager:
    """Tells nothing if no service manager started us (`NOTIFY_SOCKET` is not set)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # "@": a socket in the abstract namespace, which has no file.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._status = ""
        limit = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(limit) / 1e6 if limit.isdecimal() and ours else None
        """After so many seconds without `alive` we are killed and started again; None if never."""

    @property
    def listens(self) -> bool:
        """Whether a service manager started us."""
        return bool(self._address)

    def ready(self) -> None:
        """The terminal serves."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The event loop turns."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The terminal was told to end."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """What `systemctl status` shows; told when it changes."""
        text = " ".join(text.split())[:MAX_STATUS_CHARS]
        if text != self._status:
            self._status = text
            self._tell(f"STATUS={text}")

    def _tell(self, line: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(line.encode(), self._address)
            except OSError:
                pass  # the watchdog says it louder than a log line could
