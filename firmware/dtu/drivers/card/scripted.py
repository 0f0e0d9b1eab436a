"""A card driver without a reader, for tests and benches; refused in images, never a real card."""

import time
from collections.abc import Callable
from typing import Protocol

from dtu.core.events import (
    CardAnswered,
    CardEvent,
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.core.piv.client import perform
from dtu.core.piv.results import CardRequest, CardResult, NoPiv, NotDone
from dtu.drivers.card.base import Post
from dtu.drivers.card.insertions import Held, Insertions
from dtu.drivers.card.reading import CardReading, Reading, run
from dtu.drivers.card.requests import not_done
from dtu.drivers.card.service import PcscError, ReaderState
from roamwire.tokens import Token

READER = "scripted 00"


class AnsweringCard(Protocol):
    """A card that is asked by APDUs; `answer` raises PcscError for what happens at the reader."""

    def answer(self, raw: bytes) -> bytes: ...

    def reset(self) -> None: ...


class ScriptedCardDriver:
    """Does what a test tells it, and keeps the promises of a real reader about order and state."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._post: Post | None = None
        self._reader: ReaderMissing | None = None
        self._card: Reading | str | None = None  # who it is, or why it is nobody
        self._answering: AnsweringCard | None = None
        self._insertions = Insertions()

    def start(self, post: Post) -> None:
        self._post = post
        self._tell(self._reader or ReaderReady(READER))
        self._tell_card()

    def stop(self) -> None:
        self._post = None
        self._insertions.end_all()
        if self._answering is not None:
            self._answering.reset()

    def insert(self, token: Token) -> None:
        """Put a readable card in, taking out the one that is there."""
        self._replace(Reading(token))

    def insert_card(self, card: AnsweringCard) -> None:
        """Put a card in that is read and asked as a real one."""
        card.reset()
        self._replace(self._read(card), card)

    def _read(self, card: AnsweringCard) -> Reading | str:
        try:
            read = CardReading().read
            return read(lambda apdu: card.answer(bytes(apdu)), lambda: None) or "foreign"
        except PcscError as error:
            return "pulled" if not_done(error).reason == "gone" else "mute"

    def ask(self, request: CardRequest) -> None:
        """Answered before this returns."""
        result = self._result(request)
        request.wipe()
        if self._post is not None:
            self._post(
                CardAnswered(request.number, request.insertion, result, READER, self._clock())
            )

    def _result(self, request: CardRequest) -> CardResult:
        held, card = self._insertions.find(request.insertion), self._answering
        if held is None:
            return NotDone("gone")
        if held.piv is None or card is None:
            return NoPiv()
        try:
            return run(perform(request, held.piv), lambda apdu: card.answer(bytes(apdu)))
        except PcscError as error:
            return not_done(error)

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
                self._removed()
            self._reader = ReaderMissing(reason)
            self._tell(self._reader)

    def return_reader(self) -> None:
        """The reader is back, with whatever card is in it."""
        if self._reader is not None:
            self._reader = None
            self._tell(ReaderReady(READER))
            self._tell_card()

    def _replace(self, card: Reading | str | None, answering: AnsweringCard | None = None) -> None:
        before, self._card, self._answering = self._card, card, answering
        if self._reader is None:
            if before is not None:
                self._removed()
            self._tell_card()

    def _removed(self) -> None:
        self._insertions.end(READER)
        self._tell(CardRemoved(READER, self._clock()))

    def _tell_card(self) -> None:
        if self._reader is not None or self._card is None:
            return
        if isinstance(self._card, Reading):
            card = self._card
            number = self._insertions.begin(Held(READER, ReaderState(), card.piv))
            self._tell(
                CardPresented(
                    card.token, READER, self._clock(), card.uid, card.piv, insertion=number
                )
            )
        else:
            self._tell(CardUnreadable(READER, self._card, self._clock()))

    def _tell(self, event: CardEvent) -> None:
        if self._post is not None:
            self._post(event)
