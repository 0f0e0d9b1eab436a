"""Threads that decode pictures beside the event loop's own. What they decode is not here."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from dtu.core.rfb.jpegs import Crew

MOST_THREADS = 4
"""The event loop's among them; a Pi has four cores."""

LEAST_CORES = 4
"""On two a frame of video took 38 % less time and 5 % more of the processors, a page 9 % more; the
second core has other work too. Boards with four are the ones that are slow."""


@functools.cache
def crew() -> Crew | None:
    """Calls a function on each core and returns when all have; None where cores are few.

    The caller's thread is one of them. The threads wait for work as long as the process lives.
    """
    cores = len(os.sched_getaffinity(0))
    return crew_of(min(cores, MOST_THREADS) - 1) if cores >= LEAST_CORES else None


def crew_of(helpers: int) -> Crew:
    """So many threads beside the caller's."""
    pool = ThreadPoolExecutor(helpers, "decode")

    def together(work: Callable[[], None]) -> None:
        others = [pool.submit(work) for _ in range(helpers)]
        work()
        for other in others:
            # One that has not begun has nothing left to do.
            if not other.cancel():
                other.result()

    return together
