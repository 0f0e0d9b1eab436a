"""`tools/fuzz-parsers`: every parser under atheris for so long. Exit 1 if one broke its promise.

The corpora in tests/corpora grow by what reaches new code, and are kept as small as that allows;
`make test` runs them through the same parsers without atheris.
"""

import argparse
import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from roamtools.parsers.corpus import CORPORA, load_corpus
from roamtools.parsers.targets import TARGETS

SECONDS = 600
MAX_INPUT_BYTES = 4096
INPUT_S = 5
"""One input that takes longer is a finding."""

MEMORY_MB = 1024
"""Of the worker; Python, numpy and libFuzzer take some 200 of them."""

EXIT_FINDING = 1
EXIT_NO_ATHERIS = 2


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of one parser. `edges`: branches of our code that its corpus reaches."""

    parser: str
    seconds: float
    executions: int
    edges: int
    corpus: int
    finding: str


def fuzz(name: str, seconds: int, keep: Path) -> Report:
    """Fuzz one parser; a finding is copied to `keep`."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="roamdesk-fuzz-") as work:
        found = Path(work) / "corpus"
        found.mkdir()
        for number, seed in enumerate(TARGETS[name].seeds()):
            (found / f"seed{number}").write_bytes(seed)
        for number, kept in enumerate(load_corpus(name)):
            (found / f"kept{number}").write_bytes(kept)
        log, status = _worker(
            name,
            [
                *(f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}"),
                *(f"-timeout={INPUT_S}", f"-rss_limit_mb={MEMORY_MB}"),
                *(f"-artifact_prefix={work}/finding-", "-print_final_stats=1", str(found)),
            ],
        )
        finding = "" if status == 0 else _keep_finding(Path(work), keep, name, log)
        corpus = _minimise(name, found)
    return Report(
        name,
        round(time.monotonic() - began, 1),
        _number(r"stat::number_of_executed_units:\s*(\d+)", log),
        _number(r"cov: (\d+)", log),
        corpus,
        finding,
    )


def _worker(name: str, arguments: list[str]) -> tuple[str, int]:
    with tempfile.TemporaryDirectory(prefix="roamdesk-worker-") as folder:
        launcher = Path(folder) / "worker"
        line = f'exec {sys.executable} -m roamtools.parsers.worker {name} "$0" "$@"'
        launcher.write_text(f"#!/bin/sh\n{line}\n", "ascii")
        launcher.chmod(0o700)
        done = subprocess.run(
            [launcher, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    return done.stdout.decode("utf-8", "replace"), done.returncode


def _number(pattern: str, log: str) -> int:
    """The last number of that kind in libFuzzer's words; 0 without one."""
    return int((re.findall(pattern, log) or ["0"])[-1])


def _keep_finding(work: Path, keep: Path, name: str, log: str) -> str:
    """Copies input and words to where a person finds them; returns the last words."""
    keep.mkdir(parents=True, exist_ok=True)
    for path in work.glob("finding-*"):
        shutil.copy(path, keep / f"{name}-{path.name}")
    (keep / f"{name}.log").write_text(log[-20_000:], "utf-8")
    errors = re.findall(r"^(?:[\w.]+Error|[\w.]+Exception|ERROR|SUMMARY)[^\n]*", log, re.MULTILINE)
    return errors[0] if errors else "the worker failed"


def _minimise(name: str, found: Path) -> int:
    """Keeps the fewest inputs that reach all that was reached; returns how many."""
    with tempfile.TemporaryDirectory(prefix="roamdesk-merge-") as fresh:
        _worker(name, ["-merge=1", f"-max_len={MAX_INPUT_BYTES}", fresh, str(found)])
        inputs = sorted(path.read_bytes() for path in Path(fresh).iterdir())
    if inputs:
        CORPORA.mkdir(exist_ok=True)
        text = "".join(f"{base64.b64encode(each).decode('ascii')}\n" for each in inputs)
        (CORPORA / f"{name}.b64").write_text(text, "ascii")
    return len(load_corpus(name))


def main(arguments: list[str] | None = None) -> int:
    """Run the parsers and say what was seen."""
    parser = argparse.ArgumentParser(prog="fuzz-parsers", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"a parser, {SECONDS}")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), help="these parsers")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at the same time")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where findings go")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if subprocess.run([sys.executable, "-c", "import atheris"], check=False).returncode:
        print("fuzz-parsers: atheris is missing: 'make fuzz' installs it", file=sys.stderr)
        return EXIT_NO_ATHERIS
    names = options.only or sorted(TARGETS)
    with ThreadPoolExecutor(options.jobs) as pool:
        reports = []
        for report in pool.map(lambda name: fuzz(name, options.seconds, options.keep), names):
            reports.append(report)
            print(
                f"{report.parser}: {report.executions} inputs in {report.seconds} s,"
                f" {report.edges} edges, corpus {report.corpus}: {report.finding or 'sound'}",
                file=sys.stderr,
                flush=True,
            )
    findings = [report.parser for report in reports if report.finding]
    if options.json:
        entries = [dataclasses.asdict(report) for report in reports]
        print(json.dumps({"parsers": entries, "findings": findings}))
    return EXIT_FINDING if findings else 0


if __name__ == "__main__":
    sys.exit(main())
