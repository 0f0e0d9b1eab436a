"""From a key to the changed pixel: the terminal and Debian's vncviewer on the same session.

One Xtigervnc session with a program that paints a square on each key press. Each viewer has an X
display of its own for its window. The terminal's key is written as struct input_event bytes to the
pipe that stands for its device file, vncviewer's is a key of its X display (XTEST). For both the
end is the square's pixel on their display, polled by XGetImage in the same way. They take turns, in
blocks, on the same session; the terminal goes through TLS and the real display gateway, vncviewer
straight to the session's socket.
"""

import contextlib
import datetime
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from roamtools.bench.input_painter import SIDE
from roamtools.bench.input_terminal import SIZE
from roamtools.bench.percentiles import percentile
from roamtools.bench.piped_hub import EVENT
from roamtools.bench.recording_session import issue
from roamtools.bench.x11 import XDisplay
from roamtools.lab.rpc import Refusal
from roamwire.identity import Identity
from sessionhost.adapters import xserver
from sessionhost.adapters.pki import create_group

ROUNDS, KEYS = 6, 25
"""Blocks of each viewer, keys of a block."""

WARM_UP = 5
"""Keys of each block that are not counted: the window has just come."""

_PATIENCE_S = 20.0
_KEY_S = 2.0
_POLL_S = 0.0002
_PAUSE_S = (0.05, 0.12)
"""Between keys, at random: neither viewer nor server may keep step with the benchmark."""

_FIRST_DISPLAY = 1000

_KEY_A = 30
_X_KEY_A = _KEY_A + 8

_NEEDED = {
    "Xtigervnc": "tigervnc-standalone-server",
    "xtigervncviewer": "tigervnc-viewer",
    "openbox": "openbox",
}
"""Programs and the Debian packages that bring them."""

_WINDOW_RULES = """<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc"><applications><application class="*">
<decor>no</decor><maximized>yes</maximized><focus>yes</focus>
</application></applications></openbox_config>
"""

Progress = Callable[[str], None]


class _Viewer(Protocol):
    """A viewer that shows the session on a display."""

    name: str
    seen: XDisplay

    def key(self, down: bool) -> None:
        """Press or release the A key."""


class Rig:
    """Everything that runs; all of it ends with `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rfb = folder / "session.sock"
        self._running = contextlib.ExitStack()
        self.port = _free_port()
        self._epoch = 0
        self._displays = 0

    def close(self) -> None:
        """End all processes, the newest first."""
        self._running.close()

    def start(self) -> None:
        """Session with painter, displays of the viewers, gateway."""
        now = datetime.datetime.now(datetime.UTC)
        ca = create_group(self.folder / "group", "bench", now, os.urandom)
        certificate, key = issue(self.folder, ca, Identity("server", "s1"), now)
        issue(self.folder, ca, Identity("dtu", "desk1"), now)
        (self.folder / "server.toml").write_text(
            f'host = "s1"\ngroup_dir = "group"\nidentity_cert = "{certificate}"\n'
            f'identity_key = "{key}"\nrun_dir = "run"\nstate_dir = "state"\n'
            f'display_port = {self.port}\nhost_user = "root"\ndisplay_user = "root"\n',
            encoding="ascii",
        )
        (self.folder / "run").mkdir()
        session = self.x_server("session", SIZE, "-rfbunixpath", str(self.rfb))
        self.process("painter", [*_python("input_painter"), session], "painting")
        self.vncviewer_display = self._desk("vncviewer")
        self.terminal_display = self._desk("terminal")
        daemon = [sys.executable, "-m", "sessionhost.app.displayd"]
        self.process("displayd", [*daemon, "--config", str(self.folder / "server.toml")])
        _wait(lambda: _listens(self.port), "displayd listens")

    def _desk(self, name: str) -> str:
        """A display whose only window has no frame, all of the screen, and the keys."""
        display = self.x_server(f"{name}-x", SIZE)
        (self.folder / "rc.xml").write_text(_WINDOW_RULES, encoding="ascii")
        rules = ["openbox", "--config-file", str(self.folder / "rc.xml")]
        self.process(f"{name}-openbox", rules, env=_environment(display))
        return display

    def x_server(self, name: str, size: tuple[int, int], *more: str) -> str:
        """An Xtigervnc with the options of a real session; its display."""
        self._displays += 1
        # Numbers that nobody else takes: X clients look in the whole network namespace first.
        number = _FIRST_DISPLAY + 4 * (os.getpid() % 10_000) + self._displays
        ready, told = os.pipe()
        options = xserver.command(told, "", *size, name)
        raw = [each for each in options if each.startswith("-RawKeyboard")]
        if "-rfbunixpath" not in more:  # TigerVNC 1.15 does not start without a way to reach it
            more = (*more, "-rfbunixpath", f"{self.folder}/{name}.rfb")
        command = [
            *("Xtigervnc", f":{number}", "-displayfd", str(told)),
            *("-geometry", f"{size[0]}x{size[1]}"),
            *("-depth", "24", "-rfbport", "-1", "-SecurityTypes", "None", "-nolisten", "tcp"),
            *("-br", "-noreset", "-NeverShared=1", "-DisconnectClients=1", *raw, *more),
        ]
        self.process(name, command, pass_fds=(told,))
        os.close(told)
        with os.fdopen(ready) as stream:
            display = stream.readline().strip()
        if not display:
            log = (self.folder / f"{name}.log").read_text(errors="replace")
            raise Refusal(f"Xtigervnc did not start:\n{log[-2000:]}")
        return f":{display}"

    def process(self, name: str, command: list[str], ready: str = "", **options: Any) -> None:
        """Start a process for the time of the benchmark."""
        self._running.enter_context(self.running(name, command, ready, **options))

    @contextlib.contextmanager
    def running(
        self, name: str, command: list[str], ready: str = "", **options: Any
    ) -> Iterator[None]:
        """A process, from its line `ready` to the end of the block."""
        with (self.folder / f"{name}.log").open("ab") as log:
            out = subprocess.PIPE if ready else log
            child = subprocess.Popen(command, stdout=out, stderr=log, **options)
        try:
            if ready:
                assert child.stdout is not None
                if child.stdout.readline().decode().strip() != ready:
                    raise TimeoutError(f"{name}: {(self.folder / f'{name}.log').read_text()}")
            yield
        finally:
            child.terminate()
            child.wait(_PATIENCE_S)
            if child.stdout is not None:
                child.stdout.close()

    @contextlib.contextmanager
    def terminal(self) -> Iterator["_Viewer"]:
        """The terminal, for one block."""
        self._epoch += 1
        reader, writer = os.pipe()
        command = [
            *_python("input_terminal"), str(self.folder), str(self.rfb),
            *("--port", str(self.port), "--device", str(reader), "--epoch", str(self._epoch)),
        ]  # fmt: skip
        with self.running(
            "terminal",
            command,
            "shown",
            pass_fds=(reader,),
            env=_environment(self.terminal_display),
        ):
            os.close(reader)
            yield _Terminal(self.terminal_display, writer)
        os.close(writer)

    @contextlib.contextmanager
    def vncviewer(self) -> Iterator["_Viewer"]:
        """Debian's vncviewer, for one block."""
        command = ["xtigervncviewer", "-RemoteResize=0", "-SecurityTypes=None", str(self.rfb)]
        with self.running("vncviewer", command, env=_environment(self.vncviewer_display)):
            yield _VncViewer(self.vncviewer_display)


