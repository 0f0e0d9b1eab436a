"""Which cards are in, known to the thread that watches readers and to the one that asks cards."""

from collections.abc import Callable
from dataclasses import dataclass

from dtu.core.piv.results import PivCard
from dtu.drivers.card.service import ReaderState


@dataclass(frozen=True)
class Held:
    """A card that is in: where, since which state of the reader, and what it said it is."""

    reader: str
    state: ReaderState
    piv: PivCard | None


class Insertions:
    """The cards that are in, by the number of their insertion; shared by both threads."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        self._last = 0
        self.on_end: Callable[[], None] = lambda: None

    def begin(self, held: Held) -> int:
        """A card is in; a number that no other insertion had."""
        self._last += 1
        self._held[self._last] = held
        return self._last

    def end(self, reader: str) -> None:
        """The card is out of this reader."""
        for number in [n for n, held in list(self._held.items()) if held.reader == reader]:
            del self._held[number]
        self.on_end()

    def end_all(self) -> None:
        """Nobody watches the readers any more."""
        self._held.clear()
        self.on_end()

    def find(self, insertion: int) -> Held | None:
        """The card, while it is in."""
        return self._held.get(insertion)
