"""Looks at something again and again, and posts when it is another; what it looks at is not here.

Polling is enough for what the network's watches see: a person at the desk does not wait longer than
half a second to be told, and a look costs microseconds.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PolledWatch(ABC, Generic[T]):
    """Posts what `look` finds, each time that it changes; needs a running event loop.

    `known` is what needs no telling at the start.
    """

    interval_s: float

    def __init__(self, known: T | None = None) -> None:
        self._last = known
        self._post: Callable[[T], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def look(self) -> T | None:
        """What is there now; None if there is nothing to tell."""

    def start(self, post: Callable[[T], None]) -> None:
        """Begin to watch; what is there already is posted at once."""
        self._post = post
        self._poll()

    def stop(self) -> None:
        """End the watch; nothing is posted after this."""
        self._post = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.interval_s, self._poll)
        now = self.look()
        if now is not None and now != self._last and self._post is not None:
            self._last = now
            self._post(now)
