"""An honest person who goes on working while others attack: card in, picture, card out, again."""

import threading
from dataclasses import dataclass, field

from roamtools.demo.desk import Desk

PAUSE_S = 0.3


@dataclass
class HonestWork:
    """Milliseconds from the reader's event to the first whole frame, and what went wrong."""

    inserts_ms: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        """Nearest-rank percentile; infinite without any insert."""
        if not self.inserts_ms:
            return float("inf")
        ordered = sorted(self.inserts_ms)
        return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


class HonestPerson:
    """Works at a desk in a thread from `start` to `stop`."""

    def __init__(self, desk: Desk, card: str) -> None:
        self._desk = desk
        self._card = card
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="honest")
        self.work = HonestWork()

    def start(self) -> None:
        """Go to work."""
        self._thread.start()

    def stop(self) -> HonestWork:
        """Go home; gives what the day was like."""
        self._stop.set()
        self._thread.join()
        return self.work

    def _work(self) -> None:
        while not self._stop.wait(PAUSE_S):
            try:
                self._round()
            except (OSError, RuntimeError) as error:
                self.work.troubles.append(str(error))

    def _round(self) -> None:
        lab, name = self._desk.lab, self._desk.name
        with lab.trace(name) as trace:
            lab.insert(name, "", piv=self._card)
            came = trace.wait("card", 20, kind="CardPresented")
            frame = trace.wait("first_frame", 20)
            self.work.inserts_ms.append((frame["at"] - came["at"]) * 1000)
            lab.remove(name)
            trace.wait("blank", 20)
