"""What a session should have been told of the keys, by a second, simple account. No device here.

It knows only what fingers did and when a session was there. A key is down for a session while a
keyboard holds it that has pressed it there; what was held before is nothing to the session.
"""

from collections import Counter, defaultdict

KeyStep = tuple[int, bool]
"""Key, and whether it went down."""


class KeyLedger:
    """Steps that are due in the attached session, key by key."""

    def __init__(self) -> None:
        self.held: dict[str, set[int]] = defaultdict(set)
        self.due: list[KeyStep] = []
        self._listening = False
        self._holders: dict[int, set[str]] = {}

    @property
    def holding(self) -> set[int]:
        """Keys that must be down in the session now."""
        return set(self._holders)

    def press(self, keyboard: str, key: int) -> None:
        """A finger pressed a key that was up on this keyboard."""
        self.held[keyboard].add(key)
        if not self._listening:
            return
        if key not in self._holders:
            self.due.append((key, True))
        self._holders.setdefault(key, set()).add(keyboard)

    def release(self, keyboard: str, key: int) -> None:
        """A finger let a key go."""
        self.held[keyboard].discard(key)
        holders = self._holders.get(key)
        if holders is not None:
            holders.discard(keyboard)
            if not holders:
                del self._holders[key]
                self.due.append((key, False))

    def unplug(self, keyboard: str) -> None:
        """The keyboard is gone with all that it held."""
        for key in list(self.held.pop(keyboard, ())):
            self.release(keyboard, key)
        self.held.pop(keyboard, None)

    def listen(self) -> None:
        """A session gets the keys from now on."""
        self._listening = True

    def deaf(self) -> None:
        """The session, which lives, gets no more keys: what is down is due to come up."""
        self._listening = False
        self.due += [(key, False) for key in self._holders]
        self._holders.clear()

    def lost(self) -> None:
        """The session is gone, with everything that it had down."""
        self._listening = False
        self._holders.clear()


def compare(due: list[KeyStep], told: list[KeyStep]) -> Counter[str]:
    """Counts `dropped` presses, and `leaked` steps that were none of the session's business.

    A second press of a key that is down is a repeat and counts for nothing.
    """
    found: Counter[str] = Counter()
    down: set[int] = set()
    steps: Counter[KeyStep] = Counter()
    for key, pressed in told:
        if pressed == (key in down):
            found["leaked"] += not pressed
            continue
        (down.add if pressed else down.discard)(key)
        steps[key, pressed] += 1
    wanted = Counter(due)
    for step in wanted | steps:
        lacking = wanted[step] - steps[step]
        if lacking > 0 and step[1]:
            found["dropped"] += lacking
        elif lacking < 0 and step[1]:
            found["leaked"] -= lacking
    found["presses"] += sum(count for (_, pressed), count in steps.items() if pressed)
    return +found


def down_after(told: list[KeyStep]) -> set[int]:
    """Keys that a session must think are down."""
    down: set[int] = set()
    for key, pressed in told:
        (down.add if pressed else down.discard)(key)
    return down
