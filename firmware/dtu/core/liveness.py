"""Whether a session's picture stands still or its server does: when to ask, when it is lost.

A display connection that hangs is as silent as a desktop on which nothing moves. Sends nothing by
itself.
"""

import enum

from dtu.core import timing


class Verdict(enum.Enum):
    """What a look at the connection says."""

    WELL = "well"
    ASK = "ask"
    LOST = "lost"


class Liveness:
    """One display connection from its first frame on. Seconds of the caller's monotonic clock."""

    def __init__(self, now: float) -> None:
        self.deadline = now + timing.PICTURE_SILENT_S
        self._heard = now
        self._asked: float | None = None

    def heard(self, now: float) -> None:
        """Any byte is a sign of life; called at each read, so no deadline moves."""
        self._heard = now

    def look(self, now: float) -> Verdict:
        """At the deadline: `ASK` says that the session is to be asked for a pixel."""
        if now - self.deadline > timing.STALL_S:
            self._heard = now  # our own loop stood: answers may be waiting unread
        asked, self._asked = self._asked, None
        self.deadline = now + timing.PICTURE_SILENT_S
        if now < self._heard + timing.PICTURE_SILENT_S:
            return Verdict.WELL
        if asked is not None and self._heard < asked:
            return Verdict.LOST
        self._asked = now
        self.deadline = now + timing.PICTURE_ANSWER_S
        return Verdict.ASK
