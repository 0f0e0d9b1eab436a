"""Starts a session's leader so that it outlives launcherd. What the leader does is its own.

It carries the session's mark from its first instruction: a launcherd that died before it noted the
leader's process is replaced by one that finds it by the mark and ends it.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sessionhost.adapters.launcher_client import SessionOrder
from sessionhost.adapters.process_tree import SESSION_VARIABLE

LEADER = Path(__file__).resolve().parent.parent / "app" / "session_leader.py"

Spawn = Callable[[list[str], int, int, str], subprocess.Popen[bytes]]


@dataclass(frozen=True)
class Started:
    """The process that launcherd started, and the read end of the leader's status pipe."""

    process: subprocess.Popen[bytes]
    status_fd: int


def leader_command(order: SessionOrder, recipe_file: Path, directory: Path) -> list[str]:
    """The leader's command line; -I -S: no user's file and no site package is read."""
    fields = {
        "session": order.session,
        "user": order.user,
        "recipe_file": str(recipe_file),
        "width": str(order.width),
        "height": str(order.height),
        "directory": str(directory),
        "lang": os.environ.get("LANG", "C.UTF-8"),
    }
    return [sys.executable, "-I", "-S", str(LEADER), *(f"{k}={v}" for k, v in fields.items())]


def spawn_directly(
    command: list[str], rfb: int, status: int, session: str
) -> subprocess.Popen[bytes]:
    """A plain child in a process session of its own; init inherits it if launcherd goes."""
    mark = {SESSION_VARIABLE: session}
    return subprocess.Popen(command, stdin=rfb, stdout=status, start_new_session=True, env=mark)


def spawn_in_systemd(
    command: list[str], rfb: int, status: int, session: str
) -> subprocess.Popen[bytes]:
    """A transient service: a cgroup of its own, and nothing of launcherd's sandbox.

    systemd-run hands our descriptors on and then only waits; it may be killed at any time.
    """
    return subprocess.Popen(
        [
            "systemd-run",
            "--quiet",
            "--collect",
            "--pipe",
            f"--unit=roamdesk-session-{session}",
            f"--setenv={SESSION_VARIABLE}={session}",
            "--slice=roamdesk-sessions.slice",
            "--property=KillMode=mixed",
            "--property=TimeoutStopSec=5",
            f"--description=Roamdesk session {session}",
            "--",
            *command,
        ],
        stdin=rfb,
        stdout=status,
        start_new_session=True,
    )


def choose_spawn() -> Spawn:
    """systemd's way where it runs (sd_booted(3)), the plain one in a lab or container.

    In a lab's namespace the machine's systemd can be in sight without being its first process.
    """
    booted = Path("/run/systemd/system").is_dir()
    with open("/proc/1/comm", encoding="ascii", errors="replace") as file:
        first = file.read().strip()
    return spawn_in_systemd if booted and first == "systemd" else spawn_directly


def start_leader(
    spawn: Spawn, order: SessionOrder, recipe_file: Path, directory: Path, rfb: socket.socket
) -> Started:
    """Starts the leader; it gets the RFB socket and the write end of a new status pipe."""
    status_read, status_write = os.pipe()
    try:
        command = leader_command(order, recipe_file, directory)
        process = spawn(command, rfb.fileno(), status_write, order.session)
    except BaseException:
        os.close(status_read)
        raise
    finally:
        os.close(status_write)
    os.set_blocking(status_read, False)
    return Started(process, status_read)
