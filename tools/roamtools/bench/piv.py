"""How long a PIV card takes to prove itself at the terminal's card driver; no server is asked.

Cases, for each key type: `TYPE` from the moment when PC/SC told of the card to the signature of key
9E, with reading who it is; `TYPE_sign` its second half, from the request to the signature;
`TYPE_card` the emulated card's own private key operation, which is within both. pcscd, the virtual
reader and the driver are real; a real card and its reader are slower, and nothing here says by how
much.
"""

import os
import queue
import time
from typing import Any

from dtu.core.events import CardAnswered, CardPresented, CardRemoved
from dtu.core.piv.keys import KeyType
from dtu.core.piv.results import Sign, Signed
from dtu.drivers.card.pcsc import PcscCardDriver
from roamtools.bench.percentiles import Series
from roamtools.card.piv_make import Order, make_authority, make_card
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal
from roamwire.proof import Slot

DESK = "desk1"
UID = "04a1000000000a"
PATIENCE_S = 10.0
PCSCD_SOCKET = "run/pcscd/pcscd.comm"


def run(repeats: int, series: Series) -> None:
    """Measure all cases on a desk of its own, without network and daemons."""
    with Lab(f"bench-piv-{os.getpid()}") as lab:
        lab.up(servers=0, desks=1, tied=True, with_daemons=False, dhcp=False)
        # libpcsclite reads this at its first call.
        os.environ["PCSCLITE_CSOCK_NAME"] = str(lab.node_root(lab.node(DESK)) / PCSCD_SOCKET)
        driver = PcscCardDriver()
        events: queue.Queue[Any] = queue.Queue()
        driver.start(events.put)
        try:
            authority = make_authority("Bench")
            for kind in KeyType:
                order = Order(keys={0x9A: kind.value, 0x9E: kind.value}, signed_by=authority)
                make_card(order, lab.cards / f"{kind.value}.json")
                for number in range(repeats):
                    _prove(lab, driver, events, kind.value, number, series)
        finally:
            driver.stop()


def _prove(
    lab: Lab,
    driver: PcscCardDriver,
    events: "queue.Queue[Any]",
    kind: str,
    number: int,
    series: Series,
) -> None:
    """One card in, one signature, card out."""
    lab.insert(DESK, UID, piv=f"{kind}.json")
    card = _wait(events, CardPresented)
    # As the driver's caller does: at once, from another thread than the one that reads cards.
    request = Sign(number, card.insertion, Slot.CARD, os.urandom(64))
    asked = time.monotonic()
    driver.ask(request)
    answer = _wait(events, CardAnswered)
    if not isinstance(answer.result, Signed):
        raise Refusal(f"the card did not sign: {answer.result}")
    series.add(kind, (answer.at - card.at) * 1000)
    series.add(f"{kind}_sign", (answer.at - asked) * 1000)
    seconds, operations = lab.piv_work(DESK)
    if operations != 1:
        raise Refusal(f"the card did {operations} operations for one signature")
    series.add(f"{kind}_card", seconds * 1000)
    lab.remove(DESK)
    _wait(events, CardRemoved)


def _wait(events: "queue.Queue[Any]", kind: type) -> Any:
    while True:
        try:
            event = events.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Refusal(f"no {kind.__name__} within {PATIENCE_S:.0f} s") from None
        if isinstance(event, kind):
            return event
