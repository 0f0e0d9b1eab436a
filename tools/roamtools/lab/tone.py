"""Tones as samples, and what a recording of one says: frequency, purity, gaps. Plays nothing.

Samples are as the lab's programs exchange them: 48000 a second, 16 bits, two channels, interleaved.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FORMAT = ("--raw", f"--rate={RATE}", "--channels=2", "--format=s16le")
"""What `pacat` and `parec` have to be told."""

FRAME_BYTES = 4
WINDOW_S = 0.001
"""A gap is looked for in windows of this length: wherever one lies in a tone of 200 Hz or more, it
has more than LOUD. Longer ones would miss the holes of a stream that has some in each packet."""

STRETCH_S = 0.005
"""A stretch of a tone ends where there is nothing for so long. Less is also where two tones cancel
each other, and in the pieces between they could not be told apart."""

LOUD = 0.25
"""Of the loudest window: below this there is no tone; one at the edge of a gap has half."""

FFT_POINTS = 1 << 20
"""Padded to this, a spectrum has a line each 0.05 Hz."""

BESIDE_HZ = 5.0
"""So near to a tone's frequency, it is the tone."""


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
    the strongest line of the whole would be beside the tone. `purity` is the share of the energy
    within BESIDE_HZ of it, of all stretches without a gap: 1 for one tone alone, 0 for silence.
    """

    hz: float
    purity: float
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


SILENCE = Heard(0.0, 0.0, 0.0, 0.0, ())


def listen(recording: bytes) -> Heard:
    """What is in a recording."""
    whole = recording[: len(recording) // FRAME_BYTES * FRAME_BYTES]
    left = np.frombuffer(whole, "<i2")[::2].astype(np.float64)
    loud = _loud(left, WINDOW_S)
    stretches = _stretches(left)
    if not stretches:
        return SILENCE
    hz = _frequency(max(stretches, key=len))
    times = int(loud[0]) * WINDOW_S, (int(loud[-1]) + 1) * WINDOW_S
    return Heard(hz, _purity(stretches, hz), *times, _gaps(loud))


def _loud(samples: NDArray[np.float64], window_s: float) -> NDArray[np.intp]:
    """The windows that are no silence."""
    size = int(RATE * window_s)
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.sqrt((windows**2).mean(axis=1))
    return np.flatnonzero(power > LOUD * power.max(initial=0.0))


def _stretches(samples: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """What lies between gaps of STRETCH_S or more."""
    loud = _loud(samples, STRETCH_S)
    size = int(RATE * STRETCH_S)
    found = []
    for run in np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1) if loud.size else []:
        # Its first and last window may be half silence.
        inner = run[1:-1] if len(run) > 2 else run
        found.append(samples[int(inner[0]) * size : (int(inner[-1]) + 1) * size])
    return found


def _frequency(stretch: NDArray[np.float64]) -> float:
    """Within 0.1 Hz for a sine of 0.2 s."""
    points = max(FFT_POINTS, len(stretch))
    spectrum = np.abs(np.fft.rfft(stretch * np.hanning(len(stretch)), points))
    return float(np.argmax(spectrum)) * RATE / points


def _purity(stretches: list[NDArray[np.float64]], hz: float) -> float:
    near = total = 0.0
    for stretch in stretches:
        points = 4 * len(stretch)
        energy = np.abs(np.fft.rfft(stretch * np.hanning(len(stretch)), points)) ** 2
        # A line of a short stretch is as wide as this, by its window.
        beside_hz = max(BESIDE_HZ, 2 * RATE / len(stretch))
        away = np.abs(np.arange(len(energy)) * RATE / points - hz)
        near += float(energy[away <= beside_hz].sum())
        total += float(energy.sum())
    return near / total if total else 0.0


def _gaps(loud: NDArray[np.intp]) -> tuple[tuple[float, float], ...]:
    steps = np.diff(loud)
    return tuple(
        ((int(loud[index]) + 1) * WINDOW_S, float(steps[index] - 1) * WINDOW_S)
        for index in np.flatnonzero(steps > 1)
    )
