"""Whose process is whose, by /proc, and ending them all. Which ones to end is the caller's."""

import ctypes
import os
import resource
import signal

SESSION_VARIABLE = "ROAMDESK_SESSION"
"""In the environment of every process of a session; how strays are found."""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def start_time(pid: int) -> int | None:
    """Clock ticks since boot when the process began: with its number it is unique. None if gone."""
    stat = _stat(pid)
    return int(stat[19]) if stat is not None and stat[0] != "Z" else None


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, parents first; zombies are left out."""
    children: dict[int, list[int]] = {}
    for other in _processes():
        stat = _stat(other)
        if stat is not None and stat[0] != "Z":
            children.setdefault(int(stat[1]), []).append(other)
    found = list(children.get(pid, ()))
    for parent in found:  # grows while we walk
        found += children.get(parent, ())
    return found


def marked(session: str) -> list[int]:
    """The processes that carry the session's name in their environment; root sees all."""
    mark = f"{SESSION_VARIABLE}={session}".encode()
    found = []
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


def signal_all(pids: list[int], number: int) -> None:
    """Sends a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def become_subreaper() -> None:
    """Orphans of our descendants become our children: none of them gets lost."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """SIGTERM for this process when its parent dies; at once if that has happened."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def forbid_core_dumps() -> None:
    """No dump of this process's memory, neither to a file nor to a handler; nor may others read it.

    A limit of 0 alone does not stop a handler that the kernel pipes dumps to (core(5)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state (field 3) on; the name may contain anything."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None
