"""When a new desktop is painted: the last large change before the picture is still."""

import time

from roamtools.lab.desk_bench import Trace

STILL_S = 1.0
"""No large change for so long: nothing more comes by itself."""

LARGE_PIXELS = 2000
"""Above a blinking caret (some 40 pixels) and above the pieces (some 1,630) in which the X server
makes parts that went out as JPEG lossless afterwards; below any window, menu or line of text."""


def painted_at(trace: Trace, first_frame_at: float) -> float:
    """CLOCK_MONOTONIC seconds of the last large change after a first frame."""
    painted = first_frame_at
    while (left := painted + STILL_S - time.monotonic()) > 0:
        for event in trace.events(left):
            if event["event"] == "drawn" and event["pixels"] >= LARGE_PIXELS:
                painted = float(event["at"])
                break
    return painted
