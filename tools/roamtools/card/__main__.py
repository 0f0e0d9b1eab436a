"""The card of one desk: a process that holds it in the vpcd reader, told what to do over a socket.

`python -m roamtools.card --control PATH [--port 35963]`; one JSON object a line:
{"op": "insert", "number": "04a1b2c3d4e5f6", "mode": "normal"}, {"op": "remove"}, {"op": "state"}.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from roamtools.card.cards import CARD_MAKERS
from roamtools.card.vpcd import VPCD_PORT, VpcdSlot
from roamtools.lab.rpc import Refusal, serve_forever


class CardHolder:
    """Answers the orders of the control socket."""

    def __init__(self, slot: VpcdSlot) -> None:
        self._slot = slot
        self._number = ""
        self._mode = ""

    def handle(self, order: dict[str, Any]) -> dict[str, Any]:
        op = order.get("op")
        if op == "insert":
            self._insert(
                str(order.get("number", "")),
                str(order.get("mode", "normal")),
                bool(order.get("hurried", False)),
            )
        elif op == "remove":
            self._slot.pull()
        elif op != "state":
            raise Refusal(f"unknown order {op!r}")
        return {"at": time.monotonic(), **self._state()}

    def _insert(self, number: str, mode: str, hurried: bool) -> None:
        if mode not in CARD_MAKERS:
            raise Refusal(f"unknown mode {mode!r}; there are: {', '.join(CARD_MAKERS)}")
        card = CARD_MAKERS[mode](bytes.fromhex(number))
        try:
            self._slot.insert(card, 0 if mode == "pulled" else None, hurried)
        except OSError as error:
            raise Refusal(f"no reader to put a card into (is pcscd running?): {error}") from error
        self._number, self._mode = number, mode

    def _state(self) -> dict[str, Any]:
        if not self._slot.occupied:
            return {"card": None, "mode": None}
        return {"card": self._number, "mode": self._mode}


def main() -> None:
    parser = argparse.ArgumentParser(prog="roamtools.card", description=__doc__)
    parser.add_argument("--control", type=Path, required=True, help="Unix socket for orders")
    parser.add_argument("--port", type=int, default=VPCD_PORT, help="TCP port of the vpcd slot")
    options = parser.parse_args()
    serve_forever(options.control, CardHolder(VpcdSlot(port=options.port)).handle)


if __name__ == "__main__":
    main()
