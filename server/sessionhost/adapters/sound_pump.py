"""Sound of sessions: where a session's sound server meets its DTU. Who may is the gate's to say.

A session's sound server connects to a socket in the session's folder as a client, and is held there
until a DTU that shows the session has a channel for it. From then on bytes go both ways without
being looked at. Nobody waits for sound: it has connections of its own, and small buffers.
"""

import asyncio
import logging
import os
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path

from roamwire.control import Attached, encode_line
from sessionhost.adapters.display_pump import Pipe
from sessionhost.adapters.order_socket import SocketInUseError, listen_unix, peer_uid
from sessionhost.core.gateway import Admitted, Refused
from sessionhost.core.sound_gate import MAX_CHANNELS, SoundGate

BUFFER_HIGH_BYTES = 64 * 1024
"""A third of a second of CD quality: more would only be old sound."""

MAX_HELD = MAX_CHANNELS
MAX_GREETING_BYTES = 4096
"""What a client says before the server answers: its version and a cookie of 256 bytes."""

log = logging.getLogger(__name__)


class SessionSide(Pipe):
    """A connection of a session's sound server."""

    def __init__(self, meeting: "Meeting") -> None:
        super().__init__()
        self._meeting = meeting
        self.greeting = b""
        self.channel: DeskSide | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.set_write_buffer_limits(high=BUFFER_HIGH_BYTES)
        self._meeting.arrived(self, peer_uid(transport.get_extra_info("socket")))

    def data_received(self, data: bytes) -> None:
        if self.channel is not None:
            super().data_received(data)
            return
        # Read and not left to the kernel: the end of a client that gave up would not be seen.
        self.greeting += data
        if len(self.greeting) > MAX_GREETING_BYTES:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._meeting.gave_up(self)
        if self.channel is not None:
            self.channel.end()


class DeskSide(Pipe):
    """A channel of a DTU, whose TLS and ticket are in order."""

    def __init__(
        self, meeting: "Meeting", transport: asyncio.Transport, on_end: Callable[["DeskSide"], None]
    ) -> None:
        super().__init__()
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_HIGH_BYTES)
        self._meeting = meeting
        self._on_end = on_end
        self._session_side: SessionSide | None = None
        self._over = False

    def begin(self, session_side: SessionSide, attached: Attached) -> None:
        """Somebody of the session is here: from now on bytes go through."""
        assert self.transport is not None
        self._session_side = session_side
        session_side.channel = self
        self.transport.write(encode_line(attached) + session_side.greeting)
        self.join(session_side)
        session_side.join(self)

    def data_received(self, data: bytes) -> None:
        if self._session_side is None:
            self.end()  # it was to wait for `attached`
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end()

    def end(self) -> None:
        """Closes both ends at once; what is in the buffers is not heard any more."""
        if self._over:
            return
        self._over = True
        self.abort()
        if self._session_side is not None:
            self._session_side.abort()
        self._meeting.left(self)
        self._on_end(self)


class Meeting:
    """The place of one session: who waits there from either side."""

    def __init__(self, session: str, directory: Path) -> None:
        self._session = session
        self._socket = directory / "sound" / "socket"
        self._uid = os.stat(directory / "user").st_uid
        self._epoch = 0
        self._told = False
        self._held: deque[SessionSide] = deque()
        self._waiting: deque[DeskSide] = deque()
        self._server: asyncio.Server | None = None

    @property
    def exists(self) -> bool:
        """Whether the session's folder is still there."""
        return self._socket.exists()

    async def listen(self) -> None:
        listener = listen_unix(self._socket, mode=0o666)  # who may is decided by SO_PEERCRED
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: SessionSide(self), sock=listener)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for side in list(self._held):
            side.abort()

    def arrived(self, side: SessionSide, uid: int) -> None:
        """Somebody connected to the socket; only the session's own user may."""
        if uid not in (0, self._uid) and not self._told:
            self._told = True  # once: a loop of theirs must not fill the log
            log.warning("session %s: user %d asked for its sound", self._session, uid)
        if uid not in (0, self._uid) or len(self._held) >= MAX_HELD:
            side.abort()
            return
        self._held.append(side)
        self._match()

    def gave_up(self, side: SessionSide) -> None:
        if side in self._held:
            self._held.remove(side)

    def offered(self, channel: DeskSide, epoch: int) -> None:
        """A DTU has a channel for whoever is or will be here."""
        self._epoch = epoch
        self._waiting.append(channel)
        self._match()

    def left(self, channel: DeskSide) -> None:
        if channel in self._waiting:
            self._waiting.remove(channel)

    def _match(self) -> None:
        while self._held and self._waiting:
            channel = self._waiting.popleft()
            channel.begin(self._held.popleft(), Attached(self._session, self._epoch))


class SoundPump:
    """The sound of all sessions that this gateway shows."""

    def __init__(self) -> None:
        self._gate = SoundGate()
        self._meetings: dict[str, Meeting] = {}
        self._epochs: dict[int, tuple[str, int]] = {}
        self._channels: dict[int, set[DeskSide]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, admitted: Admitted, dtu: str) -> str:
        """A display is open: the ticket for its sound, "" if the session has no place for it."""
        directory = Path(admitted.rfb_socket).parent.parent
        if not (directory / "sound").is_dir():
            return ""
        self._forget_ended()
        if admitted.session not in self._meetings:
            self._meet(admitted.session, directory)
        ticket = secrets.token_hex(16)
        self._gate.opened(admitted.connection, ticket, dtu)
        self._epochs[admitted.connection] = (admitted.session, admitted.epoch)
        self._channels[admitted.connection] = set()
        return ticket

    def attach(self, ticket: str, dtu: str, transport: asyncio.Transport) -> Refused | None:
        """A DTU asks for a channel on this connection; None if it has it."""
        answer = self._gate.attach(ticket, dtu)
        if isinstance(answer, Refused):
            return answer
        connection = answer.connection
        session, epoch = self._epochs[connection]

        def ended(channel: DeskSide) -> None:
            self._gate.left(connection)
            self._channels.get(connection, set()).discard(channel)

        meeting = self._meetings[session]
        channel = DeskSide(meeting, transport, ended)
        self._channels[connection].add(channel)
        transport.set_protocol(channel)
        meeting.offered(channel, epoch)
        return None

    def closed(self, connection: int) -> None:
        """A display is closed: its sound ends in both directions at once."""
        self._gate.closed(connection)
        self._epochs.pop(connection, None)
        for channel in self._channels.pop(connection, set()):
            channel.end()

    def close(self) -> None:
        for meeting in self._meetings.values():
            meeting.close()
        for task in self._tasks:
            task.cancel()

    def _meet(self, session: str, directory: Path) -> None:
        meeting = self._meetings[session] = Meeting(session, directory)
        task = asyncio.get_running_loop().create_task(self._listen(session, meeting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, session: str, meeting: Meeting) -> None:
        try:
            await meeting.listen()
        except (OSError, SocketInUseError) as error:
            log.warning("session %s has no sound: %s", session, error)

    def _forget_ended(self) -> None:
        """Sessions whose folder is gone; the one that is just being made is not there yet."""
        shown = {session for session, _ in self._epochs.values()}
        for session, meeting in list(self._meetings.items()):
            if session not in shown and not meeting.exists:
                meeting.close()
                del self._meetings[session]
