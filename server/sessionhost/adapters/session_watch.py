"""Follows one session's leader: its words, its stop, its end. Starting it is not here."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable

from sessionhost.adapters import process_tree
from sessionhost.adapters.session_spawn import Started
from sessionhost.adapters.session_store import SessionRecord, SessionStore

STOP_GRACE_S = 4.0
"""The leader ends its programs within 1 s of SIGTERM and kills for 1 s more; then it is killed."""

SWEEP_AGAIN_S = 0.02
SWEEP_ROUNDS = 100

MAX_STATUS_BYTES = 1024


class SessionWatch:
    """One session between its start and the moment when nothing of it is left."""

    def __init__(
        self,
        record: SessionRecord,
        store: SessionStore,
        on_ready: Callable[[str], None],
        on_over: Callable[[str, bool, str], None],
    ) -> None:
        self.record = record
        self.ready = False
        self._store = store
        self._on_ready = on_ready
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._status_fd = -1
        self._status = b""
        self._pidfd = -1
        self._kill_timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._over = False
        self._failure = ""

    @property
    def session(self) -> str:
        return self.record.order.session

    def began(self, started: Started) -> None:
        """Follows a leader that has just been started."""
        self._process, self._status_fd = started.process, started.status_fd
        self._loop.add_reader(started.status_fd, self._status_readable)

    def adopt(self) -> bool:
        """Follows a leader from before our start; False if it is gone."""
        if not self.record.pid or not self._follow(self.record.pid, self.record.start_time):
            return False
        self.ready = True
        return True

    def stop(self) -> None:
        """SIGTERM for the leader, SIGKILL for all if that takes too long."""
        if self._stopping:
            return
        self._stopping = True
        self._kill_timer = self._loop.call_later(STOP_GRACE_S, self._kill)
        self._send(signal.SIGTERM)

    def forget(self) -> None:
        """Lets go of the session without touching it."""
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._close_status()
        self._close_pidfd()

    def sweep(self, reason: str, rounds: int = SWEEP_ROUNDS) -> None:
        """Kills what still carries the session's mark, then tells that the session is over."""
        strays = process_tree.marked(self.session)
        if strays and rounds:
            process_tree.signal_all(strays, signal.SIGKILL)
            self._loop.call_later(SWEEP_AGAIN_S, self.sweep, reason, rounds - 1)
            return
        self._store.remove(self.session)
        self._on_over(self.session, self.ready, reason)

    def _status_readable(self) -> None:
        try:
            data = os.read(self._status_fd, MAX_STATUS_BYTES)
        except BlockingIOError:
            return
        self._status += data
        while b"\n" in self._status:
            line, _, self._status = self._status.partition(b"\n")
            self._status_line(line.decode("utf-8", "replace"))
        if data and len(self._status) <= MAX_STATUS_BYTES:
            return
        # The leader closes the pipe when its X server is up; before its first word, it is dead.
        self._close_status()
        if self._pidfd < 0:
            self._leader_ended()

    def _status_line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "pid" and rest.isdecimal() and self._pidfd < 0:
            self._learn_pid(int(rest))
        elif word == "ready":
            self.ready = True
            self._on_ready(self.session)
        elif word == "failed":
            self._failure = rest

    def _learn_pid(self, pid: int) -> None:
        began = process_tree.start_time(pid)
        if began is None or not self._follow(pid, began):
            return
        self.record = self.record.led_by(pid, began)
        self._store.save(self.record)
        if self._process is not None and self._process.pid != pid:
            self._process.terminate()  # systemd-run, which has done its part
        if self._stopping:
            self._send(signal.SIGTERM)

    def _follow(self, pid: int, start_time: int) -> bool:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        # Compared after the pidfd is open: from here on the number cannot mean another process.
        if process_tree.start_time(pid) != start_time:
            os.close(pidfd)
            return False
        self._pidfd = pidfd
        self._loop.add_reader(pidfd, self._leader_ended)
        return True

    def _leader_ended(self) -> None:
        self._close_pidfd()
        if self._status_fd >= 0:
            self._status_readable()  # its last words, if it had any
            self._close_status()
        if self._over:
            return
        self._over = True
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()  # systemd-run, or a leader that never said a word
            self._process.wait()
        self.sweep(self._reason())

    def _reason(self) -> str:
        if self._stopping:
            return "stopped"
        if self._failure:
            return self._failure
        return "the X server ended" if self.ready else "the X server did not start"

    def _kill(self) -> None:
        self._send(signal.SIGKILL)
        if self._pidfd < 0 and self._process is not None:
            self._process.kill()

    def _send(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                pass

    def _close_pidfd(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _close_status(self) -> None:
        if self._status_fd >= 0:
            self._loop.remove_reader(self._status_fd)
            os.close(self._status_fd)
            self._status_fd = -1
