"""`tools/bench NAME --repeats N --json`: runs one benchmark. No timing here.

With --json one object goes to standard output: `name`, `machine`, `repeats`, `broken` (what was
promised and does not hold, in words) and the figures, which the module of each benchmark explains;
`cases` has for each case of failover, hotdesk and piv `n`, `p50_ms`, `p95_ms`, `p99_ms`, `max_ms`.
Progress goes to standard error.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roamtools.bench import decode, dtu, failover, hotdesk, hotdesk_piv, input_latency, piv, sound
from roamtools.bench.percentiles import Series, summary
from roamtools.bench.promises import broken
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

FAILED, PROMISE_BROKEN = 1, 3
"""Exit statuses: nothing was measured; what was measured is not as promised."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """One benchmark: what it measures, what is repeated and how often if nobody says."""

    about: str
    repeated: str
    repeats: int
    run: Callable[[Progress, int], dict[str, Any]]


def _cases(measure: Callable[[int, Series], None]) -> Callable[[Progress, int], Any]:
    """A benchmark whose values are percentiles of cases."""

    def run(progress: Progress, repeats: int) -> dict[str, Any]:
        series = Series(lambda case, n, value_ms: progress(f"{case} {n}: {value_ms:.1f} ms"))
        measure(repeats, series)
        return {"cases": {case: summary(values) for case, values in series.values.items()}}

    return run


def _on_lab(measure: Callable[[Lab, int, Series], None]) -> Callable[[Progress, int], Any]:
    """The same, on a lab with three servers and a desk."""

    def run(repeats: int, series: Series) -> None:
        with Lab(f"bench-{os.getpid()}") as lab:
            lab.up(servers=3, desks=1, tied=True)
            measure(lab, repeats, series)

    return _cases(run)


def _with_piv(progress: Progress, repeats: int) -> dict[str, Any]:
    figures: dict[str, Any] = _on_lab(hotdesk_piv.run)(progress, repeats)
    return {**figures, "added_p95_ms": hotdesk_piv.added(figures["cases"])}


BENCHES = {
    "decode": Bench(
        "frames a CPU second, beside vncviewer", "runs of each viewer", decode.REPEATS, decode.run
    ),
    "dtu": Bench(
        "the terminal's memory, idle CPU and start; stuck keys", "rounds", dtu.ROUNDS, dtu.run
    ),
    "failover": Bench(
        "a server is lost: time to its next session", "losses a case", 30, _on_lab(failover.run)
    ),
    "hotdesk": Bench("card in, card out", "cards a case", 30, _on_lab(hotdesk.run)),
    "hotdesk-piv": Bench("what it adds that a card proves itself", "cards a case", 30, _with_piv),
    "input": Bench(
        "key to changed pixel, beside vncviewer",
        f"blocks of {input_latency.KEYS} keys a viewer",
        input_latency.ROUNDS,
        input_latency.run,
    ),
    "piv": Bench(
        "a PIV card proves itself at the card driver", "cards a key type", 30, _cases(piv.run)
    ),
    "sound": Bench(
        "sound from a session to its desk: latency, gaps, CPU", "rounds", sound.ROUNDS, sound.run
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if something cannot be measured, 3 if what was measured breaks a promise."""
    options = _parser().parse_args(arguments)
    bench = BENCHES[options.bench]
    repeats = bench.repeats if options.repeats is None else options.repeats
    # Before anything of ours runs: whose time it was that is missing later.
    machine = {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }
    try:
        figures = bench.run(lambda text: print(text, file=sys.stderr, flush=True), repeats)
    except (Refusal, TimeoutError, OSError) as error:
        print(f"bench {options.bench}: {error}", file=sys.stderr)
        return FAILED
    missed = broken(options.bench, figures)
    if options.json:
        about = {"name": options.bench, "repeats": repeats, "broken": missed}
        print(json.dumps({**about, **figures, "machine": machine}))
    else:
        _print({**figures, **machine})
    for text in missed:
        print(f"bench {options.bench}: {text}", file=sys.stderr)
    return PROMISE_BROKEN if missed else 0


def _parser() -> argparse.ArgumentParser:
    lines = [
        f"  {name:11s} {each.about}\n{'':14s}--repeats: {each.repeated}, default {each.repeats}"
        for name, each in BENCHES.items()
    ]
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measures Roamdesk with real parts. Needs root (network namespaces).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="benchmarks:\n" + "\n".join(lines) + "\n\nexit status:\n"
        "  0 measured, and as promised; 1 not measured; 3 a figure is not as promised.\n"
        "What was measured so far, with goals: docs/measured.md",
    )
    parser.add_argument("bench", choices=BENCHES, metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--repeats", type=_count, metavar="N", help="how often, see below")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed to measure anything")
    return number


def _print(figures: dict[str, Any]) -> None:
    """For people: a line a case, a line a figure."""
    for case, row in figures.get("cases", {}).items():
        print(f"{case:16s} " + "  ".join(f"{key} {value:g}" for key, value in row.items()))
    for name, value in figures.items():
        if name != "cases":
            shown = value if not isinstance(value, dict) else _row(value)
            print(f"{name:28s} {shown}")


def _row(values: dict[str, Any]) -> str:
    return "  ".join(f"{key} {value}" for key, value in values.items())
