"""`tools/bench NAME --repeats N --json`: runs one benchmark. No timing here.

Repeats are for failover and hotdesk (30 of each case) and decode (5 of each viewer).

With --json one object goes to standard output: `name` and `machine`; from benchmarks on a lab,
under `cases`, for each case `n`, `p50_ms`, `p95_ms`, `p99_ms`, `max_ms`; from others their figures.
Progress goes to standard error.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

from roamtools.bench import decode, dtu, failover, hotdesk, input_latency, sound, stuck_keys
from roamtools.bench.percentiles import Series, summary
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

BENCHES: dict[str, Callable[[Lab, int, Series], None]] = {
    "failover": failover.run,
    "hotdesk": hotdesk.run,
}

REPEATS = 30

Progress = Callable[[str], None]

FIGURES: dict[str, Sequence[Callable[[Progress], dict[str, Any]]]] = {
    "dtu": (dtu.run, stuck_keys.run),
    "input": (input_latency.run,),
    "sound": (sound.run,),
}
"""Benchmarks of a terminal: each part adds its figures."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if the lab or a repeat fails."""
    parser = argparse.ArgumentParser(prog="bench", description="Roamdesk's benchmarks")
    parser.add_argument(
        "bench", choices=sorted([*BENCHES, *FIGURES, "decode"]), help="what to measure"
    )
    parser.add_argument("--repeats", type=int, help="of each case (default: 30; decode: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        figures = _measure(options.bench, options.repeats)
    except (Refusal, TimeoutError, OSError) as error:
        print(f"bench {options.bench}: {error}", file=sys.stderr)
        return 1
    if options.json:
        machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
        print(json.dumps({"name": options.bench, **figures, "machine": machine}))
        return 0
    cases = figures.pop("cases", {})
    for case, row in cases.items():
        print(f"{case:12s} " + "  ".join(f"{key} {value:8.2f}" for key, value in row.items()))
    for name, value in figures.items():
        print(f"{name:24s} {value}")
    return 0


def _measure(bench: str, repeats: int | None) -> dict[str, Any]:
    if repeats is not None and repeats < 1:
        raise Refusal("--repeats must be at least 1")
    if bench == "decode":
        return decode.run(_say, repeats or decode.REPEATS)
    if bench in FIGURES:
        figures: dict[str, Any] = {}
        for measure in FIGURES[bench]:
            figures |= measure(_say)
        return figures
    series = Series(_progress)
    with Lab(f"bench-{os.getpid()}") as lab:
        lab.up(servers=3, desks=1, tied=True)
        BENCHES[bench](lab, repeats or REPEATS, series)
    return {"cases": {case: summary(values) for case, values in series.values.items()}}


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _progress(case: str, number: int, value_ms: float) -> None:
    print(f"{case} {number}: {value_ms:.1f} ms", file=sys.stderr)
