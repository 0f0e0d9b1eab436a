"""What happens at the card reader, as values; who reports it and what follows is not here."""

from dataclasses import dataclass, field

from dtu.core.piv.results import CardResult, PivCard
from roamwire.tokens import Token

# `at` is always CLOCK_MONOTONIC in seconds, taken when PC/SC told of the change: every
# "card in to picture" and "card out to blank" time is measured from it.


@dataclass(frozen=True)
class CardPresented:
    """A card is in and it was read who it is.

    `token` is the strongest that the card has: that of `piv` if it is a PIV card whose key can
    prove it, which it has not yet; `uid` then is its copyable number, if it has one. Else `token`
    is its number, and both are None. `insertion` tells this card in this reader now from all
    others of the driver's life; requests to the card carry it.
    """

    token: Token
    reader: str
    at: float
    uid: Token | None = None
    piv: PivCard | None = None
    insertion: int = field(default=0, compare=False)


@dataclass(frozen=True)
class CardRemoved:
    """The card that was in this reader is out.

    `seen` is False if the reader or its service is gone: the card counts as out, and may be in.
    """

    reader: str
    at: float
    seen: bool = True


@dataclass(frozen=True)
class CardUnreadable:
    """Something is in the reader that gives no number.

    `reason` is one word: `mute` (no answer to reset), `foreign` (answers, but has no number that
    we know how to read, or is a PIV card without a key that proves it), `pulled` (gone in the
    middle of reading), `busy` (another program holds it).
    """

    reader: str
    reason: str
    at: float


@dataclass(frozen=True)
class ReaderMissing:
    """No reader can be used; `reason` is `no_reader` (none plugged in) or `no_service` (pcscd)."""

    reason: str


@dataclass(frozen=True)
class ReaderReady:
    """A reader is there, with or without a card in it."""

    reader: str


@dataclass(frozen=True)
class CardAnswered:
    """What became of a request to a card; every request gets one, be the card gone or not.

    It may come after the CardRemoved of its card, and then nobody should care.
    """

    number: int
    insertion: int
    result: CardResult
    reader: str
    at: float


CardEvent = CardPresented | CardRemoved | CardUnreadable | ReaderMissing | ReaderReady
