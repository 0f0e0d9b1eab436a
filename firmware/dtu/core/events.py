"""What happens at the card reader, as values; who reports it and what follows is not here."""

from dataclasses import dataclass

from roamwire.tokens import Token

# `at` is always CLOCK_MONOTONIC in seconds, taken when PC/SC told of the change: every
# "card in to picture" and "card out to blank" time is measured from it.


@dataclass(frozen=True)
class CardPresented:
    """A card is in and its number was read."""

    token: Token
    reader: str
    at: float


@dataclass(frozen=True)
class CardRemoved:
    """The card that was in this reader is out (or the reader that held it is gone)."""

    reader: str
    at: float


@dataclass(frozen=True)
class CardUnreadable:
    """Something is in the reader that gives no number.

    `reason` is one word: `mute` (no answer to reset), `foreign` (answers, but has no number that
    we know how to read), `pulled` (gone in the middle of reading), `busy` (another program holds
    it).
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


CardEvent = CardPresented | CardRemoved | CardUnreadable | ReaderMissing | ReaderReady
