"""A card driver without a reader, for tests and benches; refused in images, never a real card."""

import time
from collections.abc import Callable

from dtu.core.events import (
    CardEvent,
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.drivers.card.base import Post
from roamwire.tokens import Token

READER = "scripted 00"


class ScriptedCardDriver:
    """Does what a test tells it, and keeps the promises of a real reader about order and state."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._post: Post | None = None
        self._reader: ReaderMissing | None = None
        self._card: Token | str | None = None  # a token, or why the card gives none

    def start(self, post: Post) -> None:
        self._post = post
        self._tell(self._reader or ReaderReady(READER))
        self._tell_card()

    def stop(self) -> None:
        self._post = None

    def insert(self, token: Token) -> None:
        """Put a readable card in, taking out the one that is there."""
        self._replace(token)

    def insert_unreadable(self, reason: str) -> None:
        """Put in a card that is `mute`, `foreign`, `pulled` or `busy`."""
        self._replace(reason)

    def remove(self) -> None:
        """Take the card out; nothing happens if there is none."""
        self._replace(None)

    def lose_reader(self, reason: str = "no_reader") -> None:
        """Unplug the reader (`no_reader`) or stop its service (`no_service`)."""
        if self._reader is None:
            if self._card is not None:
                self._tell(CardRemoved(READER, self._clock()))
            self._reader = ReaderMissing(reason)
            self._tell(self._reader)

    def return_reader(self) -> None:
        """The reader is back, with whatever card is in it."""
        if self._reader is not None:
            self._reader = None
            self._tell(ReaderReady(READER))
            self._tell_card()

    def _replace(self, card: Token | str | None) -> None:
        before, self._card = self._card, card
        if self._reader is None:
            if before is not None:
                self._tell(CardRemoved(READER, self._clock()))
            self._tell_card()

    def _tell_card(self) -> None:
        if self._reader is not None or self._card is None:
            return
        if isinstance(self._card, Token):
            self._tell(CardPresented(self._card, READER, self._clock()))
        else:
            self._tell(CardUnreadable(READER, self._card, self._clock()))

    def _tell(self, event: CardEvent) -> None:
        if self._post is not None:
            self._post(event)
