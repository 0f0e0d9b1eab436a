"""Keepalives to the server, and when silence means that it is lost. Sends nothing by itself."""

from dtu.core import timing


class Heartbeat:
    """Times of one connection; patent steps 903-906. Seconds of the caller's monotonic clock."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.latency_s: float | None = None
        self._keepalive_s = timing.KEEPALIVE_S
        self._lost_s = timing.LOST_S
        self._heard = 0.0
        self._sent = 0
        self._sent_at = 0.0

    def start(self, keepalive_ms: int, lost_ms: int, now: float) -> None:
        """The server said welcome and how often it wants to hear from us; both are bounded."""
        keepalive_s = max(keepalive_ms / 1000, timing.MIN_KEEPALIVE_S)
        self._keepalive_s = min(keepalive_s, timing.MAX_LOST_S / 2)
        self._lost_s = min(max(lost_ms / 1000, 2 * self._keepalive_s), timing.MAX_LOST_S)
        self._heard = now
        self.deadline = now + self._keepalive_s

    def stop(self) -> None:
        """The connection is gone."""
        self.deadline = self.latency_s = None

    def heard(self, now: float) -> None:
        """Any line of the server is a sign of life."""
        self._heard = now

    def beat(self, now: float) -> int | None:
        """At the deadline: the number of the keepalive to send, or None if the server is lost."""
        if self.deadline is not None and now - self.deadline > timing.STALL_S:
            # We were late ourselves: answers may be waiting unread.
            self._heard = max(self._heard, now - self._lost_s + self._keepalive_s)
        # The very sum that the deadline is: a difference may round to just below it, for ever.
        if now >= self._heard + self._lost_s:
            return None
        self.deadline = min(now + self._keepalive_s, self._heard + self._lost_s)
        self._sent += 1
        self._sent_at = now
        return self._sent

    def answered(self, number: int, now: float) -> None:
        """The server has answered that keepalive; only the last one sent tells the latency."""
        if number == self._sent:
            self.latency_s = now - self._sent_at

    @property
    def lost_s(self) -> float:
        """Silence that means loss, in seconds."""
        return self._lost_s
