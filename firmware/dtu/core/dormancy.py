"""When the monitors sleep: nobody is here and the same words have stood long enough. No clock."""


class Dormancy:
    """Every `now` is CLOCK_MONOTONIC in seconds; `off_after_s` 0 is never.

    A session's picture is never darkened: its own desktop decides that. `lit` says whether the
    monitors are to be on.
    """

    def __init__(self, off_after_s: float, now: float) -> None:
        self.lit = True
        self._off_after_s = off_after_s
        self._code: int | None = None
        self._deadline: float | None = None
        self.stirred(now)

    def stirred(self, now: float) -> None:
        """A key, a mouse, a card or a monitor: somebody is here."""
        self.lit = True
        in_words = self._off_after_s and self._code is not None
        self._deadline = now + self._off_after_s if in_words else None

    def message(self, code: int, now: float) -> None:
        """Words are shown; only others than before wake anybody, for one that is retried is not."""
        if code != self._code:
            self._code = code
            self.stirred(now)

    def session_shown(self, now: float) -> None:
        """A session's picture is on the screen."""
        self._code = None
        self.stirred(now)

    def next_deadline(self) -> float | None:
        """When `handle_deadline` must be called; None is never."""
        return self._deadline

    def handle_deadline(self, now: float) -> None:
        """Time has passed."""
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.lit = False
