"""Input that a test bench feeds; needs no keyboard. The bench's socket is not here."""

from collections.abc import Callable

from dtu.drivers.input.base import InputEvent


class ScriptedInput:
    """An input driver that posts what `feed` is given, in order, between `start` and `stop`."""

    def __init__(self) -> None:
        self._post: Callable[[InputEvent], None] | None = None

    def start(self, post: Callable[[InputEvent], None]) -> None:
        """Begin to post events."""
        self._post = post

    def stop(self) -> None:
        """Post nothing any more; what is fed from now on is dropped."""
        self._post = None

    def feed(self, event: InputEvent) -> None:
        """A key or a mouse has moved, says the bench."""
        if self._post is not None:
            self._post(event)
