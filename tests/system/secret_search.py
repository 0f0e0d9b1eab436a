"""Looks for values in all that a lab's processes write, and in command lines. No tests here.

A value counts as found also in the ways in which programs write one down: percent-encoded as on the
wire, as JSON, in hexadecimal (bytes in a row, or apart as APDUs are printed), in base64.
"""

import base64
import contextlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from roamwire.fields import encode_value

SAMPLE_S = 0.05
"""roamctl takes 200 ms to start, a check of a password longer."""


def forms(value: str) -> set[str]:
    """How the value may be written, in small letters."""
    data = value.encode()
    written = {value, quote(value, safe=""), encode_value(value), json.dumps(value)[1:-1]}
    written |= {data.hex(), data.hex(" "), data.hex(":")}
    written |= {base64.b64encode(data).decode().rstrip("=")}
    return {each.lower() for each in written}


def search(places: Mapping[str, str], values: Mapping[str, str]) -> dict[str, list[str]]:
    """For each value that is anywhere: the places."""
    small = {place: text.lower() for place, text in places.items()}
    found = {}
    for name, value in values.items():
        assert len(value) >= 6, f"{name} is too short to be looked for"
        looked_for = forms(value)
        where = [p for p, text in small.items() if any(each in text for each in looked_for)]
        if where:
            found[name] = where
    return found


def written(lab) -> dict[str, str]:
    """Every log, audit file and file of a person in the lab, by name."""
    files = list(lab.directory.glob("*.log")) + list((lab.directory / "home").rglob("*"))
    for name in [*lab.servers(), *lab.desks()]:
        files += lab.node_dir(name).glob("logs/*")
        files += lab.node_dir(name).glob("state/audit.jsonl*")
    return {str(f): f.read_text(errors="replace") for f in files if _is_plain(f)}


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


class CommandLines:
    """Notes, while it is entered, the command lines of all processes in the lab's nodes."""

    def __init__(self, lab) -> None:
        inits = [lab.node(name)["init"] for name in [*lab.servers(), *lab.desks()]]
        self._spaces = {os.stat(f"/proc/{init}/ns/pid").st_ino for init in inits}
        self._seen: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "CommandLines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def text(self) -> str:
        return "\n".join(sorted(self._seen.copy()))

    def _run(self) -> None:
        while not self._end.wait(SAMPLE_S):
            for entry in Path("/proc").iterdir():
                if entry.name.isdecimal():
                    with contextlib.suppress(OSError):
                        if os.stat(entry / "ns" / "pid").st_ino in self._spaces:
                            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                            self._seen.add(line.decode(errors="replace"))
