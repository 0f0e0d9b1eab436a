"""What a run of the fuzzer has seen, its bounds, and how memory is measured. Decodes nothing."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MOST_BYTES = 64_000_000
"""Beyond the framebuffer, by tracemalloc (what Python, numpy and zlib ask for) and by the process's
peak (libjpeg-turbo too)."""

MOST_READ_S = 0.25
"""Of processor time for one read or one turn of it: the event loop's input and heartbeats wait so
long. A Raspberry Pi 4 takes some four times as long as a PC; what is seen here is far less."""

_KIB_SHIFT = 10


@dataclass
class Report:
    """Bytes were decoded; what followed the one at which a stream was refused is not counted.

    `traced` and `resident` are the most bytes beyond the framebuffer; `slowest_read_s` is processor
    time.
    """

    way: str
    seed: int
    streams: int = 0
    bytes: int = 0
    mutated: int = 0
    updates: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    traced: int = 0
    resident: int = 0
    slowest_read_s: float = 0.0
    most_bytes: int = MOST_BYTES
    most_read_s: float = MOST_READ_S

    @property
    def broken(self) -> list[str]:
        """The bounds that were not kept."""
        found = []
        if (most := max(self.traced, self.resident)) > self.most_bytes:
            found.append(f"{most} bytes beyond the framebuffer, more than {self.most_bytes}")
        if self.slowest_read_s > self.most_read_s:
            found.append(f"a read took {self.slowest_read_s:.3f} s, more than {self.most_read_s}")
        return found

    def refuse(self, reason: str) -> None:
        """Count why a stream was given up."""
        self.failed[reason] = self.failed.get(reason, 0) + 1


Told = Callable[[Report], None]
"""Hears of the report after each stream."""


def silent(report: Report) -> None:
    """Nobody wants to hear."""


class Memory:
    """The most memory since it was made; tracemalloc runs."""

    def __init__(self) -> None:
        tracemalloc.reset_peak()
        self._traced, _ = tracemalloc.get_traced_memory()
        Path("/proc/self/clear_refs").write_text("5")
        self._resident = _status("VmRSS")

    def note(self, report: Report, framebuffer: int) -> None:
        """Take what was used beyond a framebuffer of so many bytes into the report."""
        traced = tracemalloc.get_traced_memory()[1] - self._traced - framebuffer
        resident = _status("VmHWM") - self._resident - framebuffer
        report.traced = max(report.traced, traced)
        report.resident = max(report.resident, resident)


def _status(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << _KIB_SHIFT
    raise OSError(f"/proc/self/status has no {name}")
