"""A virtual clock with a heap of what is to happen. Nothing here waits or reads a real clock."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any

START_S = 1000.0
"""Monotonic clocks do not start at zero; neither does this one."""

Event = tuple[float, int, Callable[[Any], None], Any]


class Clock:
    """Events in order of time, and of their making where times are equal."""

    def __init__(self) -> None:
        self.now = START_S
        self.steps = 0
        self._heap: list[Event] = []
        self._count = itertools.count()

    def at(self, when: float, act: Callable[[Any], None], argument: Any = None) -> None:
        """Let `act(argument)` happen at that time, in seconds."""
        heapq.heappush(self._heap, (when, next(self._count), act, argument))

    def after(self, delay: float, act: Callable[[Any], None], argument: Any = None) -> None:
        """Let `act(argument)` happen in so many seconds."""
        heapq.heappush(self._heap, (self.now + delay, next(self._count), act, argument))

    def run(self, until: float) -> None:
        """Let everything happen that is due up to `until`."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until:
            when, _, act, argument = pop(heap)
            self.now = when
            self.steps += 1
            act(argument)
        self.now = until


class Alarm:
    """The one pending wake-up of a machine that has a `next_deadline`."""

    GRAIN_S = 0.0002
    """A deadline that is due is not met earlier than this: real loops have a grain, too."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._at = float("inf")

    def set(self, deadline: float | None) -> None:
        """Wake at that time or before; a wake-up that is set already may come earlier."""
        if deadline is None or deadline >= self._at:
            return
        self._at = max(deadline, self._clock.now + self.GRAIN_S)
        self._clock.at(self._at, self._ring, self._at)

    def _ring(self, at: float) -> None:
        if at == self._at:
            self._at = float("inf")
            self._wake()
