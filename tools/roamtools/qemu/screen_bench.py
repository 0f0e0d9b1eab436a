"""What the terminal's screen costs: a whole 1080p frame, a small change, a moved pointer.

`python -m roamtools.qemu.screen_bench console` measures here; `tools/qemu bench` the console in the
guest and headless on the host. Without KVM the guest's figures are those of an emulated
processor: good to compare with each other, never with a board's.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from dtu.core.rfb import Cursor, Rect
from dtu.drivers.display.pygame_screen import PygameScreen, open_screen

WIDTH, HEIGHT = 1920, 1080
_ROUNDS = 60
_SMALL = 32
"""Pixels: a typed letter and its surroundings."""


def measure(output: str) -> dict[str, dict[str, float]]:
    """By case, milliseconds a round: `wall_ms` the middle one, `cpu_ms` ours and the kernel's."""
    screen = open_screen(output, WIDTH, HEIGHT, f"{WIDTH}x{HEIGHT}")
    try:
        return _cases(screen)
    finally:
        screen.close()


def _cases(screen: PygameScreen) -> dict[str, dict[str, float]]:
    width, height = screen.size
    rng = np.random.default_rng(1)
    frame = rng.integers(256, size=(height, width, 4), dtype=np.uint8)
    cursor = Cursor(0, 0, np.full((24, 24, 4), 255, np.uint8))
    whole = (Rect(0, 0, width, height),)
    screen.show_session(frame, whole, cursor)

    def small(number: int) -> None:
        place = Rect(
            number * 29 % (width - _SMALL), number * 17 % (height - _SMALL), _SMALL, _SMALL
        )
        screen.show_session(frame, (place,), cursor)

    return {
        "full_frame": _timed(screen, lambda _: screen.show_session(frame, whole, cursor)),
        "small_change": _timed(screen, small),
        "pointer": _timed(screen, lambda number: screen.move_pointer(number * 7, number * 5)),
    }


def _timed(screen: PygameScreen, work: Callable[[int], None]) -> dict[str, float]:
    walls = []
    cpu = time.process_time()
    for number in range(_ROUNDS):
        began = time.perf_counter()
        work(number)
        screen.pump()
        walls.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    middle = sorted(walls)[_ROUNDS // 2]
    return {"wall_ms": round(middle * 1000, 3), "cpu_ms": round(cpu / _ROUNDS * 1000, 3)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