class _Terminal:
    name = "the terminal"

    def __init__(self, display: str, device: int) -> None:
        self.seen = XDisplay(display)
        self._device = device

    def key(self, down: bool) -> None:
        """As the kernel does: the key, then the end of the packet."""
        os.write(self._device, EVENT.pack(0, 0, 1, _KEY_A, int(down)) + EVENT.pack(0, 0, 0, 0, 0))


class _VncViewer:
    name = "vncviewer"

    def __init__(self, display: str) -> None:
        self.seen = XDisplay(display)
        self.seen.point(SIZE[0] // 2, SIZE[1] // 2)

    def key(self, down: bool) -> None:
        """A key of the display's keyboard."""
        self.seen.key(_X_KEY_A, down)


def _block(viewer: _Viewer, rng: random.Random, count: int) -> list[float]:
    """Milliseconds of each key; the first ones wait until the viewer answers at all."""
    place = (SIDE // 2, SIDE // 2)
    values: list[float] = []
    began = time.monotonic()
    answered = 0
    while len(values) < count:
        before = viewer.seen.pixel(*place)
        start = time.perf_counter()
        viewer.key(True)
        while viewer.seen.pixel(*place) == before and time.perf_counter() - start < _KEY_S:
            time.sleep(_POLL_S)
        took_ms = (time.perf_counter() - start) * 1000
        viewer.key(False)
        if took_ms >= _KEY_S * 1000:
            if answered or time.monotonic() - began > _PATIENCE_S:
                raise TimeoutError(f"key {answered + 1} of {viewer.name} did nothing")
            continue
        answered += 1
        if answered > WARM_UP:
            values.append(took_ms)
        time.sleep(rng.uniform(*_PAUSE_S))
    viewer.seen.close()
    return values


def run(progress: Progress, rounds: int = ROUNDS, keys: int = KEYS) -> dict[str, Any]:
    """Blocks of both viewers in turn; the figures by their names."""
    for program, package in _NEEDED.items():
        if shutil.which(program) is None:
            raise Refusal(f"{program} is missing: apt-get install {package}")
    rng = random.Random(1)
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="roamdesk-input-") as folder:
        rig = Rig(Path(folder))
        try:
            rig.start()
            for number in range(rounds):
                with rig.vncviewer() as viewer:
                    theirs += _block(viewer, rng, keys)
                with rig.terminal() as viewer:
                    ours += _block(viewer, rng, keys)
                progress(
                    f"round {number + 1}: terminal {median(ours[-keys:]):.2f} ms,"
                    f" vncviewer {median(theirs[-keys:]):.2f} ms"
                )
        finally:
            rig.close()
    return {
        "median_ms": round(median(ours), 2),
        "p95_ms": round(percentile(ours, 0.95), 2),
        "vncviewer_median_ms": round(median(theirs), 2),
        "vncviewer_p95_ms": round(percentile(theirs, 0.95), 2),
        "ratio_to_vncviewer": round(median(ours) / median(theirs), 3),
        "keys": len(ours),
        "device": "a pipe with struct input_event bytes",
    }


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"roamtools.bench.{module}"]


def _environment(display: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "SDL_VIDEODRIVER"}
    return kept | {"DISPLAY": display}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {_PATIENCE_S:.0f} s: {what}")
        time.sleep(0.05)
