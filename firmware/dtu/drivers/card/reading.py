"""Reads who a card is, by its PIV application and its number; finding the card is not here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from dtu.core.piv.client import SELECT, read_card
from dtu.core.piv.commands import OK, Exchange, status_of
from dtu.core.piv.results import CardFault, NoCertificate, NoPiv, PivCard
from dtu.drivers.card.number import read_number
from roamwire.tokens import Token

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# Sends one command APDU and gives back the response with its two status bytes.
Transmit = Callable[[bytes | bytearray], bytes]

# PC/SC part 3, 3.1.3.2.3: the ATR that a reader makes up for a card that has memory and no
# applications. Some readers fail altogether when such a card is sent a SELECT.
STORAGE_CARD = bytes.fromhex("804F0CA000000306")


@dataclass(frozen=True)
class Reading:
    """What a card says that it is: the fields of CardPresented."""

    token: Token
    uid: Token | None = None
    piv: PivCard | None = None


def run(exchange: Exchange[Result], transmit: Transmit) -> Result:
    """Let a card answer what an exchange asks; whatever `transmit` raises ends it."""
    try:
        command = next(exchange)
        while True:
            command = exchange.send(transmit(command))
    except StopIteration as end:
        return cast(Result, end.value)
    finally:
        exchange.close()  # wipes what is secret in it


class CardReading:
    """The reads of one card. Once its PIV application has answered, its number is no token.

    Otherwise a card that can prove itself would be worth no more than a copy of its number.
    `blank_by_number`: a card as it was delivered, with the application and no certificate 9E, is
    taken by its number all the same.
    """

    def __init__(self, blank_by_number: bool = False) -> None:
        self._blank_by_number = blank_by_number
        self.has_piv = False

    def read(
        self, transmit: Transmit, begin: Callable[[], None], with_piv: bool = True
    ) -> Reading | None:
        """None if the card has neither a key that proves it nor a number that it is taken by.

        `begin` keeps other programs off the card; the number needs that not. Without `with_piv`
        only a card that has told before that it has the application is asked for it.
        """
        number = read_number(transmit)
        if with_piv or self.has_piv:
            begin()
            found = self._read_piv(transmit)
            if isinstance(found, PivCard):
                return Reading(found.token, number, found)
            if not isinstance(found, NoPiv):
                log.warning("a PIV card without a key that can prove it: %s", found)
            blank = isinstance(found, NoCertificate) and found.reason == "absent"
            if self.has_piv and not (blank and self._blank_by_number):
                return None
        return Reading(number) if number else None

    def _read_piv(self, transmit: Transmit) -> PivCard | NoPiv | NoCertificate | CardFault:
        def heard(command: bytes | bytearray) -> bytes:
            answer = transmit(command)
            # 61xx: it is selected, and has more to say (ISO 7816-4, 5.6).
            if command[1] == SELECT and (status_of(answer) == OK or answer[-2:-1] == b"\x61"):
                self.has_piv = True
            return answer

        return run(read_card(), heard)
