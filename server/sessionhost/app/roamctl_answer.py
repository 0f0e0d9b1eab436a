"""What a roamctl command gives back: for people and for programs. Commands are not here."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


class RoamctlError(Exception):
    """A command cannot be done; says what to do."""


@dataclass(frozen=True)
class Answer:
    """The result of a command: `data` is printed with --json, `lines` without."""

    data: Any
    lines: Sequence[str]


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> list[str]:
    """Rows in aligned columns under their heads, or the word for none."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return [empty]
    cells.insert(0, list(heads))
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def day(milliseconds: int) -> str:
    """A point in time for a list: minutes are enough there."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M")
