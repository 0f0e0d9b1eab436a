"""Spoilt streams through the decoder: what must never happen is counted. Makes no streams.

Never: an exception, or memory beyond the framebuffer of more than `MOST_BYTES`, by tracemalloc
(what Python, numpy and zlib ask for) and by the process's peak (libjpeg-turbo too).
"""

import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path

from dtu.core.rfb import Failed, Rect, RfbClient, Updated
from roamtools.fuzz.streams import Stream, cases
from roamwire.errors import LocalProtocolError

MOST_BYTES = 64_000_000
PIECE_BYTES = (7, 300, 1400, 4096, 65536)

_KIB_SHIFT = 10


@dataclass
class Report:
    """What a run has seen; `traced` and `resident` are the most bytes beyond the framebuffer."""

    seed: int
    streams: int = 0
    bytes: int = 0
    updates: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    traced: int = 0
    resident: int = 0
    slowest_s: float = 0.0

    @property
    def within_bounds(self) -> bool:
        """True if no stream took more memory than allowed."""
        return max(self.traced, self.resident) <= MOST_BYTES


def run(seed: int, size: int, recorded: list[Stream]) -> Report:
    """Decode so many bytes of spoilt streams; what is raised is a bug, and is not caught."""
    report = Report(seed)
    tracemalloc.start()
    try:
        for data, rng in cases(seed, recorded):
            if report.bytes >= size:
                return report
            _decode(data, rng.choice(PIECE_BYTES), report)
    finally:
        tracemalloc.stop()
    raise AssertionError("the streams never end")


def _decode(data: bytes, piece: int, report: Report) -> None:
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    _reset_peak()
    resident = _status("VmRSS")
    started = time.monotonic()
    client = RfbClient((Rect(0, 0, 640, 480),))
    framebuffer = 0
    for at in range(0, len(data), piece):
        client.receive_data(data[at : at + piece])
        client.data_to_send()
        framebuffer = max(framebuffer, _framebuffer_bytes(client))
        if (reason := _take_events(client, report)) is not None:
            report.failed[reason] = report.failed.get(reason, 0) + 1
            break
        # Bytes of the piece in which the decoder has given up are not counted.
        report.bytes += len(data[at : at + piece])
        assert client.painted in (True, False)
    report.streams += 1
    report.slowest_s = max(report.slowest_s, time.monotonic() - started)
    report.traced = max(report.traced, tracemalloc.get_traced_memory()[1] - before - framebuffer)
    report.resident = max(report.resident, _status("VmHWM") - resident - framebuffer)


def _take_events(client: RfbClient, report: Report) -> str | None:
    """Why the decoder has given up, or None."""
    while (event := client.next_event()) is not None:
        report.updates += isinstance(event, Updated)
        if isinstance(event, Failed):
            return event.error.reason
    return None


def _framebuffer_bytes(client: RfbClient) -> int:
    try:
        return client.framebuffer.nbytes
    except LocalProtocolError:
        return 0  # the handshake is not done


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << _KIB_SHIFT
    raise OSError(f"/proc/self/status has no {name}")
