"""From the loss of a server to the first frame of the new session on the terminal.

Cases: `kill`: SIGKILL to every process of the server that shows card A's session, sessions too.
`cut`: its link goes silent and nothing is closed. The clock starts when the first signal is sent,
or the link is taken off; it stops when the terminal has painted the first whole frame.
`kill_desktop` and `cut_desktop`: the same, until the new desktop is painted (see `picture`).
"""

import time

from roamtools.bench.group import end_sessions, wait_trusted
from roamtools.bench.percentiles import Series
from roamtools.bench.picture import painted_at
from roamtools.lab.lab import Lab

FRAME_S = 20.0
REST_S = 1.0
"""Between repeats: what a loss has started is over, as on a server of which one dies a day."""


def run(lab: Lab, repeats: int, series: Series) -> None:
    """Measure both cases."""
    wait_trusted(lab)
    with lab.trace("desk1") as trace:
        lab.insert("desk1", "A")
        trace.wait("first_frame", FRAME_S)
    for case in ("kill", "cut"):
        for _ in range(repeats):
            time.sleep(REST_S)
            _lose_server(lab, case, series)


def _lose_server(lab: Lab, case: str, series: Series) -> None:
    """One loss and the recovery of the lab."""
    before = lab.desk_state("desk1")
    lost, session = before["server"], before["session"]
    with lab.trace("desk1") as trace:
        since = lab.kill(lost) if case == "kill" else lab.cut(lost)
        frame = trace.wait("first_frame", FRAME_S)
        while frame["session"] == session:
            frame = trace.wait("first_frame", FRAME_S)
        painted = painted_at(trace, frame["at"])
    series.add(case, (frame["at"] - since) * 1000)
    series.add(f"{case}_desktop", (painted - since) * 1000)
    lab.heal(lost)
    lab.wait_ready(lost)
    wait_trusted(lab)
    # A healed server still has the old session: the next loss must lead to a new one again.
    end_sessions(lab, lost)
