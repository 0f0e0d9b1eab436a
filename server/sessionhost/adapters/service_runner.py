"""Runs the services of one session, as its user. When to restart them is core.services'."""

import os
import selectors
import signal
import sys
import time
from collections.abc import Mapping

from sessionhost.adapters.keyboard_layout import KeyboardLayout
from sessionhost.adapters.x_watch import XWatch
from sessionhost.core.services import GivenUp, Recipe, RestartAt, Service, Supervisor, expand

MAX_LOG_BYTES = 256 * 1024
"""What one session's programs may write to their log, which lies in memory (tmpfs)."""

LOG_NAME = "log"
TAIL_BYTES = 512
_READ_BYTES = 16 * 1024


def open_log(directory: str) -> int:
    """The log in a session's folder, to be written by the runner; as root."""
    how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(os.path.join(directory, LOG_NAME), how, 0o600)


class SessionLog:
    """The log of a session's programs; full means silent, not longer.

    The file is root's. The runner, which has it open, began as root too, so that the session's user
    may neither trace it nor open its files by /proc (PR_SET_DUMPABLE, proc(5)).
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._left = MAX_LOG_BYTES
        self.tail = b""

    def write(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        if self._left <= 0:
            return
        try:
            os.write(self._file, data[: self._left])
        except OSError:
            self._left = 0  # a full disk ends the log, not the session
        self._left -= len(data)

    def say(self, text: str) -> None:
        """One line of our own, here and in the daemon's log."""
        self.write(f"roamdesk: {text}\n".encode())
        try:
            print(f"session {text}", file=sys.stderr, flush=True)
        except OSError:
            pass  # the daemon that we were started by may be gone


class ServiceRunner:
    """Waits for the X server, then keeps the recipe's services running until SIGTERM."""

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, str],
        environment: Mapping[str, str],
        display_fd: int,
        output: tuple[int, int],
        status_fd: int,
        keyboard_fd: int,
        log_fd: int,
    ) -> None:
        self._recipe = recipe
        self._values = values
        self._environment = dict(environment)
        self._display_fd = display_fd
        self._log_read, self._log_write = output
        self._status_fd = status_fd
        self._log = SessionLog(log_fd)
        self._keyboard = KeyboardLayout(
            keyboard_fd,
            self._log_write,
            lambda words: self._log.say(f"{values['session']}: {words}"),
        )
        self._supervisor = Supervisor((), 0.0)
        self._running: dict[int, str] = {}
        self._stop = False
        self._display = b""
        self._x_watch: XWatch | None = None

    def run(self) -> None:
        """Returns when the session is to end."""
        wake_read, wake_write = os.pipe()
        for fd in (wake_read, wake_write, self._log_read):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        keyboard = self._keyboard
        with selectors.DefaultSelector() as selector:
            for fd in (wake_read, self._log_read, self._display_fd, keyboard.pipe):
                selector.register(fd, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(self._timeout()):
                    if key.fileobj is self._x_watch:
                        self._look_for_manager(selector)
                    elif key.fd == keyboard.pipe:
                        keyboard.readable()
                    else:
                        self._readable(key.fd, selector)
                if self._stop:
                    break  # what ends now ends because the session does
                self._reap()
                keyboard.set(self._environment)
                for service in self._supervisor.due(time.monotonic()):
                    self._start(service)
        if not self._display.endswith(b"\n"):
            self._x_is_down()

    def _on_sigterm(self, _number: int, _frame: object) -> None:
        self._stop = True

    def _timeout(self) -> float | None:
        deadline = self._supervisor.next_deadline()
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    def _readable(self, fd: int, selector: selectors.BaseSelector) -> None:
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        if fd == self._log_read:
            self._log.write(data)
        elif fd == self._display_fd:
            self._display += data
            if not data or self._display.endswith(b"\n"):
                selector.unregister(fd)
            if self._display.endswith(b"\n"):
                self._x_is_up(self._display.decode("ascii").strip(), selector)

    def _x_is_up(self, number: str, selector: selectors.BaseSelector) -> None:
        self._environment["DISPLAY"] = f":{number}"
        for name, text in self._recipe.environment:
            self._environment[name] = expand(text, self._values)
        self._supervisor = Supervisor(self._recipe.services, time.monotonic())
        try:
            os.write(self._status_fd, b"ready\n")
            os.close(self._status_fd)
        except OSError:
            pass  # the launcher was restarted meanwhile and has found us by itself
        for service in self._supervisor.due(time.monotonic()):
            self._start(service)
        try:
            with open(self._environment["XAUTHORITY"], "rb") as file:
                self._x_watch = XWatch(number, file.read())
        except OSError as error:
            self._log.say(f"{self._values['session']}: cannot watch the X server: {error}")
        else:
            selector.register(self._x_watch, selectors.EVENT_READ)

    def _look_for_manager(self, selector: selectors.BaseSelector) -> None:
        watch = self._x_watch
        assert watch is not None
        try:
            if not watch.managed():
                return
        except OSError:
            pass  # the X server is ending; the leader sees that too
        selector.unregister(watch)
        watch.close()
        self._x_watch = None
        self._supervisor.window_manager_up(time.monotonic())

    def _x_is_down(self) -> None:
        """The X server ended before it was up: its last line is what a person needs to see."""
        try:
            self._log.write(os.read(self._log_read, _READ_BYTES))
        except OSError:
            pass  # it said nothing
        lines = self._log.tail.decode("utf-8", "replace").split("\n")
        words = next((line for line in reversed(lines) if line.strip()), "without a word")
        try:
            os.write(self._status_fd, f"failed the X server did not start: {words}\n".encode())
        except OSError:
            pass  # nobody listens any more

    def _start(self, service: Service) -> None:
        command = [expand(part, self._values) for part in service.command]
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, self._log_write, 1),
            (os.POSIX_SPAWN_DUP2, self._log_write, 2),
        ]
        try:
            pid = os.posix_spawnp(
                command[0],
                command,
                self._environment,
                file_actions=actions,
                setpgroup=0,
                setsigmask=(),
                # Python ignores SIGPIPE; a shell pipeline must not inherit that.
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP),
            )
        except OSError as error:
            self._ended(service.name, f"cannot start {command[0]}: {error.strerror}")
        else:
            self._running[pid] = service.name

    def _reap(self) -> None:
        while self._running or self._keyboard.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == self._keyboard.running:
                self._keyboard.ended(os.waitstatus_to_exitcode(status))
            name = self._running.pop(pid, None)
            if name is not None:
                self._ended(name, f"ended with {os.waitstatus_to_exitcode(status)}")

    def _ended(self, name: str, how: str) -> None:
        verdict = self._supervisor.died(name, time.monotonic())
        where = f"{self._values['session']}: service {name} {how}"
        if isinstance(verdict, GivenUp):
            self._log.say(f"{where}; given up after {verdict.deaths} deaths")
        elif isinstance(verdict, RestartAt):
            self._log.say(f"{where}; starting it again")
