"""`tools/hostile`: attacks a lab of its own in every way on the list. Exit 1 if one succeeds.

`attacks`: how many were made; `succeeded`: how many got something, with their `names`;
`honest_insert_p95_ms`: meanwhile, from the reader's event to the first whole frame; the worse of
that of all inserts and `honest_insert_p95_ms_during_floods`, that of `honest_inserts_during_floods`
(null if these are fewer than ten, which is a failure unless single attacks were asked for).
"""

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

from roamtools.hostile import (  # noqa: F401  each puts its attacks on the list
    on_blocks,
    on_cards,
    on_clocks,
    on_control,
    on_disks,
    on_displays,
    on_enrold,
    on_enrolment,
    on_enrolment_floods,
    on_logins,
    on_numbers,
    on_people,
    on_questions,
    on_redirects,
    on_revoked,
    on_searches,
    on_terminal_files,
    on_terminals,
    on_the_group,
    on_the_host,
)
from roamtools.hostile.attack import ATTACKS, Attack
from roamtools.hostile.honest import MIN_DURING_FLOODS, HonestPerson, HonestWork
from roamtools.hostile.stage import Stage

HONEST_P95_MS = 1000.0
"""An insert of an honest person during all of it."""


def play(stage: Stage, attack: Attack, person: HonestPerson) -> str:
    """One attack: what it got, or what honest people lost by it; "" if neither."""
    with person.under_flood() if attack.flood else contextlib.nullcontext():
        got = attack.run(stage)
    return got or stage.harm()


def run(names: list[str]) -> tuple[dict[str, str], HonestWork]:
    """These attacks, one after the other, and what the honest person's day was like."""
    got = {}
    with (
        tempfile.TemporaryDirectory(prefix="roamdesk-hostile-") as folder,
        Stage(f"hostile-{os.getpid()}", Path(folder), progress=_say) as stage,
    ):
        person = HonestPerson(stage.hopper, "alice")
        person.start()
        try:
            for number, name in enumerate(names, start=1):
                began = time.monotonic()
                got[name] = play(stage, ATTACKS[name], person)
                took = time.monotonic() - began
                words = got[name] or "nothing"
                _say(f"{number}/{len(names)} {name}: {words} ({took:.1f} s)")
        finally:
            work = person.stop()
    return got, work


def _rounded(ms: float) -> float | None:
    """For JSON, which has no infinity: too few inserts to say anything."""
    return round(ms, 1) if math.isfinite(ms) else None


def _say(text: str) -> None:
    print(f"hostile: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), metavar="NAME")
    parser.add_argument("--list", action="store_true", help="the attacks in words, and no more")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{each.name}: {each.words}" for each in ATTACKS.values()))
        return 0
    got, work = run(options.only or list(ATTACKS))
    names = [name for name, words in got.items() if words]
    during, flood_ms = work.during_floods, work.flood_p95_ms
    enough = len(during) >= MIN_DURING_FLOODS
    p95_ms = work.p95_ms if enough or not options.only else work.whole_p95_ms
    report = {
        "attacks": len(got),
        "succeeded": len(names),
        "names": names,
        "got": {name: got[name] for name in names},
        "honest_inserts": len(work.inserts),
        "honest_inserts_during_floods": len(during),
        "honest_insert_p95_ms": _rounded(p95_ms),
        "honest_insert_p95_ms_during_floods": _rounded(flood_ms),
        "honest_troubles": work.troubles,
    }
    if options.json:
        print(json.dumps(report))
    else:
        print("\n".join(f"{key}: {value}" for key, value in report.items()))
    return 1 if names or work.troubles or p95_ms >= HONEST_P95_MS else 0


if __name__ == "__main__":
    sys.exit(main())
