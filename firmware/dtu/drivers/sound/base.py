"""What the terminal asks of its sound server. How a server does it is not here."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class SoundError(Exception):
    """The sound server does not answer or refuses, in words for the log."""


@dataclass(frozen=True)
class Volume:
    """Loudness of what the terminal plays, in per cent of full scale; kept while muted."""

    percent: int
    muted: bool = False


class SoundServer(Protocol):
    """The terminal's own sound server: devices, mixing and hotplug are its business."""

    async def connect(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """One more client connection that speaks PulseAudio's native protocol; SoundError."""
        ...

    async def volume(self) -> Volume:
        """How loud it is; SoundError."""
        ...

    async def set_volume(self, percent: int) -> None:
        """Make it so loud, 0 to 100, and let it be heard; SoundError."""
        ...

    async def set_muted(self, muted: bool) -> None:
        """Silence without forgetting the volume; SoundError."""
        ...
