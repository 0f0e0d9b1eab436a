"""What benchmarks need of a lab's servers: who has which session, and a clean state. No timing."""

import sys
import time
from collections.abc import Callable
from typing import Any

from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

SETTLE_S = 20.0
"""Generous: a server that comes back is trusted by the others within two announcements."""


def status(lab: Lab, server: str) -> dict[str, Any]:
    """What a server says of itself and of the group."""
    nodes = {node["name"]: node for node in lab.status(deep=True)["nodes"]}
    tells: dict[str, Any] = nodes[server].get("tells") or {}
    return tells


def sessions(lab: Lab, server: str) -> list[str]:
    """Names of a server's sessions."""
    return [each["session"] for each in status(lab, server).get("sessions", [])]


def end_sessions(lab: Lab, server: str, keep: str = "") -> None:
    """End all sessions of a server but one, as an administrator would, and wait until they are."""
    for session in sessions(lab, server):
        if session != keep:
            _stop(lab, server, session)
    _wait(f"{server} has ended its sessions", lambda: set(sessions(lab, server)) <= {keep})


def _stop(lab: Lab, server: str, session: str) -> None:
    done = lab.run(
        server, [sys.executable, "-m", "sessionhost.app.roamctl", "session", "stop", session]
    )
    if done.returncode and session in sessions(lab, server):
        raise Refusal(f"roamctl session stop: {done.stderr.strip()}")


def wait_trusted(lab: Lab) -> None:
    """Wait until every server trusts every other."""
    names = set(lab.servers())

    def complete() -> bool:
        for name in names:
            hosts = status(lab, name).get("topology", [])
            if {h["host"] for h in hosts if h["trusted"] and not h["down"]} != names - {name}:
                return False
        return True

    _wait(f"all of {', '.join(sorted(names))} trust each other", complete)


def _wait(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not holds():
        if time.monotonic() > deadline:
            raise Refusal(f"not within {SETTLE_S:.0f} s: {what}")
        time.sleep(0.1)
