"""Sound in a lab: programs that play and record in a session and at a desk. Judges nothing."""

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from roamtools.lab import daemons, plan
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal
from roamtools.lab.tone import FORMAT, FRAME_BYTES, RATE, Heard, listen, sine

CARRIED_S = 15.0
CHANNELS = 2
POLL_S = 0.02
RECORD_S = 10.0
"""Until a recorder has begun, on a machine with much else to do."""


class SoundPlace:
    """A sound server of the lab, spoken to from inside its node."""

    def __init__(self, lab: Lab, node: str, server: Path, user: str = "root") -> None:
        self._lab = lab
        self._node = node
        self._user = user
        self._environment = ["env", f"PULSE_SERVER=unix:{server}", "PULSE_COOKIE=/tmp/cookie"]

    def command(self, *argv: str) -> list[str]:
        """The command line that runs a client of the sound server."""
        return self._lab.command(self._node, [*self._environment, *argv], self._user)

    def pactl(self, *argv: str) -> str:
        """What `pactl` says; Refusal if it fails."""
        done = subprocess.run(
            self.command("pactl", *argv), capture_output=True, text=True, timeout=10, check=False
        )
        if done.returncode:
            raise Refusal(f"pactl {' '.join(argv)} at {self._node}: {done.stderr.strip()}")
        return done.stdout

    def listed(self, what: str) -> list[dict[str, Any]]:
        """`sinks`, `sink-inputs`, `clients` ... as `pactl` knows them."""
        listed: list[dict[str, Any]] = json.loads(self.pactl("--format=json", "list", what))
        return listed

    def answers(self) -> bool:
        """Whether the sound server is there."""
        try:
            self.pactl("info")
        except Refusal:
            return False
        return True

    def has_desk(self) -> bool:
        """Whether a desk's loudspeaker and microphone are among the session's devices."""
        try:
            listed = self.listed("sinks") + self.listed("sources")
        except Refusal:
            return False
        return {"terminal", "microphone"} <= {str(device["name"]) for device in listed}

    @contextlib.contextmanager
    def running(self, *argv: str) -> Iterator[None]:
        """A client that runs meanwhile. What is ended is the client itself, within its node."""
        watched = ["sh", "-c", '"$@" >/dev/null & cat; kill $!', "sh", *argv]
        with subprocess.Popen(self.command(*watched), stdin=subprocess.PIPE) as program:
            try:
                yield
            finally:
                assert program.stdin is not None
                program.stdin.close()

    def player(self, file: Path, latency_ms: int = 50) -> Sequence[str]:
        """The command line that plays a file of samples, as the node sees its name."""
        return ["pacat", "--playback", *FORMAT, f"--latency-msec={latency_ms}", str(file)]

    def record(self, source: str, seconds: float) -> Heard:
        """What a source gives in so many seconds; Refusal if it gives nothing."""
        wanted = int(RATE * seconds) * FRAME_BYTES
        recording = b""
        deadline = time.monotonic() + seconds + RECORD_S
        command = self.command(*self.recorder(source))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as pipe:
            assert pipe.stdout is not None
            while len(recording) < wanted:
                ready = select.select([pipe.stdout], [], [], deadline - time.monotonic())[0]
                data = os.read(pipe.stdout.fileno(), 65_536) if ready else b""
                if not data:
                    raise Refusal(
                        f"{source} at {self._node} gave {len(recording)} of {wanted} bytes"
                    )
                recording += data
            pipe.stdout.close()  # it ends by this
        return listen(recording[:wanted])

    def recorder(self, source: str, latency_ms: int = 20) -> Sequence[str]:
        """The command line that records to standard output."""
        return ["parec", *FORMAT, f"--device={source}", f"--latency-msec={latency_ms}"]


def at_desk(lab: Lab, desk: str) -> SoundPlace:
    """The sound server of a desk."""
    return SoundPlace(lab, desk, plan.NODE_DIR / daemons.SOUND_SOCKET)


def in_session(lab: Lab, desk: str, user: str) -> SoundPlace:
    """The sound server of the session that a desk shows, when it has the desk's devices."""
    deadline = time.monotonic() + CARRIED_S
    while True:
        state = lab.desk_state(desk)
        server = str(state["server"])
        socket = f"/run/roamdesk/sessions/{state['session']}/user/sound"
        if state["sound"] == CHANNELS and (root := _root_with(lab, server, user, socket)):
            place = SoundPlace(lab, server, Path(f"{root}{socket}"), user)
            if place.has_desk():
                return place
        if time.monotonic() > deadline:
            raise Refusal(f"no sound at {desk}: {state}; its log:\n{lab.logs(desk, 'dtu')[-2000:]}")
        time.sleep(POLL_S)


_ROOT_WITH = """for p in $(pgrep -u "$1"); do
    [ -S "/proc/$p/root$2" ] && echo "/proc/$p/root" && exit
done"""


def _root_with(lab: Lab, server: str, user: str, socket: str) -> str:
    """The root folder as a session's processes see it: what is the session's own is in no other."""
    return lab.run(server, ["sh", "-c", _ROOT_WITH, "sh", user, socket]).stdout.strip()


def tone_file(lab: Lab, user: str, hz: float, seconds: float) -> Path:
    """A file with a tone in a person's home; gives its name inside a server."""
    name = f"tone-{hz:g}-{seconds:g}.raw"
    (lab.directory / "home" / user / name).write_bytes(sine(hz, seconds))
    return Path("/home") / user / name
