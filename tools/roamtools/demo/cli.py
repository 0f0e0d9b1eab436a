"""Plays the story with a line a step, and leaves a contact sheet. What happens is in `story`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from roamtools.demo.desk import StepFailed
from roamtools.demo.sheet import make_sheet
from roamtools.demo.story import Story
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

SHEET = Path("demo-contact-sheet.png")


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if a step fails, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="demo", description="Roamdesk's story on a lab")
    parser.add_argument("--name", default="demo", help="name of the lab (default: demo)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    parser.add_argument("--sheet", type=Path, default=SHEET, help=f"contact sheet ({SHEET})")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    options = parser.parse_args(arguments)
    pictures = Path(tempfile.mkdtemp(prefix="roamdesk-demo-"))
    lab = Lab(options.name)
    done: list[dict[str, Any]] = []
    try:
        failed = _play(lab, pictures, options, done)
        make_sheet(pictures, options.sheet)
    except KeyboardInterrupt:
        print("interrupted: the lab is taken down", file=sys.stderr)
        failed, options.keep = "interrupted", False
    finally:
        shutil.rmtree(pictures)
        if lab.exists() and (not options.keep or failed == "interrupted"):
            lab.down()
    if options.json:
        print(json.dumps({"failed": failed, "steps": done, "sheet": str(options.sheet)}))
    else:
        print(f"screens: {options.sheet}")
        if options.keep and failed != "interrupted":
            print(_hints(options.name))
        elif failed:
            print("To look into it, leave the lab up: make demo KEEP=1, then tools/lab logs desk1")
    return 130 if failed == "interrupted" else int(bool(failed))


def _play(lab: Lab, pictures: Path, options: argparse.Namespace, done: list[dict[str, Any]]) -> str:
    """All steps; gives the title of the one that failed, or ""."""
    say = (lambda text: None) if options.json else print
    started = time.monotonic()
    try:
        lab.up(servers=0, desks=0, tied=not options.keep)
    except Refusal as error:
        print(f"the lab does not start: {error}", file=sys.stderr)
        return "lab up"
    say(f"a network with DHCP, no server yet ({time.monotonic() - started:.1f} s)")
    for number, (title, step) in enumerate(Story(lab, pictures).steps(), start=1):
        begin = time.monotonic()
        try:
            told, failed = step(), ""
        except (StepFailed, TimeoutError, Refusal, OSError) as error:
            told, failed = str(error), title
        seconds = time.monotonic() - begin
        done.append({"title": title, "ok": not failed, "told": told, "seconds": round(seconds, 3)})
        mark = "FAILED" if failed else "ok"
        say(f"{number:2d} {mark:6s} {title}: {told} ({seconds:.1f} s)")
        if failed:
            return failed
    return ""


def _hints(name: str) -> str:
    return f"""The lab is still up. Try:
  tools/lab status --name {name}
  tools/lab insert desk2 A --name {name}
  tools/lab screenshot desk2 desk2.png --name {name}
  tools/lab logs desk1 --name {name}
  tools/lab kill server1 --name {name}     (and: heal server1)
  tools/lab down --name {name}             (ends it)"""
