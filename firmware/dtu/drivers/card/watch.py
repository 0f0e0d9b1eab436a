"""Turns what PC/SC reports into card events; threads and the PC/SC library itself are not here."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from dtu.core.events import (
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.drivers.card.base import Post
from dtu.drivers.card.insertions import Held, Insertions
from dtu.drivers.card.reading import STORAGE_CARD, CardReading, Reading
from dtu.drivers.card.service import Fault, Pcsc, PcscError, ReaderState

MAX_READERS = 8  # a desk has one; PC/SC's own limit is 16
WAIT_MS = 1_000  # finite, so that a lost wake-up costs a second and not the card
RETRY_MS = 300  # while the service or every reader is missing
MAX_READS = 6  # of one card: a contact that bounces, or a program that holds it, has had its time
MAX_PIV_READS = 3  # without an answer to SELECT: some readers fail when a memory card is sent one
READ_S = 8.0  # for all of it; a card with slow contacts and a long certificate takes 2 s

# Runs something else if the time that it is given is up before it is left.
Limit = Callable[[float, Callable[[], None]], AbstractContextManager[None]]


# The word for the person at the desk; what nobody expected is a card that does not answer.
_REASONS = {
    Fault.MUTE: "mute",
    Fault.PULLED: "pulled",
    Fault.BUSY: "busy",
    Fault.RESET: "busy",
    Fault.FOREIGN: "foreign",
    Fault.SILENT: "mute",
    Fault.OTHER: "mute",
}


@dataclass
class _Slot:
    """One reader as last reported to the terminal."""

    state: ReaderState = field(default_factory=ReaderState)
    told: str | None = None  # nothing, "card", or why the card is unreadable
    reads: int = 0
    read_again: bool = False
    reading: CardReading = field(default_factory=CardReading)


class CardWatch:
    """One `step` waits for one change and posts what follows from it."""

    def __init__(
        self,
        pcsc: Pcsc,
        post: Post,
        clock: Callable[[], float],
        insertions: Insertions | None = None,
        limit: Limit = lambda _seconds, _late: nullcontext(),
        blank_by_number: bool = False,
    ) -> None:
        self._pcsc = pcsc
        self._post = post
        self._clock = clock
        self._insertions = insertions or Insertions()
        self._limit = limit
        self._blank_by_number = blank_by_number
        self._slots: dict[str, _Slot] = {}
        self._connected = False
        self._told_missing: str | None = None

    def step(self) -> int:
        """Wait for a change and report it; returns milliseconds to pause before the next step."""
        try:
            if not self._connected:
                self._pcsc.establish()
                self._connected = True
            return self._watch()
        except PcscError as error:
            # Whatever it was, the context may be dead: pcscd could have been stopped or replaced.
            self._lose_service(error.fault)
            return RETRY_MS

    def close(self) -> None:
        """Let go of PC/SC; reports nothing."""
        if self._connected:
            self._connected = False
            try:
                self._pcsc.release()
            except PcscError:
                pass  # the service is gone, and its side of the context with it

    def _watch(self) -> int:
        names = self._list_readers()
        self._forget_readers(names)
        if not names:
            self._tell_missing(Fault.NO_READER.value)
            self._pcsc.wait({}, WAIT_MS)
            return 0 if self._list_readers() else RETRY_MS
        for name in names:
            if name not in self._slots:
                self._slots[name] = _Slot()
                self._told_missing = None
                self._post(ReaderReady(name))
        again = any(slot.read_again for slot in self._slots.values())
        known = {name: slot.state for name, slot in self._slots.items()}
        states = self._pcsc.wait(known, RETRY_MS if again else WAIT_MS)
        now = self._clock()
        for name, state in states.items():
            if not state.gone:
                self._change(name, self._slots[name], state, now)
        # PC/SC may still list for a moment a reader that it already calls gone.
        return RETRY_MS if any(state.gone for state in states.values()) else 0

    def _list_readers(self) -> list[str]:
        try:
            return self._pcsc.readers()[:MAX_READERS]
        except PcscError as error:
            if error.fault is Fault.NO_READER:
                return []
            raise

    def _change(self, name: str, slot: _Slot, state: ReaderState, now: float) -> None:
        """Report the way from the last state to this one; the last state always wins.

        A card that was out and in again between two looks shows only as a grown counter. It is
        reported as removed and presented, for it may be another card.
        """
        before, slot.state = slot.state, state
        if state.counter != before.counter or state.present != before.present:
            self._removed(name, slot, now)
            slot.reads, slot.read_again = 0, state.present
            slot.reading = CardReading(self._blank_by_number)
        if slot.read_again:
            self._read(name, slot, now)

    def _read(self, name: str, slot: _Slot, now: float) -> None:
        """Read who the card is and report it, or why it is nobody."""
        slot.reads += 1
        slot.read_again = False
        if slot.state.mute:
            self._unreadable(name, slot, Fault.MUTE, now)
            return
        try:
            reading = self._reading(name, slot, now)
        except PcscError as error:
            if error.fault in (Fault.NO_SERVICE, Fault.NO_READER):
                raise
            # A card that seems pulled may have been pushed in again so fast that the reader
            # never saw it out: as long as PC/SC calls it present, it is worth another look.
            slot.read_again = (
                error.fault not in (Fault.MUTE, Fault.SILENT) and slot.reads < MAX_READS
            )
            if not (slot.read_again and error.fault in (Fault.BUSY, Fault.RESET)):
                self._unreadable(name, slot, error.fault, now)
            return
        if reading is None:
            self._unreadable(name, slot, Fault.FOREIGN, now)
            return
        slot.told = "card"
        insertion = self._insertions.begin(Held(name, slot.state, reading.piv))
        presented = CardPresented(
            reading.token, name, now, reading.uid, reading.piv, insertion=insertion
        )
        self._post(presented)

    def _reading(self, name: str, slot: _Slot, now: float) -> Reading | None:
        late = False

        def is_late() -> None:
            nonlocal late
            late = True
            self._unreadable(name, slot, Fault.SILENT, now)

        def transmit(apdu: bytes | bytearray) -> bytes:
            if late:
                raise PcscError(Fault.SILENT)
            return card.transmit(apdu)

        with_piv = STORAGE_CARD not in slot.state.atr and slot.reads <= MAX_PIV_READS
        with self._limit(READ_S, is_late):
            card = self._pcsc.open_card(name)
            try:
                return slot.reading.read(transmit, card.begin, with_piv)
            finally:
                card.close()

    def _unreadable(self, name: str, slot: _Slot, fault: Fault, now: float) -> None:
        reason = _REASONS[fault]
        if slot.told != reason:
            slot.told = reason
            self._post(CardUnreadable(name, reason, now))

    def _forget_readers(self, names: list[str]) -> None:
        for name in [name for name in self._slots if name not in names]:
            self._removed(name, self._slots.pop(name), self._clock(), seen=False)

    def _removed(self, name: str, slot: _Slot, now: float, *, seen: bool = True) -> None:
        """First no request finds the card any more, then the terminal is told."""
        self._insertions.end(name)
        if slot.told is not None:
            slot.told = None
            self._post(CardRemoved(name, now, seen))

    def _lose_service(self, fault: Fault) -> None:
        """Without PC/SC nobody knows whether the card is still in, so it counts as out."""
        self.close()
        self._forget_readers([])
        missing = Fault.NO_READER if fault is Fault.NO_READER else Fault.NO_SERVICE
        self._tell_missing(missing.value)

    def _tell_missing(self, reason: str) -> None:
        if self._told_missing != reason:
            self._told_missing = reason
            self._post(ReaderMissing(reason))
