"""Tones as samples, and what a recording of one says: frequency and gaps. Plays nothing.

Samples are as the lab's programs exchange them: 48000 a second, 16 bits, two channels, interleaved.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FORMAT = ("--raw", f"--rate={RATE}", "--channels=2", "--format=s16le")
"""What `pacat` and `parec` have to be told."""

FRAME_BYTES = 4
WINDOW_S = 0.005
"""A gap is looked for in windows of two periods of the lowest tone in use."""

LOUD = 0.25
"""Of the loudest window: below this there is no tone; one at the edge of a gap has half."""

FFT_POINTS = 1 << 20
"""Padded to this, a spectrum has a line each 0.05 Hz."""


def sine(hz: float, seconds: float, level: float = 0.25) -> bytes:
    """A tone; `level` is its amplitude, 1 is full scale."""
    time = np.arange(int(RATE * seconds)) / RATE
    wave = np.sin(2 * np.pi * hz * time) * level * 32767
    return np.repeat(wave.astype("<i2"), 2).tobytes()


@dataclass(frozen=True)
class Heard:
    """A recording: `hz` is its frequency (0 for silence), times are in seconds.

    `gaps` lie between the first and the last sound, each as beginning and length. The frequency is
    that of the longest stretch without a gap: what is heard after a gap has another phase, and
    the strongest line of the whole would be beside the tone.
    """

    hz: float
    begins: float
    ends: float
    gaps: tuple[tuple[float, float], ...]

    @property
    def longest_gap(self) -> float:
        return max((length for _, length in self.gaps), default=0.0)

    @property
    def silent_share(self) -> float:
        """How much of the time between first and last sound is silence, 0 to 1."""
        lasted = self.ends - self.begins
        return sum(length for _, length in self.gaps) / lasted if lasted else 1.0


SILENCE = Heard(0.0, 0.0, 0.0, ())


def listen(recording: bytes) -> Heard:
    """What is in a recording."""
    whole = recording[: len(recording) // FRAME_BYTES * FRAME_BYTES]
    left = np.frombuffer(whole, "<i2")[::2].astype(np.float64)
    size = int(RATE * WINDOW_S)
    windows = left[: len(left) // size * size].reshape(-1, size)
    if not windows.size or not windows.any():
        return SILENCE
    power = np.sqrt((windows**2).mean(axis=1))
    loud = np.flatnonzero(power > LOUD * power.max())
    begins, ends = int(loud[0]), int(loud[-1]) + 1
    return Heard(_frequency(left, loud, size), begins * WINDOW_S, ends * WINDOW_S, _gaps(loud))


def _frequency(samples: NDArray[np.float64], loud: NDArray[np.intp], size: int) -> float:
    """Of the longest run of loud windows; within 0.1 Hz for a sine of 0.2 s."""
    runs = np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1)
    longest = max(runs, key=len)
    # Its first and last window may be half silence.
    inner = longest[1:-1] if len(longest) > 2 else longest
    stretch = samples[int(inner[0]) * size : (int(inner[-1]) + 1) * size]
    points = max(FFT_POINTS, len(stretch))
    spectrum = np.abs(np.fft.rfft(stretch * np.hanning(len(stretch)), points))
    return float(np.argmax(spectrum)) * RATE / points


def _gaps(loud: NDArray[np.intp]) -> tuple[tuple[float, float], ...]:
    steps = np.diff(loud)
    return tuple(
        ((int(loud[index]) + 1) * WINDOW_S, float(steps[index] - 1) * WINDOW_S)
        for index in np.flatnonzero(steps > 1)
    )
