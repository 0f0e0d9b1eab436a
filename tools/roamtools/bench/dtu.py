"""What a terminal's process takes while it shows a 1080p session, how soon it is up, its keys.

All on a lab with real parts. The terminal has what one at a desk has: a window on an X server of
its own, the sound of the session both ways, evdev and udev (without devices, a lab has none),
pcscd's reader, zeroconf and DNS. `headless_` is the same process without window and sound.

`rss_mb`: resident memory (VmRSS, shared libraries and the window's shared pixels included) after a
session was shown and used; `peak_rss_mb`: the most it ever was (VmHWM). `idle_cpu_percent`: of one
core, while the picture is still; the keepalives and the card's watch go on. `start_ms`: from the
start of the process until it answers, median; `start_cpu_ms`: its processor time until then, which
other work on the machine hardly changes. Of several rounds the worst memory and idle time count.
What `stuck_keys` and its like are, is in the module of that name; they are sums over all rounds.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from roamtools.bench import stuck_keys
from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal, call
from roamtools.lab.sound import CHANNELS

DESK = "desk1"
SCREEN = {"width": 1920, "height": 1080}
WHOLE = {**SCREEN, "display": "window", "input": "evdev", "sound": "pulse"}
HEADLESS = {**SCREEN, "input": "evdev"}
"""Settings of the terminal; the lab's own are headless, scripted input, no sound."""

LIBRARIES = ("libX11", "libSDL2", "_scard", "evdev", "libssl", "numpy", "zeroconf")
"""What has to be in the memory of the whole one, or its figure is of something else."""

SETTLE_S = 5.0
STILL_S = 30.0
STARTS = 5
ROUNDS = 1
USES = 3
MB = 1000 * 1000

Progress = Callable[[str], None]


def run(progress: Progress, rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures by their names; each round has the next seed for its keys."""
    figures: dict[str, Any] = {}
    starts: list[dict[str, float]] = []
    for number in range(rounds):
        whole = process_figures(progress, WHOLE)
        starts += whole.pop("starts")
        headless = process_figures(progress, HEADLESS, starts=0)
        headless.pop("starts")
        rows = whole | {f"headless_{name}": value for name, value in headless.items()}
        for name, value in rows.items():
            figures[name] = max(value, figures.get(name, 0))
        for name, count in stuck_keys.run(progress, seed=stuck_keys.SEED + number).items():
            figures[name] = figures.get(name, 0) + count
    for name in starts[0]:
        figures[name] = round(median(start[name] for start in starts))
    return figures


def process_figures(
    progress: Progress,
    settings: Mapping[str, Any],
    *,
    still_s: float = STILL_S,
    starts: int = STARTS,
) -> dict[str, Any]:
    """Memory and idle time of a terminal with these settings, and each of its starts."""
    with Lab(f"bench-dtu-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True, desk_settings=dict(settings))
        kind = settings.get("display", "headless")
        _show_and_use(lab, sound=settings.get("sound") == "pulse")
        if settings is WHOLE:
            _check_whole(lab)
        progress(f"{kind}: still for {SETTLE_S:.0f} s, then measured for {still_s:.0f} s")
        time.sleep(SETTLE_S)
        before, began = _cpu_s(lab), time.monotonic()
        time.sleep(still_s)
        idle = 100 * (_cpu_s(lab) - before) / (time.monotonic() - began)
        figures = {
            "rss_mb": _memory_mb(lab, "VmRSS"),
            "peak_rss_mb": _memory_mb(lab, "VmHWM"),
            "idle_cpu_percent": round(idle, 2),
        }
        progress(f"{kind}: {figures}")
        return {**figures, "starts": [_start(lab, progress) for _ in range(starts)]}


def _show_and_use(lab: Lab, *, sound: bool) -> None:
    """A session in 1080p that is typed into, left, and shown again."""
    wait_until(f"{DESK} is connected", lambda: lab.desk_state(DESK)["state"] == "connected")
    for number in range(USES + 1):
        with lab.trace(DESK) as trace:
            lab.insert(DESK, "A")
            trace.wait("first_frame", 20)
        if sound:
            wait_until("sound is there", lambda: lab.desk_state(DESK)["sound"] == CHANNELS)
        if number < USES:
            lab.click(DESK, SCREEN["width"] // 2, SCREEN["height"] // 2)
            lab.type(DESK, "memory is touched by use\n" * 5)
            lab.remove(DESK)


def _check_whole(lab: Lab) -> None:
    maps = (_proc(lab) / "maps").read_text()
    missing = [name for name in LIBRARIES if name not in maps]
    if missing:
        raise Refusal(f"not in the terminal's memory: {', '.join(missing)}")


def _proc(lab: Lab) -> Path:
    """The directory of the terminal's process in the desk's own /proc."""
    (desk,) = [node for node in lab.status()["nodes"] if node["name"] == DESK]
    (found,) = [each for each in desk["processes"] if each["name"] == "dtu"]
    return lab.node_root(desk) / "proc" / str(found["pid"])


def _memory_mb(lab: Lab, field: str) -> float:
    """A line of proc(5)'s status; its kB are 1024 bytes."""
    lines = (_proc(lab) / "status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{field}:")]
    return round(int(line.split()[1]) * 1024 / MB, 1)


def _cpu_s(lab: Lab) -> float:
    """User and system time so far, all threads; proc(5) counts in ticks."""
    stat = (_proc(lab) / "stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def _start(lab: Lab, progress: Progress) -> dict[str, float]:
    """Kill the terminal; milliseconds from its next start until it answers on its bench socket."""
    order = {"op": "restart", "names": ["dtu"], "signal": int(signal.SIGKILL)}
    call(lab.node_dir(DESK) / "init.sock", order)
    began = time.monotonic()
    while not _answers(lab):
        time.sleep(0.005)
    taken_ms = (time.monotonic() - began) * 1000
    cpu_ms = _cpu_s(lab) * 1000
    progress(f"start: {taken_ms:.0f} ms, {cpu_ms:.0f} ms of processor time")
    return {"start_ms": taken_ms, "start_cpu_ms": cpu_ms}


def _answers(lab: Lab) -> bool:
    try:
        return bool(lab.desk_state(DESK)["name"])
    except OSError:
        return False
