"""Reads who a card is, by its PIV application and its number; finding the card is not here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from dtu.core.piv.client import read_card
from dtu.core.piv.commands import Exchange
from dtu.core.piv.results import NoPiv, PivCard
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


def read_token(transmit: Transmit, begin: Callable[[], None], with_piv: bool) -> Reading | None:
    """None if the card has neither a PIV key nor a number.

    `begin` keeps other programs off the card; the number needs that not. A card whose PIV
    application is there but does not answer as one is what its number says, and the log why.
    """
    number = read_number(transmit)
    if with_piv:
        begin()
        found = run(read_card(), transmit)
        if isinstance(found, PivCard):
            return Reading(found.token, number, found)
        if not isinstance(found, NoPiv):
            log.warning("a PIV card without a key that can prove it: %s", found)
    return Reading(number) if number else None
