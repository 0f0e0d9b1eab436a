"""Attacks by who has a shell on a terminal, or has had it: what it trusts its files with."""

import time

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.stage import NEWCOMER, SERVERS, Stage
from roamtools.lab.rpc import Refusal

CONNECTED_S = 20.0
REFUSED_S = 8.0
"""A terminal that is let in is so within two seconds."""


def _connects(stage: Stage, seconds: float) -> bool:
    """Whether the newcomer, which was just started, has a server within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = stage.lab.desk_state(NEWCOMER)
        except (OSError, Refusal):
            state = {"state": "off"}  # it ends, and is started again
        if state["state"] == "connected" and state["server"] in SERVERS:
            return True
        time.sleep(0.1)
    return False


@attack("terminal-key-readable-by-others")
def key_readable(stage: Stage) -> str:
    """A terminal starts although its key can be read, and so have been copied, by everybody."""
    if NEWCOMER not in stage.lab.desks():
        stage.start_newcomer()
        stage.lab.wait_ready(NEWCOMER)
    key = stage.lab.node_dir(NEWCOMER) / "etc" / "roamdesk" / "dtu.key"
    mode = key.stat().st_mode & 0o7777
    try:
        key.chmod(0o644)
        stage.start_newcomer()
        taken = _connects(stage, REFUSED_S)
    finally:
        key.chmod(mode)
        stage.start_newcomer()
    must(_connects(stage, CONNECTED_S), "with its key in order it does not start either")
    return f"{NEWCOMER} is connected with it" if taken else ""
