"""Replay window over (host, boot, seq). Which boot is the present one is not decided here."""

from dataclasses import dataclass

from roamwire.limits import MAX_BOOTS_PER_HOST, MAX_HOSTS, REPLAY_WINDOW


@dataclass
class _Window:
    highest: int
    seen: int = 1  # bit n: the number highest - n has been here

    def accept(self, seq: int) -> bool:
        if seq > self.highest:
            shift = seq - self.highest
            self.seen = 1 if shift >= REPLAY_WINDOW else (self.seen << shift) | 1
            self.seen &= (1 << REPLAY_WINDOW) - 1
            self.highest = seq
            return True
        back = self.highest - seq
        if back >= REPLAY_WINDOW or self.seen >> back & 1:
            return False
        self.seen |= 1 << back
        return True


class ReplayGuard:
    """Accepts each (host, boot, seq) of a trusted sender at most once."""

    def __init__(self) -> None:
        self._windows: dict[str, dict[str, _Window]] = {}
        self._retired: dict[str, list[str]] = {}

    def accept(self, host: str, boot: str, seq: int) -> bool:
        """Whether this number is new; False for a replay, a retired boot or one host too many."""
        boots = self._windows.get(host)
        if boots is None:
            if len(self._windows) >= MAX_HOSTS:
                return False
            boots = self._windows[host] = {}
        window = boots.get(boot)
        if window is not None:
            return window.accept(seq)
        if boot in self._retired.get(host, ()):
            return False
        if len(boots) >= MAX_BOOTS_PER_HOST:
            # The first is the present boot (`settle` puts it there): the oldest candidate goes.
            del boots[next(iter([*boots][1:]))]
        boots[boot] = _Window(seq)
        return True

    def settle(self, host: str, boot: str) -> None:
        """This boot has proven to be the present one: every other is never accepted again."""
        boots = self._windows.get(host, {})
        retired = self._retired.setdefault(host, [])
        retired.extend(other for other in boots if other != boot)
        del retired[: -2 * MAX_BOOTS_PER_HOST]
        self._windows[host] = {boot: boots.get(boot) or _Window(0)}
