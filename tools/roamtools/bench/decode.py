"""Frames a CPU second: our decoder and Debian's vncviewer on the same recorded streams.

Cases: `office` (a document is scrolled), `web` (a page with photographs is scrolled), `video` (full
screen), each 1920x1080, recorded from a real Xtigervnc in this run. Each viewer gets the recording
frame by frame over loopback without TLS. CPU time is user and system time of the viewer's process,
all threads, from the first whole frame on. Ours composes each frame to the memory of a headless
screen. vncviewer draws into a window of an Xtigervnc through shared memory; that X server's time
is not counted.

`fps`: frames a CPU second of ours; `vncviewer_fps`: of vncviewer; `ratio_to_vncviewer`: first by
second, both the median of the repeats; `wall_fps`: frames a second of wall time of ours.
Of the video: `one_core_fps`, frames a second of wall time of ours when its process may run on one
processor only and gets the recording without a pause; the recorder shares that processor's
machine, not the processor. `server_fps`: frames a second that Xtigervnc made for the recording.
`one_core_of_goal`: the first by 60, or by the second if that is less.

Ours uses libjpeg-turbo's fast transform, vncviewer the exact one, which takes some 7 % longer.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roamtools.bench.decode_record import SCENES, Recording, record, start_x, stop
from roamtools.bench.decode_replay import Replay
from roamtools.lab.rpc import Refusal

FRAMES = 150
REPEATS = 5
GOAL_FPS = 60.0
SETTLE_S = 0.5
"""After the first and the last frame: what a viewer still does for it belongs to it."""


@dataclass(frozen=True)
class Run:
    """One viewer through one recording."""

    cpu_s: float
    wall_s: float


def run(
    progress: Callable[[str], None], repeats: int = REPEATS, frames: int = FRAMES
) -> dict[str, Any]:
    """All cases; raises Refusal if a part does not start or a viewer gives up."""
    if shutil.which("vncviewer") is None:
        raise Refusal("vncviewer is missing: apt-get install tigervnc-viewer")
    cases = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        children: list[subprocess.Popen[bytes]] = []
        try:
            display = start_x(folder, children, 2048, 1280)
            for scene in SCENES:
                progress(f"{scene}: recording")
                recording = record(scene, frames)
                cases[scene] = compare(recording, repeats, folder, display)
                if scene == "video":
                    cases[scene] |= one_core(recording, repeats)
                progress(f"{scene}: {cases[scene]}")
        finally:
            stop(children)
    return {"cases": cases}


def compare(recording: Recording, repeats: int, folder: Path, display: str) -> dict[str, Any]:
    """Both viewers in turn, so that a busy minute of the machine is one for both."""
    ours: list[Run] = []
    theirs: list[Run] = []
    for _ in range(repeats):
        ours.append(_play(recording, _our_command(recording), None))
        theirs.append(_play(recording, vncviewer, {"DISPLAY": display, "HOME": str(folder)}))
    frames = len(recording.frames) - 1
    our_cpu_s = statistics.median(each.cpu_s for each in ours)
    their_cpu_s = statistics.median(each.cpu_s for each in theirs)
    return {
        "frames": frames,
        "fps": round(frames / our_cpu_s, 1),
        "vncviewer_fps": round(frames / their_cpu_s, 1),
        "ratio_to_vncviewer": round(their_cpu_s / our_cpu_s, 3),
        "wall_fps": round(frames / statistics.median(each.wall_s for each in ours), 1),
        "bytes": recording.size,
    }


def one_core(recording: Recording, repeats: int) -> dict[str, float]:
    """Frames a second of wall time, ours on the last processor alone (the median), and the goal."""
    last = max(os.sched_getaffinity(0))
    command = _our_command(recording)
    runs = [
        _play(
            recording,
            lambda port: [*command(port), "--processor", str(last)],
            None,
            len(recording.frames),
        )
        for _ in range(repeats)
    ]
    fps = (len(recording.frames) - 1) / statistics.median(each.wall_s for each in runs)
    return {
        "one_core_fps": round(fps, 1),
        "server_fps": round(recording.server_fps, 1),
        "one_core_of_goal": round(fps / min(GOAL_FPS, recording.server_fps), 2),
    }


def _our_command(recording: Recording) -> Callable[[int], list[str]]:
    size = (str(recording.width), str(recording.height))
    return lambda port: [sys.executable, "-m", "roamtools.bench.decode_ours", str(port), *size]


def vncviewer(port: int) -> list[str]:
    """Fixed encoding and full colour: it must take the stream as it is and ask for no other.

    Without its menu key it does not blend a hint about it over the first seconds' frames.
    """
    return [
        *("vncviewer", "-AutoSelect=0", "-FullColor=1", "-PreferredEncoding=Tight"),
        *("-QualityLevel=8", "-CompressLevel=1", "-RemoteResize=0", "-SecurityTypes=None"),
        *("-MenuKey=", "-Shared=0", f"127.0.0.1::{port}"),
    ]


def _play(
    recording: Recording,
    command: Callable[[int], list[str]],
    env: dict[str, str] | None,
    ahead: int = 1,
) -> Run:
    replay = Replay()
    children: list[subprocess.Popen[bytes]] = []
    since: list[float] = []
    viewer = subprocess.Popen(
        command(replay.port), env={**os.environ, **(env or {})}, stderr=subprocess.DEVNULL
    )
    children.append(viewer)

    def warm() -> None:
        time.sleep(SETTLE_S)
        since.extend((cpu_seconds(viewer.pid), time.monotonic()))

    try:
        replay.play(recording, warm, ahead)
        wall_s = time.monotonic() - since[1]
        time.sleep(SETTLE_S)
        return Run(cpu_seconds(viewer.pid) - since[0], wall_s)
    finally:
        stop(children)
        replay.close()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, to the nanosecond (CPUCLOCK_SCHED)."""
    return time.clock_gettime(~pid << 3 | 2)
