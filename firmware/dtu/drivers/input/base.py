"""What drivers of keyboards and mice must do. No driver is here; their events are in the core."""

from collections.abc import Callable
from typing import Protocol

from dtu.core.input.events import InputEvent, Key, Leds, Pointer
from dtu.core.input.layout import Layout

__all__ = ["InputDriver", "InputEvent", "Key", "Leds", "Pointer"]


class InputDriver(Protocol):
    """A source of input besides the screen's own window; posts on the event loop's thread."""

    @property
    def layout(self) -> Layout:
        """What those of its keys write of which it tells only the code."""

    def start(self, post: Callable[[InputEvent], None]) -> None:
        """Begin to post events: at first of each device that is there that it is `Plugged`."""

    def stop(self) -> None:
        """Let all devices go and post nothing any more."""

    def show_leds(self, leds: Leds) -> None:
        """Set the lamps of all keyboards."""
