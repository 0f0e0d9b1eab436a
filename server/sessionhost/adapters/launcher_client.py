"""hostd's line to launcherd: sessions, passwords. How it starts and checks them is not here."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.order_socket import OrderClient, encode_order, required, whole

CHECK_S = 30.0
"""launcherd ends a check after 20 s; one of an older version does not answer at all."""


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
    """All sessions that live now, with those of before a restart; told at every connect."""

    running: tuple[RunningSession, ...]


@dataclass(frozen=True)
class PasswordSeen:
    """PAM's word on a password, and the account's name as the system writes it."""

    result: str
    user: str


LauncherEvent = SessionReady | SessionFailed | SessionEnded | SessionsListed


class LauncherClient(OrderClient):
    """Orders out, events in; `run` keeps the connection."""

    def __init__(self, path: Path, on_event: Callable[[LauncherEvent], None]) -> None:
        super().__init__(path)
        self._on_event = on_event
        self._listed: list[RunningSession] = []
        self._checks: dict[int, asyncio.Future[PasswordSeen]] = {}

    async def check_password(self, number: int, user: str, password: str) -> PasswordSeen:
        """PAM's answer; result `down` if launcherd is not there, or goes away meanwhile."""
        answer: asyncio.Future[PasswordSeen] = asyncio.get_running_loop().create_future()
        self._checks[number] = answer
        try:
            if not self.send(encode_order("check", number=number, user=user, password=password)):
                return PasswordSeen("down", "")
            return await asyncio.wait_for(answer, CHECK_S)
        except TimeoutError:
            return PasswordSeen("down", "")
        finally:
            self._checks.pop(number, None)

    async def start(self, order: SessionOrder) -> None:
        """Asks for a session; SessionReady or SessionFailed follows."""
        self._order(encode_order("start", **asdict(order)))

    async def stop(self, session: str) -> None:
        """Asks for the end of a session; SessionEnded follows when nothing of it is left."""
        self._order(encode_order("stop", session=session))

    def set_keyboard(self, session: str, layout: str) -> None:
        """Asks for another keyboard layout; nothing follows, and without launcherd it stays."""
        self.send(encode_order("keyboard", session=session, layout=layout))

    def list_sessions(self) -> None:
        """Asks for the list; SessionsListed follows, unless launcherd goes away before.

        It is told from the line that ends it, so no other event falls between.
        """
        self.send(encode_order("list"))

    def on_connected(self) -> None:
        self._listed = []
        self.list_sessions()

    def on_disconnected(self) -> None:
        for answer in self._checks.values():
            if not answer.done():
                answer.set_result(PasswordSeen("down", ""))

    def on_line(self, verb: str, fields: dict[str, str]) -> None:
        if verb == "checked":
            self._checked(fields)
            return
        if verb == "listed":
            running, self._listed = tuple(self._listed), []
            self._on_event(SessionsListed(running))
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

    def _checked(self, fields: dict[str, str]) -> None:
        answer = self._checks.get(whole(fields, "number"))
        if answer is not None and not answer.done():
            answer.set_result(PasswordSeen(required(fields, "result"), fields.get("user", "")))

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
