"""What a terminal's process takes while it shows a 1080p session, and how soon it is up.

`rss_mb`: resident memory after a session was shown and used. `idle_cpu_percent`: of one core, while
the picture is still; the keepalives and the card's watch go on. `start_ms`: from the start of the
process to its first line of `trace`, which is when it serves. All on a lab with real parts.
"""

import os
import signal
import time
from collections.abc import Callable
from statistics import median

from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import call

DESK = "desk1"
SCREEN = {"width": 1920, "height": 1080}
SETTLE_S = 5.0
STILL_S = 30.0
STARTS = 5

Progress = Callable[[str], None]


def run(progress: Progress) -> dict[str, float]:
    """The figures by their names."""
    with Lab(f"bench-dtu-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True, desk_settings=dict(SCREEN))
        _show_and_use(lab)
        progress(f"still for {SETTLE_S:.0f} s, then measured for {STILL_S:.0f} s")
        time.sleep(SETTLE_S)
        before, began = _cpu_s(lab), time.monotonic()
        time.sleep(STILL_S)
        idle = 100 * (_cpu_s(lab) - before) / (time.monotonic() - began)
        figures = {"rss_mb": _rss_mb(lab), "idle_cpu_percent": round(idle, 3)}
        figures["start_ms"] = median(_start_ms(lab, progress) for _ in range(STARTS))
        return figures


def _show_and_use(lab: Lab) -> None:
    """A session in 1080p that is typed into, left, and shown again."""
    wait_until(f"{DESK} is connected", lambda: lab.desk_state(DESK)["state"] == "connected")
    for _ in range(3):
        with lab.trace(DESK) as trace:
            lab.insert(DESK, "A")
            trace.wait("first_frame", 20)
        lab.click(DESK, SCREEN["width"] // 2, SCREEN["height"] // 2)
        lab.type(DESK, "memory is touched by use\n" * 5)
        lab.remove(DESK)
    with lab.trace(DESK) as trace:
        lab.insert(DESK, "A")
        trace.wait("first_frame", 20)


def _pid(lab: Lab) -> int:
    """The process's number in the desk's own namespace."""
    (desk,) = [node for node in lab.status()["nodes"] if node["name"] == DESK]
    (found,) = [each for each in desk["processes"] if each["name"] == "dtu"]
    return int(found["pid"])


def _rss_mb(lab: Lab) -> float:
    text = lab.run(DESK, ["cat", f"/proc/{_pid(lab)}/status"]).stdout
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return round(int(line.split()[1]) / 1000, 1)


def _cpu_s(lab: Lab) -> float:
    """User and system time so far; proc(5) counts in ticks."""
    stat = lab.run(DESK, ["cat", f"/proc/{_pid(lab)}/stat"]).stdout.rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def _start_ms(lab: Lab, progress: Progress) -> float:
    """Kill the terminal; milliseconds from its next start until it answers on its bench socket."""
    before = _pid(lab)
    order = {"op": "restart", "names": ["dtu"], "signal": int(signal.SIGKILL)}
    call(lab.node_dir(DESK) / "init.sock", order)
    began = time.monotonic()
    while not _answers(lab):
        time.sleep(0.005)
    taken = (time.monotonic() - began) * 1000
    progress(f"start: {taken:.0f} ms (process {before} was killed)")
    return round(taken, 1)


def _answers(lab: Lab) -> bool:
    try:
        return bool(lab.desk_state(DESK)["name"])
    except OSError:
        return False
