"""Records what a real Xtigervnc sends to our client while a scene runs. Replaying is not here."""

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dtu.core.rfb import Failed, Rect, RfbClient, Updated
from roamtools.bench.decode_scenes import SCENES
from roamtools.lab.rpc import Refusal

WIDTH, HEIGHT = 1920, 1080
START_S = 30.0
RECORD_S = 60.0
"""A frame of the video takes this server some 50 ms; a recording is over long before."""


@dataclass(frozen=True)
class Recording:
    """A session's bytes: ServerInit, then each frame, of which the first is the whole picture.

    A frame ends with an update of at least a tenth of the picture. What comes between two of them
    belongs to the later one: fences, and small updates that repair what JPEG spoilt.
    """

    name: str
    width: int
    height: int
    head: bytes
    frames: tuple[bytes, ...]
    seconds: float
    """Of wall time, from the first frame to the last, in which the server made the others."""

    @property
    def size(self) -> int:
        """Bytes of all frames but the first."""
        return sum(map(len, self.frames[1:]))

    @property
    def server_fps(self) -> float:
        """Frames a second that the server made."""
        return (len(self.frames) - 1) / self.seconds


def record(scene: str, frames: int) -> Recording:
    """A recording of so many frames after the first; raises Refusal if it does not come about."""
    with tempfile.TemporaryDirectory() as folder, _session(Path(folder), scene) as rfb:
        return _cut(scene, *_receive(rfb, frames + 1))


def _receive(rfb: Path, frames: int) -> tuple[bytes, float]:
    """All bytes of a connection until so many frames have come, and the seconds since the first."""
    client = RfbClient((Rect(0, 0, WIDTH, HEIGHT),))
    data = bytearray()
    first = None
    deadline = time.monotonic() + RECORD_S
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(rfb))
        server.setblocking(False)
        while frames > 0:
            if time.monotonic() > deadline:
                raise Refusal(f"the server sent too few frames in {RECORD_S:.0f} s")
            select.select([server], [], [], 1.0)
            try:
                piece = server.recv(1 << 20)
            except BlockingIOError:
                continue
            data += piece
            client.receive_data(piece)
            server.sendall(client.data_to_send())
            while (event := client.next_event()) is not None:
                if isinstance(event, Failed) or not piece:
                    raise Refusal(f"the session ended: {event}")
                if client.painted and _is_frame(event):
                    frames -= 1
                    first = first or time.monotonic()
    assert first is not None
    return bytes(data), time.monotonic() - first


def _cut(name: str, data: bytes, seconds: float) -> Recording:
    """Find where updates end by feeding a second client step by step."""
    client = RfbClient()
    ends: list[int] = []
    place = 0
    head = 0
    while (step := client.needed) <= len(data) - place:
        client.receive_data(data[place : place + step])
        place += step
        if client.connected and not head:
            head = place
        while (event := client.next_event()) is not None:
            if client.painted and _is_frame(event):
                ends.append(place)
    starts = [head, *ends]
    frames = tuple(data[start:end] for start, end in zip(starts, ends, strict=False))
    height, width = client.framebuffer.shape[:2]
    return Recording(name, width, height, data[_INIT_AT:head], frames, seconds)


def _is_frame(event: object) -> bool:
    if not isinstance(event, Updated):
        return False
    return sum(r.width * r.height for r in event.rects + event.same) >= WIDTH * HEIGHT // 10


_INIT_AT = 12 + 2 + 4
"""Version, security types (one), security result."""


@contextmanager
def _session(folder: Path, scene: str) -> Iterator[Path]:
    """Xtigervnc with the scene on it; gives its RFB socket."""
    rfb = folder / "rfb.sock"
    children: list[subprocess.Popen[bytes]] = []
    try:
        display = start_x(folder, children, WIDTH, HEIGHT, "-rfbunixpath", str(rfb))
        command = [sys.executable, "-m", "roamtools.bench.decode_scenes", scene]
        env = {**os.environ, "DISPLAY": display}
        children.append(subprocess.Popen([*command, str(WIDTH), str(HEIGHT)], env=env))
        _wait_drawing(display, env)
        yield rfb
    finally:
        stop(children)


def start_x(
    folder: Path, children: "list[subprocess.Popen[bytes]]", width: int, height: int, *options: str
) -> str:
    """Start Xtigervnc and give its display's name; the process is added to `children`."""
    ready, told = os.pipe()
    with (folder / "x.log").open("ab") as log:
        children.append(
            subprocess.Popen(
                [
                    *("Xtigervnc", "-displayfd", str(told), "-rfbport", "-1"),
                    # TigerVNC 1.15 does not start without any way to reach it.
                    *(() if "-rfbunixpath" in options else ("-rfbunixpath", str(folder / "x.rfb"))),
                    *("-SecurityTypes", "None", "-nolisten", "tcp", "-depth", "24"),
                    *("-geometry", f"{width}x{height}", *options),
                ],
                pass_fds=(told,),
                stderr=log,
            )
        )
    os.close(told)
    with os.fdopen(ready) as stream:
        if not select.select([stream], [], [], START_S)[0] or not (line := stream.readline()):
            raise Refusal(f"Xtigervnc did not start: {(folder / 'x.log').read_text()[-500:]}")
    return f":{line.strip()}"


def _wait_drawing(display: str, env: dict[str, str]) -> None:
    """Until the scene has its window; what it takes to make the pictures is not recorded."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        tree = subprocess.run(
            ["xwininfo", "-display", display, "-root", "-tree"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        if f"{WIDTH}x{HEIGHT}+0+0" in tree.partition("child")[2]:
            return
        time.sleep(0.1)
    raise Refusal("the scene opened no window")


def stop(children: "list[subprocess.Popen[bytes]]") -> None:
    """End the processes, the youngest first."""
    for child in reversed(children):
        child.terminate()
    for child in children:
        try:
            child.wait(5.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


__all__ = ["SCENES", "Recording", "record", "start_x", "stop"]
