"""When the terminal opens channels for a session's sound. Connections and bytes are not here.

The session's sound server asks for connections, and the gateway holds them until a channel is
there. So there is always one channel that waits, until both loudspeaker and microphone have theirs.
"""

from dataclasses import dataclass

from dtu.core import timing

MAX_CHANNELS = 2
"""Loudspeaker and microphone: PulseAudio's tunnels have a connection each."""


@dataclass(frozen=True)
class SoundTarget:
    """Where the sound of the session on the screen is, and the ticket for it."""

    address: str
    port: int
    ticket: str
    session: str
    epoch: int


class SoundChannels:
    """The channels of one terminal, by number. Every `now` is CLOCK_MONOTONIC in seconds."""

    def __init__(self) -> None:
        self.target: SoundTarget | None = None
        self._last = 0
        self._waiting: int | None = None
        self._carrying: dict[int, float] = {}
        self._pause_s = timing.SOUND_RETRY_S
        self._open_at: float | None = None

    def begin(self, target: SoundTarget, now: float) -> None:
        """A session with sound is on the screen; whatever was before is over."""
        self.end()
        if target.ticket:
            self.target = target
            self._open_at = now

    def end(self) -> None:
        """The session is not on the screen any more."""
        self.target = None
        self._waiting = None
        self._carrying.clear()
        self._pause_s = timing.SOUND_RETRY_S
        self._open_at = None

    def due(self, now: float) -> int | None:
        """The number of a channel that is to be opened now."""
        if self._open_at is None or now < self._open_at:
            return None
        self._open_at = None
        self._last += 1
        self._waiting = self._last
        return self._last

    def next_deadline(self) -> float | None:
        """When `due` has something to say."""
        return self._open_at

    def carries(self, number: int, now: float) -> None:
        """The session has taken the channel: another one waits in its place."""
        if number != self._waiting:
            return
        self._waiting = None
        self._carrying[number] = now
        if len(self._carrying) < MAX_CHANNELS:
            self._open_at = now

    def lost(self, number: int, now: float) -> None:
        """A channel is gone: the next try comes soon after one that was good, else later."""
        since = self._carrying.pop(number, None)
        if number == self._waiting:
            self._waiting = None
        elif since is None:
            return
        if since is not None and now - since >= timing.SOUND_STEADY_S:
            self._pause_s = timing.SOUND_RETRY_S
        if self._waiting is None:
            again = now + self._pause_s
            self._open_at = again if self._open_at is None else max(again, self._open_at)
            self._pause_s = min(2 * self._pause_s, timing.MAX_SOUND_RETRY_S)
