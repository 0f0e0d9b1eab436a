"""What a terminal wants done, in its order, and the lines to its server. Carries nothing out."""

from collections import deque

from dtu.core.actions import Action, Report, SendLine
from roamwire.control import Line, encode_line


class Outbox:
    """Actions not fetched yet; lines are for the connection of the present `attempt`."""

    def __init__(self) -> None:
        self.attempt = 0
        self._actions: deque[Action] = deque()

    def put(self, action: Action) -> None:
        """This is to be done, after what was there before."""
        self._actions.append(action)

    def send(self, line: Line) -> None:
        """Say this to the server."""
        self.put(SendLine(self.attempt, encode_line(line)))

    def report(self, text: str) -> None:
        """Write this into the log."""
        self.put(Report(text))

    def take(self) -> Action | None:
        """The oldest action, or None."""
        return self._actions.popleft() if self._actions else None
