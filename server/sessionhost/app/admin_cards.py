"""What roamctl asks hostd about reader desks: tokens seen there, cards to be enrolled there.

The lines are `seen`, `enrol DESK USER card|pin [LABEL]` (the label percent-encoded), `enrolment
DESK`, `enrol-cancel DESK`.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from roamwire.errors import RemoteProtocolError
from roamwire.fields import decode_value
from roamwire.identity import name_problem
from sessionhost.core.readers import Enrolment
from sessionhost.core.server import ServerCore
from sessionhost.core.timing import ENROL_S


class CardQuestions:
    """Answers them from the core; `is_reader` looks into the registry."""

    def __init__(self, core: ServerCore, is_reader: Callable[[str], Awaitable[bool]]) -> None:
        self._core = core
        self._readers = core.authentication.readers
        self._is_reader = is_reader

    async def answer(self, words: list[str]) -> dict[str, Any] | None:
        """The answer to a line; None if it is not about cards."""
        match words:
            case ["seen"]:
                return {"seen": self._seen()}
            case ["enrol", desk, user, "card" | "pin" as how, *rest] if len(rest) <= 1:
                return await self._enrol(desk, user, pin=how == "pin", label="".join(rest))
            case ["enrolment", desk]:
                return self._enrolment(desk)
            case ["enrol-cancel", desk]:
                self._readers.cancel(desk)
                return {"cancelled": desk}
        return None

    async def _enrol(self, desk: str, user: str, *, pin: bool, label: str) -> dict[str, Any]:
        try:
            order = Enrolment(desk, user, decode_value(label), pin)
        except RemoteProtocolError as error:
            return {"error": f"the label: {error}"}
        if name_problem(desk) or not await self._is_reader(desk):
            return {"error": f"{desk} is no reader desk: 'roamctl reader add {desk}'"}
        if not any(each["dtu"] == desk for each in self._core.terminals()):
            return {"error": f"{desk} is not connected to this server"}
        if not self._readers.order(order, time.monotonic()):
            return {"error": "too many administrators wait for a card"}
        return {"seconds": int(ENROL_S)}

    def _enrolment(self, desk: str) -> dict[str, Any]:
        found = self._readers.outcome(desk, time.monotonic())
        if found is None:
            return {"error": f"no card was put in at {desk} in time"}
        return {"token": found.token, "outcome": found.outcome}

    def _seen(self) -> list[dict[str, Any]]:
        offset = time.time() - time.monotonic()
        return [
            {
                "token": str(each.token),
                "dtu": each.dtu,
                "proven": each.proven,
                "subject": each.subject,
                "at_ms": int((each.at + offset) * 1000),
            }
            for each in self._readers.seen
        ]
