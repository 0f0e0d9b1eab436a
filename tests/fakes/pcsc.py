"""A PC/SC service in memory for dtu.drivers.card.watch: readers, cards and faults by hand."""

from collections.abc import Callable, Mapping

from dtu.drivers.card.service import Fault, PcscError, ReaderState


class FakeCard:
    """Answers APDUs by a function, and may fail at the n-th."""

    def __init__(self, answer: Callable[[bytes], bytes], fails: Fault | None = None) -> None:
        self._answer = answer
        self._fails = fails
        self.closed = 0
        self.begun = self.ended = 0
        self.resets = 0

    def transmit(self, apdu: bytes) -> bytes:
        if self._fails is not None:
            raise PcscError(self._fails)
        return self._answer(bytes(apdu))

    def begin(self) -> None:
        self.begun += 1

    def end(self) -> None:
        self.ended += 1

    def close(self, reset: bool = False) -> None:
        self.closed += 1
        self.resets += reset


class FakePcsc:
    """One service; a test changes it between two steps of the watch."""

    def __init__(self) -> None:
        self.running = True
        self.states: dict[str, ReaderState] = {}
        self.cards: dict[str, FakeCard] = {}
        self.open_fault: Fault | None = None
        self.established = 0
        self.waits: list[dict[str, ReaderState]] = []

    def add_reader(self, name: str) -> None:
        self.states[name] = ReaderState()

    def insert(self, name: str, card: FakeCard, mute: bool = False) -> None:
        self.cards[name] = card
        self._turn(name, present=True, mute=mute)

    def pull(self, name: str) -> None:
        self._turn(name, present=False)

    def _turn(self, name: str, present: bool, mute: bool = False) -> None:
        counter = self.states[name].counter + 1
        self.states[name] = ReaderState(present, mute, False, counter, counter)

    # The Pcsc of the watch

    def establish(self) -> None:
        self._check()
        self.established += 1

    def release(self) -> None:
        self._check()

    def readers(self) -> list[str]:
        self._check()
        if not self.states:
            raise PcscError(Fault.NO_READER)
        return list(self.states)

    def wait(self, known: Mapping[str, ReaderState], timeout_ms: int) -> dict[str, ReaderState]:
        self._check()
        assert 0 < timeout_ms <= 1000
        self.waits.append(dict(known))
        return {name: self.states.get(name, ReaderState(gone=True)) for name in known}

    def open_card(self, reader: str) -> FakeCard:
        self._check()
        if self.open_fault is not None:
            raise PcscError(self.open_fault)
        return self.cards[reader]

    def _check(self) -> None:
        if not self.running:
            raise PcscError(Fault.NO_SERVICE)
