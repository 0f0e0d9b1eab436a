"""Gives a session's X server the keyboard layout of the desk that shows it. Choosing is not here.

launcherd writes layouts into a named pipe, one a line, whenever the session is shown; setxkbmap
sets them as the session's user. A session without that pipe keeps the layout that it has.
"""

import os
from collections.abc import Callable, Mapping

PROGRAM = "setxkbmap"
PIPE_NAME = "keyboard"

_READ_BYTES = 4096


def make_pipe(directory: str | os.PathLike[str]) -> None:
    """The pipe in a session's folder; root's alone."""
    os.mkfifo(os.path.join(directory, PIPE_NAME), 0o600)


def open_pipe(directory: str) -> int:
    """The reading end; it is opened for writing too, so that it has no end when a writer goes."""
    return os.open(os.path.join(directory, PIPE_NAME), os.O_RDWR | os.O_NONBLOCK)


def tell(directory: str | os.PathLike[str], layout: str) -> None:
    """Write a layout; OSError if the session has no pipe or nobody reads it."""
    pipe = os.open(os.path.join(directory, PIPE_NAME), os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(pipe, f"{layout}\n".encode("ascii"))
    finally:
        os.close(pipe)


class KeyboardLayout:
    """Sets one layout at a time, the newest in the end; `say` takes words for the log."""

    def __init__(self, pipe: int, log: int, say: Callable[[str], None]) -> None:
        self.pipe = pipe
        self.running: int | None = None
        self._log = log
        self._say = say
        self._wanted = ""
        self._setting = ""

    def readable(self) -> None:
        """Take what launcherd wrote."""
        try:
            lines = os.read(self.pipe, _READ_BYTES).decode("ascii", "replace").split()
        except BlockingIOError:
            return
        self._wanted = lines[-1] if lines else self._wanted

    def set(self, environment: Mapping[str, str]) -> None:
        """Begin to set what is wanted, if the X server is up and nothing is being set."""
        if not self._wanted or self.running is not None or "DISPLAY" not in environment:
            return
        self._setting, self._wanted = self._wanted, ""
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, self._log, 1),
            (os.POSIX_SPAWN_DUP2, self._log, 2),
        ]
        command = [PROGRAM, "-layout", self._setting]
        try:
            self.running = os.posix_spawnp(
                PROGRAM, command, environment, file_actions=actions, setsigmask=()
            )
        except OSError as error:
            self._say(f"cannot start {PROGRAM} (package x11-xkb-utils): {error.strerror}")

    def ended(self, status: int) -> None:
        """setxkbmap has ended; a layout that this server does not know changes nothing."""
        self.running = None
        if status:
            self._say(f"keyboard layout {self._setting} is not known here; the one before stays")
