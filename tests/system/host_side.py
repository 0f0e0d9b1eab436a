"""hostd's clients of launcherd and displayd, driven from a test. Only for tests."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator

from server_box import USERS, ServerBox

from sessionhost.adapters.display_client import DisplayClient
from sessionhost.adapters.launcher_client import (
    LauncherClient,
    LauncherEvent,
    RunningSession,
    SessionOrder,
    SessionReady,
    SessionsListed,
)


class HostSide:
    """Both clients in a loop of their own; their events come out of two queues."""

    def __init__(self, box: ServerBox) -> None:
        self.launcher_events: queue.Queue = queue.Queue()
        self.lists: queue.Queue = queue.Queue()
        self.display_events: queue.Queue = queue.Queue()
        self.launcher = LauncherClient(box.run_dir / "launcher.sock", self._launcher_event)
        self.display = DisplayClient(
            box.run_dir / "display.sock", self.display_events.put, USERS["roamdesk-display"]
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: list = []

    def _launcher_event(self, event: LauncherEvent) -> None:
        listed = isinstance(event, SessionsListed)
        (self.lists if listed else self.launcher_events).put(event)

    def begin(self) -> None:
        self._thread.start()
        for client in (self.launcher, self.display):
            self._tasks.append(asyncio.run_coroutine_threadsafe(client.run(), self._loop))

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(BaseException):
                task.result(5)

        async def settle() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(settle(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(5)

    def start(self, session: str, user: str = "alice", recipe: str = "desktop"):
        """Orders a session and returns the event that follows."""
        order = SessionOrder(session, user, "uid:04a1b2", recipe, 1280, 800)
        self.do(self.launcher.start(order))
        return self.next_launcher_event()

    def set_keyboard(self, session: str, layout: str) -> None:
        async def run() -> None:
            self.launcher.set_keyboard(session, layout)

        self.do(run())

    def ready(self, session: str, user: str = "alice", recipe: str = "desktop") -> str:
        event = self.start(session, user, recipe)
        assert isinstance(event, SessionReady), event
        return event.rfb_socket

    def running(self) -> tuple[RunningSession, ...]:
        """Asks launcherd for its sessions."""

        async def ask() -> None:
            while not self.lists.empty():
                self.lists.get()  # told at the connect
            self.launcher.list_sessions()

        self.do(ask())
        return self.lists.get(timeout=5).running

    def stop(self, session: str):
        self.do(self.launcher.stop(session))
        return self.next_launcher_event()

    def grant(self, session, epoch, ticket, rfb_socket, dtu="desk1", ttl_ms=10_000) -> None:
        async def run() -> None:
            self.display.grant(session, epoch, ticket, dtu, rfb_socket, ttl_ms)

        self.do(run())

    def revoke(self, session: str, epoch: int) -> None:
        async def run() -> None:
            self.display.revoke(session, epoch)

        self.do(run())

    def next_launcher_event(self, seconds: float = 10.0):
        return self.launcher_events.get(timeout=seconds)

    def next_display_event(self, seconds: float = 10.0):
        return self.display_events.get(timeout=seconds)


@contextlib.contextmanager
def host_side(box: ServerBox) -> Iterator[HostSide]:
    side = HostSide(box)
    side.begin()
    try:
        yield side
    finally:
        side.end()
