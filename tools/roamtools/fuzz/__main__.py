"""`tools/fuzz`: mutated RFB bytes through the terminal's decoder. Exit 1 if a bound was broken.

Streams with every encoding and extension, and recordings of a real Xtigervnc in each encoding, are
changed at random and decoded in pieces of random size. A run is its seed: `--seed` replays it.
"""

import argparse
import dataclasses
import json
import sys

from roamtools.fuzz.decoder import MOST_BYTES, run
from roamtools.fuzz.recordings import record_all


def main(arguments: list[str] | None = None) -> int:
    """Run once and say what was seen."""
    parser = argparse.ArgumentParser(prog="fuzz", description="mutated RFB bytes for the decoder")
    parser.add_argument("--bytes", type=int, default=10_000_000, help="how many to decode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--no-recordings", action="store_true", help="scripted streams only; needs no Xtigervnc"
    )
    options = parser.parse_args(arguments)
    recorded = [] if options.no_recordings else record_all()
    report = run(options.seed, options.bytes, recorded)
    if options.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(
            f"seed {report.seed}: {report.bytes} bytes in {report.streams} streams,"
            f" {report.updates} updates, {sum(report.failed.values())} refused; at most"
            f" {max(report.traced, report.resident) / 1e6:.1f} MB beyond the framebuffer,"
            f" slowest stream {report.slowest_s:.2f} s"
        )
    if report.within_bounds:
        return 0
    print(f"more than {MOST_BYTES} bytes beyond the framebuffer", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
