"""The hand at one desk's reader: orders to put a card in and to take it out."""

import time
from pathlib import Path
from typing import Any

from roamtools.card.cards import CARD_MAKERS, Card
from roamtools.card.piv import PIV_ATR, PivApplet
from roamtools.card.piv_state import PivState
from roamtools.card.vpcd import VpcdSlot
from roamtools.lab.rpc import Refusal


def piv_card(applet: PivApplet, number: bytes = b"") -> Card:
    """A PIV card, with a UID too if it has a number (a card with two interfaces)."""
    return Card(uid=number, applets=[applet], atr=PIV_ATR)


class CardHolder:
    """Answers the orders of the control socket.

    The state has `card` and `mode`; of a PIV card also `crypto_s` and `operations`: seconds that
    its private key operations took since it went in, and how many there were.
    """

    def __init__(self, slot: VpcdSlot) -> None:
        self._slot = slot
        self._number = ""
        self._mode = ""
        self._piv: PivApplet | None = None

    def handle(self, order: dict[str, Any]) -> dict[str, Any]:
        op = order.get("op")
        if op == "insert":
            self._insert(
                str(order.get("number", "")),
                str(order.get("mode", "normal")),
                bool(order.get("hurried", False)),
                str(order.get("piv", "")),
                order.get("pull_after"),
            )
        elif op == "remove":
            self._slot.pull()
        elif op != "state":
            raise Refusal(f"unknown order {op!r}")
        return {"at": time.monotonic(), **self._state()}

    def _insert(
        self, number: str, mode: str, hurried: bool, piv: str, pull_after: int | None
    ) -> None:
        if mode not in CARD_MAKERS:
            raise Refusal(f"unknown mode {mode!r}; there are: {', '.join(CARD_MAKERS)}")
        if mode == "pulled":
            pull_after = 0
        applet = PivApplet(PivState.load(Path(piv))) if piv else None
        uid = bytes.fromhex(number)
        card = piv_card(applet, uid) if applet else CARD_MAKERS[mode](uid)
        try:
            self._slot.insert(card, pull_after, hurried)
        except OSError as error:
            raise Refusal(f"no reader to put a card into (is pcscd running?): {error}") from error
        self._number, self._mode, self._piv = number, mode, applet

    def _state(self) -> dict[str, Any]:
        if not self._slot.occupied:
            return {"card": None, "mode": None}
        state: dict[str, Any] = {"card": self._number, "mode": self._mode}
        if self._piv is not None:
            state["crypto_s"] = self._piv.crypto_s
            state["operations"] = self._piv.operations
        return state
