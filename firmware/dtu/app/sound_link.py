"""The terminal's sound channels: TLS to the gateway at one end, its own sound server at the other.

When a channel is opened is `dtu.core.sound`'s to say, what may pass `dtu.core.sound_guard`'s.
"""

import asyncio
import logging
import ssl
import time
from pathlib import Path

from dtu.app.tls import server_name
from dtu.core.sound import SoundChannels, SoundTarget
from dtu.core.sound_guard import SoundGuard
from dtu.core.timing import SOUND_CONNECT_S
from dtu.drivers.sound.base import SoundError, SoundServer
from dtu.drivers.sound.pulse import PulseServer
from dtu.drivers.sound.scripted import ScriptedServer
from roamwire.control import Attach, Attached, Kind, Notice, encode_line, parse_line
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LINE_BYTES

BUFFER_HIGH_BYTES = 64 * 1024
"""A third of a second of CD quality: more would only be old sound."""

_LOG = logging.getLogger(__name__)


class SoundLink:
    """The sound of at most one session. All methods return at once."""

    def __init__(self, tls: ssl.SSLContext, server: SoundServer) -> None:
        self.tls = tls
        self.server = server
        self._plan = SoundChannels()
        self._open: dict[int, _Channel] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told = ""

    @property
    def channels(self) -> int:
        """How many channels carry sound now."""
        return sum(channel.carries for channel in self._open.values())

    def open(self, target: SoundTarget) -> None:
        """The session of this target is on the screen: let it be heard, and let it hear."""
        self.close()
        self._told = ""
        self._plan.begin(target, time.monotonic())
        self._carry_on()

    def close(self) -> None:
        """Nothing is heard from now on in either direction."""
        self._plan.end()
        for number in list(self._open):
            self._open.pop(number).drop()
        self._carry_on()

    def taken(self, number: int) -> None:
        """The session has taken a channel."""
        self._told = ""
        self._plan.carries(number, time.monotonic())
        self._carry_on()

    def lost(self, number: int, reason: str) -> None:
        """A channel is gone, and not by us."""
        if self._open.pop(number, None) is None:
            return
        if reason != self._told:  # a server that stays away is told once
            _LOG.info("sound channel: %s", reason)
            self._told = reason
        self._plan.lost(number, time.monotonic())
        self._carry_on()

    def _carry_on(self) -> None:
        now = time.monotonic()
        if (number := self._plan.due(now)) is not None and self._plan.target is not None:
            self._open[number] = _Channel(self, number, self._plan.target)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._plan.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - now)
            self._timer = asyncio.get_running_loop().call_later(delay, self._carry_on)


def open_sound(kind: str, socket: Path, tls: ssl.SSLContext) -> SoundLink | None:
    """The terminal's sound by its settings; None for a terminal without."""
    if kind == "none":
        return None
    return SoundLink(tls, PulseServer(socket) if kind == "pulse" else ScriptedServer())


class _End(asyncio.Protocol):
    """The end at the terminal's sound server."""

    def __init__(self, channel: "_Channel") -> None:
        self._channel = channel
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_HIGH_BYTES)
        self._channel.server_answers(self)

    def data_received(self, data: bytes) -> None:
        self._channel.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._channel.fail("the terminal's sound server closed it")

    def pause_writing(self) -> None:
        self._channel.read(False)

    def resume_writing(self) -> None:
        self._channel.read(True)


class _Channel(asyncio.Protocol):
    """One channel, from TLS connection to its end; once dropped it does nothing any more."""

    def __init__(self, link: SoundLink, number: int, target: SoundTarget) -> None:
        self._link = link
        self._number = number
        self._target = target
        self._guard = SoundGuard()
        self._head: bytes | None = b""
        self._dropped = False
        self._transport: asyncio.Transport | None = None
        self._end: _End | None = None
        self._task = asyncio.get_running_loop().create_task(self._connect())

    @property
    def carries(self) -> bool:
        return self._end is not None and not self._dropped

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(SOUND_CONNECT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: self,
                    self._target.address,
                    self._target.port,
                    ssl=self._link.tls,
                    server_hostname=self._target.address,
                    ssl_handshake_timeout=SOUND_CONNECT_S,
                    ssl_shutdown_timeout=SOUND_CONNECT_S,
                )
        except TimeoutError:
            self.fail("connect: no answer")
        except OSError as error:  # ssl's errors are of this kind
            self.fail(f"connect: {error.strerror or error}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._dropped:
            transport.abort()
            return
        transport.set_write_buffer_limits(high=BUFFER_HIGH_BYTES)
        try:
            server_name(transport)
        except RemoteProtocolError as error:
            self.fail(str(error))
            return
        transport.write(encode_line(Attach(self._target.ticket, Kind.SOUND)))

    def data_received(self, data: bytes) -> None:
        if self._dropped:
            return
        try:
            if self._head is not None:
                self._greeted(data)
            elif self._end is not None and self._end.transport is not None:
                self._end.transport.write(self._guard.receive(data))
        except RemoteProtocolError as error:
            _LOG.warning("session %s: %s", self._target.session, error)
            self.fail(f"protocol: {error.reason}")

    def _greeted(self, data: bytes) -> None:
        """The gateway's line: it comes when the session's sound server does."""
        assert self._head is not None
        self._head += data
        line, end, rest = self._head.partition(b"\n")
        if len(line) > MAX_LINE_BYTES:
            raise RemoteProtocolError("oversize", "the gateway's answer")
        if not end:
            return
        message = parse_line(line)
        if isinstance(message, Notice):
            self.fail(message.text)
            return
        if message != Attached(self._target.session, self._target.epoch):
            raise RemoteProtocolError("attached", f"sound of another session: {line!r:.80}")
        self._head = None
        self.read(False)
        self._task = asyncio.get_running_loop().create_task(self._meet(rest))

    async def _meet(self, rest: bytes) -> None:
        try:
            await self._link.server.connect(lambda: _End(self))
        except SoundError as error:
            self.fail(str(error))
            return
        if self._dropped:
            return
        self._link.taken(self._number)
        self.data_received(rest)
        self.read(True)

    def server_answers(self, end: _End) -> None:
        """The connection to the sound server stands."""
        self._end = end
        if self._dropped and end.transport is not None:
            end.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"closed: {exc}" if exc else "closed")

    def pause_writing(self) -> None:
        if self._end is not None and self._end.transport is not None:
            self._end.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._end is not None and self._end.transport is not None:
            self._end.transport.resume_reading()

    def send(self, data: bytes) -> None:
        """Sound and answers of the terminal's sound server, for the session."""
        if self._transport is not None and not self._dropped:
            self._transport.write(data)

    def read(self, on: bool) -> None:
        """Take bytes of the session, or let them wait."""
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def fail(self, reason: str) -> None:
        """It broke: both ends are closed, and the link is told."""
        if not self._dropped:
            self.drop()
            self._link.lost(self._number, reason)

    def drop(self) -> None:
        """Stop at once, at both ends, and say nothing any more."""
        self._dropped = True
        self._task.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._end is not None and self._end.transport is not None:
            self._end.transport.abort()
