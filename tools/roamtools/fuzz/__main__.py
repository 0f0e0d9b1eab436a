"""`tools/fuzz`: mutated RFB bytes through the terminal's decoder. Exit 1 if a bound was broken.

Streams with every encoding and extension, recordings of a real Xtigervnc in each encoding, and
a few kilobytes that cost much are changed at random. They go two ways: `decoder` in pieces of
random size, `socket` from a hostile server over TLS into the terminal's link and screen. A run is
its seed: `--seed` replays it.

With --json one object goes to standard output; under `ways` for each way: `bytes` decoded, of them
`mutated` (changed or put in; counted up to the byte at which the decoder gave up), `traced` and
`resident` peak bytes beyond the framebuffer (bound `most_bytes`), `slowest_read_s` of processor
time (bound `most_read_s`), `failed` with why streams were refused, `broken` bounds.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable

from roamtools.fuzz import decoder, socket_way
from roamtools.fuzz.recordings import record_all
from roamtools.fuzz.report import Report, Told
from roamtools.fuzz.streams import Stream

TELL_S = 10.0

WAYS: dict[str, Callable[[int, int, list[Stream], Told], Report]] = {
    "decoder": decoder.run,
    "socket": socket_way.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Run once and say what was seen."""
    parser = argparse.ArgumentParser(prog="fuzz", description="mutated RFB bytes for the decoder")
    parser.add_argument(
        "--bytes", type=int, default=10_000_000, help="mutated ones to decode, each way"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--way", choices=sorted(WAYS), action="append", help="default: both")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--no-recordings", action="store_true", help="scripted streams only; needs no Xtigervnc"
    )
    options = parser.parse_args(arguments)
    if options.bytes < 1:
        parser.error("--bytes must be at least 1")
    recorded = [] if options.no_recordings else record_all()
    names = options.way or sorted(WAYS)
    reports = [
        WAYS[name](options.seed, options.bytes, recorded, _progress(options.bytes))
        for name in names
    ]
    if options.json:
        rows = {each.way: dataclasses.asdict(each) | {"broken": each.broken} for each in reports}
        print(json.dumps({"ways": rows}))
    for report in reports:
        if not options.json:
            print(_sentence(report))
        for bound in report.broken:
            print(f"{report.way}, seed {report.seed}: {bound}", file=sys.stderr)
    return 1 if any(report.broken for report in reports) else 0


def _progress(size: int) -> Told:
    """Says on standard error how far it is, now and then."""
    started = last = time.monotonic()

    def told(report: Report) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TELL_S:
            last = now
            print(
                f"{report.way}: {report.mutated} of {size} mutated bytes, {now - started:.0f} s",
                file=sys.stderr,
            )

    return told


def _sentence(report: Report) -> str:
    return (
        f"{report.way}, seed {report.seed}: {report.bytes} bytes, {report.mutated} of them mutated,"
        f" in {report.streams} streams; {report.updates} updates,"
        f" {sum(report.failed.values())} refused; at most"
        f" {max(report.traced, report.resident) / 1e6:.1f} MB beyond the framebuffer,"
        f" slowest read {report.slowest_read_s * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
