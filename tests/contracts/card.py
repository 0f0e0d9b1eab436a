"""What every card driver promises: one body for the scripted driver and for PC/SC. No tests alone.

A rig does to the reader what a hand does; each test says only what the terminal must be told.
"""

import queue
import time
from typing import Protocol

import pytest

from dtu.core.events import (
    CardEvent,
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.drivers.card.base import CardDriver
from roamwire.tokens import Token

NUMBER, OTHER = "04a1b2c3d4e5f6", "04000000000001"


class Rig(Protocol):
    """A hand at a reader; `patience_s` bounds how long a driver may take to tell."""

    driver: CardDriver
    patience_s: float

    def insert(self, number: str, hurried: bool = False) -> None: ...
    def insert_unreadable(self, reason: str) -> None: ...
    def pull(self) -> None: ...
    def stop_service(self) -> None: ...
    def start_service(self) -> None: ...
    def unplug_reader(self) -> None: ...
    def plug_reader(self) -> None: ...


class Listener:
    """Collects what a driver posts."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._events: queue.Queue[CardEvent] = queue.Queue()
        self.heard: list[CardEvent] = []
        rig.driver.start(self._events.put)

    def wait(self, kind: type, **fields: object) -> CardEvent:
        """The next event of this kind with these fields."""
        deadline = time.monotonic() + self._rig.patience_s
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind.__name__} {fields}; heard {self.heard}") from None
            self.heard.append(event)
            if isinstance(event, kind) and all(
                getattr(event, key) == value for key, value in fields.items()
            ):
                return event

    def settle(self) -> list[CardEvent]:
        """Everything heard about cards, after nothing more has come for a while."""
        kinds = CardPresented | CardRemoved | CardUnreadable
        return [event for event in self.rest() if isinstance(event, kinds)]

    def rest(self) -> list[CardEvent]:
        """Everything heard, after nothing more has come for a while."""
        while True:
            try:
                self.heard.append(self._events.get(timeout=self._rig.patience_s / 4))
            except queue.Empty:
                return self.heard


class CardContract:
    """Subclasses give the fixture `rig`."""

    def test_a_card_in_and_out(self, rig):
        listener = Listener(rig)
        listener.wait(ReaderReady)
        before = time.monotonic()
        rig.insert(NUMBER)
        presented = listener.wait(CardPresented, token=Token("uid", NUMBER))
        assert before <= presented.at <= time.monotonic()
        before = time.monotonic()
        rig.pull()
        removed = listener.wait(CardRemoved, reader=presented.reader)
        assert before <= removed.at <= time.monotonic()

    def test_a_card_that_is_in_at_start(self, rig):
        rig.insert(NUMBER)
        Listener(rig).wait(CardPresented, token=Token("uid", NUMBER))

    def test_one_card_after_another(self, rig):
        listener = Listener(rig)
        rig.insert(NUMBER)
        listener.wait(CardPresented, token=Token("uid", NUMBER))
        rig.pull()
        rig.insert(OTHER)
        listener.wait(CardPresented, token=Token("uid", OTHER))
        kinds = [type(event) for event in listener.settle()]
        assert kinds == [CardPresented, CardRemoved, CardPresented], listener.heard

    @pytest.mark.parametrize("hurried", [False, True])
    def test_a_bouncing_card_that_ends_out_is_out(self, rig, hurried):
        listener = Listener(rig)
        rig.insert(NUMBER)
        listener.wait(CardPresented)
        rig.pull()
        rig.insert(NUMBER, hurried)
        rig.pull()
        assert isinstance(listener.settle()[-1], CardRemoved)

    @pytest.mark.parametrize("hurried", [False, True])
    def test_a_bouncing_card_that_ends_in_is_in(self, rig, hurried):
        listener = Listener(rig)
        for _ in range(3):
            rig.insert(NUMBER, hurried)
            rig.pull()
        rig.insert(NUMBER, hurried)
        listener.wait(CardPresented)
        assert isinstance(listener.settle()[-1], CardPresented)

    def test_a_mute_card(self, rig):
        self._unreadable(rig, "mute")

    def test_a_foreign_card(self, rig):
        self._unreadable(rig, "foreign")

    def _unreadable(self, rig, reason):
        listener = Listener(rig)
        rig.insert_unreadable(reason)
        listener.wait(CardUnreadable, reason=reason)
        rig.pull()
        listener.wait(CardRemoved)
        rig.insert(NUMBER)
        listener.wait(CardPresented, token=Token("uid", NUMBER))

    def test_a_card_pulled_while_it_is_read(self, rig):
        listener = Listener(rig)
        listener.wait(ReaderReady)
        rig.insert_unreadable("pulled")
        listener.wait(CardUnreadable, reason="pulled")
        rig.pull()
        assert isinstance(listener.settle()[-1], CardRemoved)
        rig.insert(NUMBER)
        listener.wait(CardPresented, token=Token("uid", NUMBER))

    def test_the_service_stops_and_starts(self, rig):
        listener = Listener(rig)
        rig.insert(NUMBER)
        listener.wait(CardPresented)
        rig.stop_service()
        listener.wait(CardRemoved)
        listener.wait(ReaderMissing, reason="no_service")
        rig.start_service()
        listener.wait(ReaderReady)
        rig.insert(OTHER)
        listener.wait(CardPresented, token=Token("uid", OTHER))

    def test_no_service_at_start(self, rig):
        rig.stop_service()
        listener = Listener(rig)
        listener.wait(ReaderMissing, reason="no_service")
        rig.start_service()
        listener.wait(ReaderReady)

    def test_no_reader(self, rig):
        rig.unplug_reader()
        listener = Listener(rig)
        listener.wait(ReaderMissing, reason="no_reader")
        rig.plug_reader()
        listener.wait(ReaderReady)
        rig.insert(NUMBER)
        listener.wait(CardPresented)
        rig.unplug_reader()
        listener.wait(CardRemoved)
        listener.wait(ReaderMissing, reason="no_reader")

    def test_nothing_is_told_after_stop(self, rig):
        heard: list[CardEvent] = []
        rig.driver.start(heard.append)
        rig.driver.stop()
        heard.clear()
        rig.insert(NUMBER)
        rig.pull()
        assert heard == []

    def test_it_can_be_started_again(self, rig):
        Listener(rig).wait(ReaderReady)
        rig.driver.stop()
        listener = Listener(rig)
        listener.wait(ReaderReady)
        rig.insert(NUMBER)
        listener.wait(CardPresented)
