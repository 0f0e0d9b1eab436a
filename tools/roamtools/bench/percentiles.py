"""Measured values and what is said of them. Takes no measurement."""

import math
from collections.abc import Callable


class Series:
    """Values in milliseconds by case, in the order in which they were measured."""

    def __init__(self, progress: Callable[[str, int, float], None]) -> None:
        self.values: dict[str, list[float]] = {}
        self._progress = progress

    def add(self, case: str, value_ms: float) -> None:
        """One more measured value."""
        values = self.values.setdefault(case, [])
        values.append(value_ms)
        self._progress(case, len(values), value_ms)


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile: a value that was really measured; `share` from 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values: list[float]) -> dict[str, float]:
    """Count and percentiles of one case."""
    return {
        "n": len(values),
        "p50_ms": round(percentile(values, 0.50), 1),
        "p95_ms": round(percentile(values, 0.95), 1),
        "p99_ms": round(percentile(values, 0.99), 1),
        "max_ms": round(max(values), 1),
    }
