"""From the card reader to the picture, at one desk.

Cases: `same_server`: card in to first whole frame, the session is on the server that the terminal
is connected to. `redirect`: it is on another one. `card_out`: card out to blank screen.
`new_session`: card in to painted desktop (see `picture`). All start at the moment when PC/SC told
of the card; a frame counts when it is on the terminal's screen.
"""

import time
from typing import Any

from roamtools.bench.group import end_sessions, sessions, wait_trusted
from roamtools.bench.percentiles import Series
from roamtools.bench.picture import painted_at
from roamtools.lab.desk_bench import Trace
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

FRAME_S = 20.0
REST_S = 0.5
"""A person's pause between two things."""

DESK = "desk1"


def run(lab: Lab, repeats: int, series: Series) -> None:
    """Measure all cases."""
    wait_trusted(lab)
    _new_session(lab, "A")  # the first start reads the programs from disk: not this case
    for _ in range(repeats):
        _leave(lab)
        _end_all(lab)
        series.add("new_session", _new_session(lab, "A"))
    _sessions_apart(lab)
    # A and B live on different servers: each card finds the terminal at the other's server.
    for number in range(repeats):
        card = "AB"[number % 2]
        series.add("card_out", _leave(lab))
        series.add("redirect", _to_first_frame(lab, card, moves=True))
        series.add("card_out", _leave(lab))
        series.add("same_server", _to_first_frame(lab, card, moves=False))


def _card_in(lab: Lab, card: str, trace: Trace) -> tuple[float, dict[str, Any]]:
    """Put the card in; gives the moment of the PC/SC event and the first frame."""
    lab.insert(DESK, card)
    moment = trace.wait("card", FRAME_S, kind="CardPresented")["at"]
    return float(moment), trace.wait("first_frame", FRAME_S)


def _new_session(lab: Lab, card: str) -> float:
    """The card has no session yet: milliseconds to the painted desktop. It stays in."""
    with lab.trace(DESK) as trace:
        moment, frame = _card_in(lab, card, trace)
        return (painted_at(trace, frame["at"]) - moment) * 1000


def _leave(lab: Lab) -> float:
    """Card out: milliseconds from the PC/SC event to the blank screen."""
    with lab.trace(DESK) as trace:
        lab.remove(DESK)
        moment = trace.wait("card", FRAME_S, kind="CardRemoved")["at"]
        blank = trace.wait("blank", FRAME_S)["t"]
    time.sleep(REST_S)
    return float((blank - moment) * 1000)


def _end_all(lab: Lab) -> None:
    for server in lab.servers():
        end_sessions(lab, server)


def _sessions_apart(lab: Lab) -> None:
    """Sessions of A and B on two servers; placement by load puts them apart. B stays in."""
    _leave(lab)
    _new_session(lab, "B")
    homes = {server: sessions(lab, server) for server in lab.servers()}
    if max(map(len, homes.values())) > 1:
        raise Refusal(f"two sessions were placed on one of three idle servers: {homes}")


def _to_first_frame(lab: Lab, card: str, *, moves: bool) -> float:
    """A card with a session: milliseconds to its first whole frame."""
    before = lab.desk_state(DESK)["server"]
    with lab.trace(DESK) as trace:
        moment, frame = _card_in(lab, card, trace)
    after = lab.desk_state(DESK)["server"]
    if (after != before) != moves:
        raise Refusal(f"{DESK} was at {before} and is at {after} with card {card}")
    time.sleep(REST_S)
    return float((frame["at"] - moment) * 1000)
