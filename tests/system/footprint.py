"""What a lab leaves on the machine, to compare before and after. No tests here.

Other labs may come and go meanwhile, so it looks only at what belongs to the lab that is named.
"""

import os
import subprocess
from pathlib import Path

from roamtools.lab import plan


def processes(name: str) -> dict[int, str]:
    """PIDs of everything that belongs to a lab, found by its nodes' and its keeper's processes."""
    directory = str(plan.lab_root() / name)
    found: dict[int, str] = {}
    namespaces = set()
    for pid, command in _commands():
        if directory in command:
            found[pid] = command
            namespace = _namespace(pid)
            if namespace != _namespace(os.getpid()):
                namespaces.add(namespace)
    for pid, command in _commands():
        if _namespace(pid) in namespaces:
            found[pid] = command
    return found


def left_behind(name: str, known: dict[int, str]) -> list[str]:
    """What is still there of a lab that should be gone; `known` are its processes of before."""
    left = [f"process {pid}: {c}" for pid, c in _commands() if known.get(pid) == c]
    left += [f"process {pid}: {command}" for pid, command in processes(name).items()]
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            left += [f"mount: {line}" for line in table.read_text().splitlines() if name in line]
        except OSError:
            continue
    if (plan.lab_root() / name).exists():
        left.append(f"directory {plan.lab_root() / name}")
    return left


def machine() -> dict[str, str]:
    """What no lab may change: named namespaces, interfaces and accounts of the machine."""
    return {
        "netns": _output("ip", "netns"),
        "links": _output("ip", "-o", "link"),
        "passwd": Path("/etc/passwd").read_text(),
        "mounts": Path("/proc/self/mounts").read_text(),
        "var": "\n".join(sorted(os.listdir("/var/lib"))),
        "home": "\n".join(sorted(os.listdir("/home"))),
        "etc": "\n".join(sorted(os.listdir("/etc"))),
    }


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _commands() -> list[tuple[int, str]]:
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if command and int(entry.parent.name) != os.getpid():
            commands.append((int(entry.parent.name), command))
    return commands


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""
