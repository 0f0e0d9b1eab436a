"""What it costs that a card proves itself: hotdesk with cards that are a number, and PIV cards.

Cases: `redirect_uid`, `redirect_piv`, `same_server_uid`, `same_server_piv`: card in to first whole
frame, one after another in the same run, as in `hotdesk`. With PIV the card is read (certificate
9E), signs the server's challenge, and the server verifies that. `card`: the emulated card's own
private key operation, which is within the cases with PIV; a real card takes longer.
`added_p95_ms`: by how much the p95 with PIV is above that without.
"""

import time
from collections.abc import Mapping

from roamtools.bench.group import wait_trusted
from roamtools.bench.percentiles import Series
from roamtools.lab.lab import Lab
from roamtools.lab.piv_cards import make_piv
from roamtools.lab.rpc import Refusal

DESK = "desk1"
FRAME_S = 20.0
REST_S = 0.5

PIV_CARDS = {"alice": "p256", "bob": "p256"}
CARDS = ("A", "B", *PIV_CARDS)


def run(lab: Lab, repeats: int, series: Series) -> None:
    """Measure all cases."""
    wait_trusted(lab)
    for name, kind in PIV_CARDS.items():
        make_piv(lab, name, name, kind)
    homes: dict[str, str] = {}
    for card in CARDS:
        _to_first_frame(lab, card)
        homes[card] = lab.desk_state(DESK)["server"]
        _leave(lab)
    for number in range(repeats):
        for card in (CARDS[number % 2], CARDS[2 + number % 2]):
            _go_away_from(lab, homes, card)
            for case in ("redirect", "same_server"):
                _measure(lab, card, case, series)
                _leave(lab)


def added(cases: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Milliseconds that PIV adds to the p95, by case."""
    return {
        case: round(cases[f"{case}_piv"]["p95_ms"] - cases[f"{case}_uid"]["p95_ms"], 1)
        for case in ("redirect", "same_server")
    }


def _measure(lab: Lab, card: str, case: str, series: Series) -> None:
    before = lab.desk_state(DESK)["server"]
    spent = _to_first_frame(lab, card)
    if (lab.desk_state(DESK)["server"] != before) != (case == "redirect"):
        raise Refusal(f"{DESK} was at {before}, and {card} was no {case}")
    if card in PIV_CARDS:
        seconds, operations = lab.piv_work(DESK)
        if operations != 1:
            raise Refusal(f"the card signed {operations} times for one session")
        series.add("card", seconds * 1000)
    series.add(f"{case}_{'piv' if card in PIV_CARDS else 'uid'}", spent)


def _go_away_from(lab: Lab, homes: dict[str, str], card: str) -> None:
    """The terminal is to be connected to another server than that of the card's session."""
    if lab.desk_state(DESK)["server"] == homes[card]:
        _to_first_frame(lab, next(each for each in CARDS if homes[each] != homes[card]))
        _leave(lab)


def _to_first_frame(lab: Lab, card: str) -> float:
    """Milliseconds from the PC/SC event to the first whole frame."""
    with lab.trace(DESK) as trace:
        if card in PIV_CARDS:
            lab.insert(DESK, "", piv=card)
        else:
            lab.insert(DESK, card)
        moment = trace.wait("card", FRAME_S, kind="CardPresented")["at"]
        frame = trace.wait("first_frame", FRAME_S)
    time.sleep(REST_S)
    return float((frame["at"] - moment) * 1000)


def _leave(lab: Lab) -> None:
    with lab.trace(DESK) as trace:
        lab.remove(DESK)
        trace.wait("blank", FRAME_S)
    time.sleep(REST_S)
