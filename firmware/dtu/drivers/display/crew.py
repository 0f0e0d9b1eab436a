"""Threads that decode pictures beside the event loop's own. What they decode is not here."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 4
"""The event loop's among them; a Pi has four cores."""


@functools.cache
def crew() -> Callable[[Callable[[], None]], None] | None:
    """Calls a function on each core and returns when all have returned; None on one core.

    The caller's thread is one of them. The threads wait for work as long as the process lives.
    """
    helpers = min(len(os.sched_getaffinity(0)), MOST_THREADS) - 1
    if helpers < 1:
        return None
    pool = ThreadPoolExecutor(helpers, "decode")

    def together(work: Callable[[], None]) -> None:
        others = [pool.submit(work) for _ in range(helpers)]
        work()
        for other in others:
            # One that has not begun has nothing left to do.
            if not other.cancel():
                other.result()

    return together
