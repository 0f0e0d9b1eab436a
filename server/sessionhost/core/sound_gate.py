"""Who may carry which session's sound: tickets that live as long as a display. No bytes here."""

import hashlib
from dataclasses import dataclass

from sessionhost.core.gateway import Refused

MAX_CHANNELS = 4
"""Of one display: loudspeaker, microphone, one that waits for the next, one that is just ending."""


@dataclass(frozen=True)
class SoundAdmitted:
    """One more channel for the sound of what `connection` shows."""

    connection: int


@dataclass
class _Shown:
    key: bytes
    dtu: str
    channels: int = 0


class SoundGate:
    """The sound tickets of the open displays of one gateway.

    hostd grants displays; sound goes with the display and nowhere else, so a revoked epoch ends it
    too. A ticket is good for its own DTU again and again while the display is open: a terminal's
    sound server may be restarted without the picture being lost.
    """

    def __init__(self) -> None:
        self._shown: dict[int, _Shown] = {}
        self._tickets: dict[bytes, int] = {}

    def opened(self, connection: int, ticket: str, dtu: str) -> None:
        """A display is open; `ticket` is for its sound."""
        key = _key(ticket)
        self._shown[connection] = _Shown(key, dtu)
        self._tickets[key] = connection

    def attach(self, ticket: str, dtu: str) -> SoundAdmitted | Refused:
        """A DTU asks for a channel; refused for: ticket, dtu, full."""
        connection = self._tickets.get(_key(ticket))
        if connection is None:
            return Refused("ticket")
        shown = self._shown[connection]
        if dtu != shown.dtu:
            return Refused("dtu")
        if shown.channels >= MAX_CHANNELS:
            return Refused("full")
        shown.channels += 1
        return SoundAdmitted(connection)

    def left(self, connection: int) -> None:
        """A channel of this display is gone."""
        if connection in self._shown:
            self._shown[connection].channels -= 1

    def closed(self, connection: int) -> None:
        """The display is closed: its ticket is good for nothing."""
        shown = self._shown.pop(connection, None)
        if shown is not None:
            del self._tickets[shown.key]


def _key(ticket: str) -> bytes:
    # Looked up by hash, so that the time of the look-up says nothing about stored tickets.
    return hashlib.sha256(ticket.encode()).digest()
