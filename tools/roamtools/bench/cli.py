"""`tools/bench NAME --repeats N --json`: runs one benchmark on a fresh lab. No timing here.

With --json one object goes to standard output: `name`, and under `cases` for each case `n`,
`p50_ms`, `p95_ms`, `p99_ms`, `max_ms`. Progress goes to standard error.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable

from roamtools.bench import failover, hotdesk
from roamtools.bench.percentiles import Series, summary
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

BENCHES: dict[str, Callable[[Lab, int, Series], None]] = {
    "failover": failover.run,
    "hotdesk": hotdesk.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if the lab or a repeat fails."""
    parser = argparse.ArgumentParser(prog="bench", description="Roamdesk's benchmarks on a lab")
    parser.add_argument("bench", choices=sorted(BENCHES), help="what to measure")
    parser.add_argument("--repeats", type=int, default=30, help="of each case (default: 30)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    series = Series(_progress)
    try:
        with Lab(f"bench-{os.getpid()}") as lab:
            lab.up(servers=3, desks=1, tied=True)
            BENCHES[options.bench](lab, options.repeats, series)
    except (Refusal, TimeoutError, OSError) as error:
        print(f"bench {options.bench}: {error}", file=sys.stderr)
        return 1
    cases = {case: summary(values) for case, values in series.values.items()}
    if options.json:
        machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
        print(json.dumps({"name": options.bench, "cases": cases, "machine": machine}))
        return 0
    for case, row in cases.items():
        print(f"{case:12s} " + "  ".join(f"{key} {value:8.1f}" for key, value in row.items()))
    return 0


def _progress(case: str, number: int, value_ms: float) -> None:
    print(f"{case} {number}: {value_ms:.1f} ms", file=sys.stderr)
