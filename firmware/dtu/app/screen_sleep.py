"""Lets the monitors sleep and wakes them: joins `dtu.core.dormancy` to clock and screen."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from dtu.core.dormancy import Dormancy


class Monitors(Protocol):
    """What can sleep; `Screen` is one."""

    def power(self, on: bool) -> None:
        """Sleep, or wake."""


class ScreenSleep:
    """All calls on the event loop's thread, from `start` to `stop`; before it, nothing sleeps."""

    def __init__(self, monitors: Monitors, off_after_s: float) -> None:
        self._monitors = monitors
        self._dormancy = Dormancy(off_after_s, time.monotonic())
        self._lit = True
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lit(self) -> bool:
        """True while the monitors are on."""
        return self._lit

    def stirred(self) -> None:
        """Input, a card or a monitor: somebody is here."""
        self._tell(self._dormancy.stirred)

    def message(self, code: int) -> None:
        """Words with this number are shown."""
        self._tell(lambda now: self._dormancy.message(code, now))

    def session_shown(self) -> None:
        """A session's picture is on the screen."""
        self._tell(self._dormancy.session_shown)

    def stop(self) -> None:
        """Wake up for good."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, what: Callable[[float], None]) -> None:
        what(time.monotonic())
        self._follow()

    def _follow(self) -> None:
        if self._dormancy.lit != self._lit:
            self._lit = self._dormancy.lit
            self._monitors.power(self._lit)
        # Input comes a thousand times a second: a timer that waits already finds the later time.
        if self._timer is None and (deadline := self._dormancy.next_deadline()) is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        self._tell(self._dormancy.handle_deadline)
