"""hostd's line to launcherd: start, stop and list sessions. How they are started is not here."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.order_socket import OrderClient, encode_order, required, whole

LIST_TIMEOUT_S = 2.0
"""launcherd answers from memory; a second more than its slowest start of a session."""


class LauncherUnavailable(Exception):  # noqa: N818 - a state of the world, not an error of ours
    """launcherd does not answer; it is started again by the system, so try again."""


@dataclass(frozen=True)
class SessionOrder:
    """A session to start; width and height are in pixels."""

    session: str
    user: str
    token: str
    recipe: str
    width: int
    height: int


@dataclass(frozen=True)
class RunningSession:
    """A session that lives now; `started_ms` is wall time, to choose the most recent one."""

    session: str
    user: str
    token: str
    recipe: str
    rfb_socket: str
    started_ms: int


@dataclass(frozen=True)
class SessionReady:
    """The session's X server answers on `rfb_socket`; its services are on their way."""

    session: str
    rfb_socket: str


@dataclass(frozen=True)
class SessionFailed:
    """The session could not be started; `reason` is for the log and the audit."""

    session: str
    reason: str


@dataclass(frozen=True)
class SessionEnded:
    """The session was stopped or its X server ended."""

    session: str
    reason: str


@dataclass(frozen=True)
class SessionsListed:
    """Sent at every connect: all sessions that live now, with those of before a restart."""

    running: tuple[RunningSession, ...]


LauncherEvent = SessionReady | SessionFailed | SessionEnded | SessionsListed


class LauncherClient(OrderClient):
    """Orders out, events in; `run` keeps the connection."""

    def __init__(self, path: Path, on_event: Callable[[LauncherEvent], None]) -> None:
        super().__init__(path)
        self._on_event = on_event
        self._listing = asyncio.Lock()
        self._listed: list[RunningSession] = []
        self._answer: asyncio.Future[None] | None = None

    async def start(self, order: SessionOrder) -> None:
        """Asks for a session; SessionReady or SessionFailed follows."""
        self._order(encode_order("start", **asdict(order)))

    async def stop(self, session: str) -> None:
        """Asks for the end of a session; SessionEnded follows when nothing of it is left."""
        self._order(encode_order("stop", session=session))

    async def list_sessions(self) -> list[RunningSession]:
        """The sessions that live now, those from before a restart of launcherd included."""
        async with self._listing:
            self._answer = asyncio.get_running_loop().create_future()
            self._listed = []
            self._order(encode_order("list"))
            try:
                await asyncio.wait_for(self._answer, LIST_TIMEOUT_S)
            except (TimeoutError, ConnectionError) as error:
                raise LauncherUnavailable("launcherd did not list its sessions") from error
            finally:
                self._answer = None
            return self._listed

    def on_connected(self) -> None:
        self.relist()

    def relist(self) -> None:
        """Asks for the list; it is told from the line that ends it, so no event falls between."""
        self._listed = []
        self.send(encode_order("list"))

    def on_disconnected(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("launcherd went away"))

    def on_line(self, verb: str, fields: dict[str, str]) -> None:
        if verb == "listed":
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(None)
            else:
                self._on_event(SessionsListed(tuple(self._listed)))
            return
        session = required(fields, "session")
        if verb == "running":
            self._listed.append(_running(session, fields))
        elif verb == "ready":
            self._on_event(SessionReady(session, required(fields, "rfb")))
        elif verb == "failed":
            self._on_event(SessionFailed(session, fields.get("reason", "")))
        elif verb == "ended":
            self._on_event(SessionEnded(session, fields.get("reason", "")))
        else:
            raise RemoteProtocolError("verb", f"unknown event {verb[:40]!r}")

    def _order(self, line: bytes) -> None:
        if not self.send(line):
            raise LauncherUnavailable(f"launcherd does not answer on {self._path}")


def _running(session: str, fields: dict[str, str]) -> RunningSession:
    return RunningSession(
        session=session,
        user=required(fields, "user"),
        token=required(fields, "token"),
        recipe=required(fields, "recipe"),
        rfb_socket=required(fields, "rfb"),
        started_ms=whole(fields, "started_ms"),
    )
