"""The coverage gate of 'make test': each pure package has its minimum. Measures nothing itself."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverage import Coverage

MINIMUM_PERCENT = 95.0

PACKAGES = {
    "roamwire": "wire/roamwire/",
    "dtu.core": "firmware/dtu/core/",
    "sessionhost.core": "server/sessionhost/core/",
}


@dataclass(frozen=True)
class Figures:
    """What was reached in one package; branches and lines are counted apart."""

    package: str
    lines: int
    lines_hit: int
    branches: int
    branches_hit: int

    @property
    def line_percent(self) -> float:
        return 100.0 * self.lines_hit / self.lines if self.lines else 0.0

    @property
    def branch_percent(self) -> float:
        return 100.0 * self.branches_hit / self.branches if self.branches else self.line_percent

    @property
    def passes(self) -> bool:
        return min(self.line_percent, self.branch_percent) >= MINIMUM_PERCENT

    def line(self) -> str:
        """One line for the log."""
        word = "ok" if self.passes else f"BELOW {MINIMUM_PERCENT:g} %"
        return (
            f"coverage {self.package:<17} lines {self.line_percent:5.1f} %"
            f"  branches {self.branch_percent:5.1f} %  {word}"
        )


def figures(report: Mapping[str, Any], package: str, folder: str) -> Figures:
    """The sums over the files of one package; no files count as nothing reached."""
    sums = [entry["summary"] for name, entry in report["files"].items() if folder in name]
    return Figures(
        package,
        sum(each["num_statements"] for each in sums),
        sum(each["covered_lines"] for each in sums),
        sum(each["num_branches"] for each in sums),
        sum(each["covered_branches"] for each in sums),
    )


def weakest(report: Mapping[str, Any], folder: str, count: int = 5) -> list[str]:
    """The files with the most missing branches and lines, to know where to begin."""
    missing = {
        name: entry["summary"]["missing_branches"] + entry["summary"]["missing_lines"]
        for name, entry in report["files"].items()
        if folder in name
    }
    worst = sorted(missing, key=lambda name: -missing[name])[:count]
    return [f"    {missing[name]:4} missing in {name}" for name in worst if missing[name]]


def main() -> int:
    """Reads .coverage; 1 if a package is below the minimum."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(path))
        report = json.loads(path.read_text(encoding="utf-8"))
    passed = True
    for package, where in PACKAGES.items():
        found = figures(report, package, where)
        print(found.line())
        if not found.passes:
            passed = False
            print("\n".join(weakest(report, where)))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
