"""Sound from a program in a session to the loudspeaker of a desk: how late, how whole, how dear.

`latency_ms`: from a sample's way into the player to its way out of a recorder at the loudspeaker,
the buffers of both included (20 and 10 ms); median of bursts. `gaps`: silences of 1 ms or more in
a tone of `tone_s`; `longest_gap_ms`, `silent_share` of the time. `hz_error`: how far what was heard
is from what was played, at most. `purity`: the tone's share of the energy that was heard.
`cpu_percent`: of one core, while the tone plays, for all four programs on the way, and for each.
`follow_ms`: from the first frame of a session that was left to
its loudspeaker and microphone. All on a lab with real parts; server and desk are one machine.

A round has bursts, one tone and some cards out and in; of several rounds the values are medians but
for the gaps, which are added up, and what is worst: `longest_gap_ms`, `hz_error`, `purity`.
"""

import fcntl
import os
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from roamtools.bench.percentiles import percentile
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal
from roamtools.lab.sound import CHANNELS, SoundPlace, at_desk, in_session, tone_file
from roamtools.lab.tone import FORMAT, FRAME_BYTES, RATE, Heard, sine

DESK, CARD, USER = "desk1", "A", "alice"
TONE_HZ, TONE_S = 440.0, 30.0
CHUNK_S = 0.005
BURST_S, EVERY_S = 0.05, 0.5
BURSTS = 40
FOLLOWS = 10
ROUNDS = 1
REST_S = 1.0
LOUD = 2000
"""Of 32,767: a burst has 8,192; the first sample of a sine is 0, the tenth is louder than this."""

Progress = Callable[[str], None]


@dataclass
class Measured:
    """Values of all rounds."""

    latency_ms: list[float] = field(default_factory=list)
    tones: list[Heard] = field(default_factory=list)
    cpu_percent: list[dict[str, float]] = field(default_factory=list)
    follow_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """The figures by their names."""
        gaps = [length for heard in self.tones for _, length in heard.gaps]
        shares = {
            name: round(median(shares[name] for shares in self.cpu_percent), 1)
            for name in self.cpu_percent[0]
        }
        return {
            "latency_ms": round(median(self.latency_ms), 1),
            "p95_ms": round(percentile(self.latency_ms, 0.95), 1),
            "hz": round(median(heard.hz for heard in self.tones), 2),
            "hz_error": round(max(abs(heard.hz - TONE_HZ) for heard in self.tones), 2),
            "purity": round(min(heard.purity for heard in self.tones), 4),
            "tone_s": TONE_S * len(self.tones),
            "gaps": len(gaps),
            "longest_gap_ms": round(max(gaps, default=0.0) * 1000),
            "silent_share": round(sum(gaps) / (TONE_S * len(self.tones)), 5),
            "cpu_percent": round(median(sum(each.values()) for each in self.cpu_percent), 1),
            "cpu_percent_of": shares,
            "follow_ms": round(median(self.follow_ms), 1),
        }


