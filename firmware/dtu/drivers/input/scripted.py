"""Input that a test bench feeds; needs no keyboard. The bench's socket is not here."""

from collections.abc import Callable

from dtu.core.input.events import InputEvent, Leds, Plugged, Unplugged
from dtu.core.input.layout import Layout
from dtu.core.input.us_layout import UsLayout


class ScriptedInput:
    """An input driver that posts what `feed` is given, in order, between `start` and `stop`."""

    def __init__(self) -> None:
        self.layout: Layout = UsLayout()
        self.leds = Leds()
        self._post: Callable[[InputEvent], None] | None = None
        self._plugged: dict[str, None] = {}

    def start(self, post: Callable[[InputEvent], None]) -> None:
        """Begin to post events."""
        self._post = post
        for source in self._plugged:
            post(Plugged(source, source))

    def stop(self) -> None:
        """Post nothing any more; what is fed from now on is dropped."""
        self._post = None

    def show_leds(self, leds: Leds) -> None:
        """Kept in `leds`, for the bench to see."""
        self.leds = leds

    def plug(self, source: str) -> None:
        """A device is there, says the bench."""
        self._plugged[source] = None
        self.feed(Plugged(source, source))

    def unplug(self, source: str) -> None:
        """It is gone."""
        self._plugged.pop(source, None)
        self.feed(Unplugged(source))

    def feed(self, event: InputEvent) -> None:
        """A key or a mouse has moved, says the bench."""
        if self._post is not None:
            self._post(event)
