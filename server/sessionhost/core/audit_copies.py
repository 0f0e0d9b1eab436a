"""An audit log beside the copies that the journal has of its records. Nothing is read here.

hostd's own user can change the log and make its chain anew, but not take back what it has told the
journal. And as each record holds the hash of the one before it, one equal copy vouches for all
records up to it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sessionhost.core.audit import parse


@dataclass(frozen=True)
class Copy:
    """A record's line as the journal has it.

    `at_us`: when it came there, microseconds since 1970. `unwritten`: its writer said that the file
    did not take it.
    """

    line: str
    at_us: int
    unwritten: bool = False


class Comparison:
    """Of a log with its copies; `see` them all, in any order.

    `hashes` are those of the log's records by their numbers, as the log was at `taken_us`.
    `older_gone`: records before its first one may be missing rightly.
    """

    def __init__(self, hashes: Mapping[int, str], taken_us: int, *, older_gone: bool) -> None:
        self.unwritten = 0
        self._hashes = hashes
        self._first, self._last = min(hashes, default=1), max(hashes, default=0)
        self._taken_us = taken_us
        self._older_gone = older_gone
        self._equal: set[int] = set()
        self._other: set[int] = set()
        self._gone: set[int] = set()

    def see(self, copy: Copy) -> None:
        """One copy."""
        entry = parse(copy.line)
        if entry is None:
            return
        if copy.unwritten:
            self.unwritten += 1
            return
        number, here = entry["n"], self._hashes.get(entry["n"])
        if here == entry["hash"]:
            self._equal.add(number)
        elif here is not None:
            self._other.add(number)
        elif self._is_owed(number, copy.at_us):
            self._gone.add(number)

    def _is_owed(self, number: int, at_us: int) -> bool:
        if number < self._first:
            return not self._older_gone
        return number < self._last or at_us < self._taken_us

    @property
    def seen(self) -> bool:
        """Whether the journal has anything to compare with."""
        return bool(self._equal or self._other or self._gone)

    def flaws(self) -> Iterator[str]:
        """What somebody has changed, in words."""
        for each in spans(self._other):
            yield f"{each} in the journal, with another content"
        for each in spans(self._gone):
            yield f"{each} in the journal, and not in the log"
        if self._equal:
            later = range(max(self._equal) + 1, self._last + 1)
            for each in spans(number for number in later if number not in self._other):
                yield f"{each} not in the journal, which has what was before"

    def vouched(self) -> tuple[int, int, int]:
        """How many records have an equal copy, the first of them and the last; (0, 0, 0)."""
        equal = self._equal
        return (len(equal), min(equal), max(equal)) if equal else (0, 0, 0)


def spans(numbers: Iterable[int]) -> Iterator[str]:
    """The numbers as "record 3 is" and "records 5 to 9 are"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    for first, last in runs:
        yield f"record {first} is" if first == last else f"records {first} to {last} are"