def run(progress: Progress, rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures by their names; Refusal if nothing is heard."""
    measured = Measured()
    with Lab(f"bench-sound-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True, desk_settings={"sound": "pulse"})
        for _ in range(rounds):
            session = _sit_down(lab)
            measured.latency_ms += _latency(session, at_desk(lab, DESK), progress)
            _wholeness(lab, session, measured, progress)
            measured.follow_ms += [_follow_ms(lab, progress) for _ in range(FOLLOWS)]
            lab.remove(DESK)
            time.sleep(REST_S)
    return measured.figures()


def _sit_down(lab: Lab) -> SoundPlace:
    with lab.trace(DESK) as trace:
        lab.insert(DESK, CARD)
        trace.wait("first_frame", 20)
    return in_session(lab, DESK, USER)


def _latency(session: SoundPlace, desk: SoundPlace, progress: Progress) -> list[float]:
    """Bursts of a tone, written as they are due and looked for in a recording; milliseconds."""
    player = ["pacat", "--playback", *FORMAT, "--latency-msec=20"]
    recorder = desk.recorder("loudspeaker.monitor", latency_ms=10)
    written: list[float] = []
    taken: list[float] = []
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(session.command(*player), stdin=subprocess.PIPE) as playing,
        subprocess.Popen(
            desk.command(*recorder), stdout=subprocess.PIPE, stderr=quiet
        ) as recording,
    ):
        writer = threading.Thread(target=_write_bursts, args=(playing, written))
        writer.start()
        for heard in _onsets(recording, EVERY_S * (BURSTS + 6)):
            before = [at for at in written if at < heard]
            if before and heard - before[-1] < EVERY_S:
                taken.append((heard - before[-1]) * 1000)
                progress(f"latency {len(taken)}: {taken[-1]:.1f} ms")
        writer.join()
        assert recording.stdout is not None
        recording.stdout.close()
    if len(taken) < BURSTS / 2:
        raise Refusal(f"only {len(taken)} of {BURSTS} bursts were heard")
    return taken


def _write_bursts(playing: "subprocess.Popen[bytes]", written: list[float]) -> None:
    """Silence and bursts as fast as the player takes them, as a program does that asks it first.

    What waits in the pipe would be latency for good: nothing is written while something is there.
    """
    assert playing.stdin is not None
    silence = bytes(int(RATE * CHUNK_S) * FRAME_BYTES)
    tone = sine(TONE_HZ, BURST_S)
    burst = [tone[i : i + len(silence)] for i in range(0, len(tone), len(silence))]
    period = round(EVERY_S / CHUNK_S)
    with playing.stdin as pipe:
        for number in range(period * (BURSTS + 1)):
            while _unread(pipe.fileno()):
                time.sleep(CHUNK_S / 5)
            place = number % period
            if place == 0:
                written.append(time.monotonic())
            pipe.write(burst[place] if place < len(burst) else silence)
            pipe.flush()


def _unread(pipe: int) -> int:
    """Bytes that wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _onsets(recording: "subprocess.Popen[bytes]", seconds: float) -> Iterator[float]:
    """CLOCK_MONOTONIC seconds at which bursts begin in what a recorder gives."""
    assert recording.stdout is not None
    deadline = time.monotonic() + seconds
    last = 0.0
    rest = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([recording.stdout], [], [], left)[0]:
            return
        data = os.read(recording.stdout.fileno(), 65_536)
        now = time.monotonic()
        if not data:
            return
        data = rest + data
        rest = data[len(data) // FRAME_BYTES * FRAME_BYTES :]
        samples = np.abs(np.frombuffer(data[: len(data) - len(rest)], "<i2")[::2].astype(np.int32))
        for place in np.flatnonzero(samples > LOUD):
            at = now - (len(samples) - int(place)) / RATE
            if at - last > EVERY_S / 2:
                yield now  # the recorder's own buffer counts
            last = at


def _wholeness(lab: Lab, session: SoundPlace, measured: Measured, progress: Progress) -> None:
    """A long tone: its gaps, and the processor time on its way."""
    tone = tone_file(lab, USER, TONE_HZ, TONE_S + 10)
    programs = _programs(lab)
    with session.running(*session.player(tone)):
        time.sleep(REST_S)
        before = {name: _cpu_s(lab, *who) for name, who in programs.items()}
        began = time.monotonic()
        progress(f"a tone of {TONE_S:.0f} s")
        heard = at_desk(lab, DESK).record("loudspeaker.monitor", TONE_S)
        lasted = time.monotonic() - began
        after = {name: _cpu_s(lab, *who) for name, who in programs.items()}
    progress(
        f"{heard.hz:.2f} Hz, {len(heard.gaps)} gaps, longest {heard.longest_gap * 1000:.0f} ms"
    )
    measured.tones.append(heard)
    measured.cpu_percent.append(
        {name: 100 * (after[name] - before[name]) / lasted for name in programs}
    )


def _programs(lab: Lab) -> dict[str, tuple[str, int]]:
    """Node and process number (within its node) of what a sample goes through."""
    server = str(lab.desk_state(DESK)["server"])
    found = {}
    for node in lab.status()["nodes"]:
        for process in node["processes"]:
            if process["name"] in ("displayd", "dtu", "sound"):
                found[str(process["name"])] = (str(node["name"]), int(process["pid"]))
    told = lab.run(server, ["pgrep", "-u", USER, "-x", "pulseaudio"]).stdout.split()
    return {
        "session_server": (server, int(told[0])),
        "displayd": found["displayd"],
        "dtu": found["dtu"],
        "desk_server": found["sound"],
    }


def _cpu_s(lab: Lab, node: str, pid: int) -> float:
    """User and system time so far; proc(5) counts in ticks."""
    stat = lab.run(node, ["cat", f"/proc/{pid}/stat"]).stdout.rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def _follow_ms(lab: Lab, progress: Progress) -> float:
    """The card is out for a moment: milliseconds from the first frame to sound both ways."""
    lab.remove(DESK)
    time.sleep(REST_S)
    with lab.trace(DESK) as trace:
        lab.insert(DESK, CARD)
        frame = float(trace.wait("first_frame", 20)["at"])
    while lab.desk_state(DESK)["sound"] < CHANNELS:
        if time.monotonic() - frame > 20:
            raise Refusal("the sound did not follow the card")
        time.sleep(0.005)
    taken = (time.monotonic() - frame) * 1000
    progress(f"sound {taken:.0f} ms after the picture")
    return taken
