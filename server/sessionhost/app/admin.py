"""hostd's admin socket: one line in, one JSON object out. For roamctl on this machine.

The lines are `status`, `stop SESSION`, and those of `admin_cards`.
"""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sessionhost.adapters.order_socket import listen_unix
from sessionhost.app.admin_cards import CardQuestions
from sessionhost.core.server import ServerCore

MAX_REQUEST_BYTES = 4096
"""A card's label of 200 characters, percent-encoded, is the longest part."""

REQUEST_S = 5.0


class AdminServer:
    """Answers questions about the core; only root and the daemon's own user can open the socket."""

    def __init__(
        self,
        path: Path,
        core: ServerCore,
        carry_on: Callable[[], None],
        is_reader: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._path = path
        self._cards = CardQuestions(core, is_reader)
        self._core = core
        self._carry_on = carry_on
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        listener = listen_unix(self._path, mode=0o600)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=MAX_REQUEST_BYTES
        )

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            line = await asyncio.wait_for(reader.readline(), REQUEST_S)
            answer = await self._answer(line.decode("ascii", "replace").split())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, words: list[str]) -> dict[str, Any]:
        match words:
            case ["status"]:
                return status(self._core, time.monotonic())
            case ["stop", session]:
                if not self._core.end_session(session):
                    return {"error": f"there is no session {session} on this server"}
                self._carry_on()
                return {"stopped": session}
        answer = await self._cards.answer(words)
        return answer or {"error": "the questions are: status, stop SESSION, enrol DESK USER card"}


def status(core: ServerCore, now: float) -> dict[str, Any]:
    """What this server knows: itself, the topology, its sessions and terminals."""
    group = core.group
    own = group.standing
    sessions = [
        {
            "session": each.session,
            "token": str(each.token),
            "user": each.user,
            "recipe": each.recipe,
            "epoch": each.epoch,
            "running": each.running,
            "dtu": each.attachment.dtu if each.attachment else "",
        }
        for each in core.sessions
    ]
    return {
        "host": own.host,
        "boot": group.boot,
        "load": own.load,
        "drain": own.drain,
        "policy": own.policy,
        "other_policies": core.policies.differing(group),
        "interfaces": [" ".join((each.interface, *each.addresses)) for each in own.interfaces],
        "heard_by": dict(group.heard_by),
        "dropped": dict(group.dropped + core.dropped),
        "topology": [dataclasses.asdict(view) for view in group.topology.view(now)],
        "sessions": sessions,
        "dtus": core.terminals(),
    }
