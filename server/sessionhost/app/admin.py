"""hostd's admin socket: one line in, one JSON object out. For roamctl on this machine.

The lines are `status`, `servers`, `stop SESSION`, `block` or `allow` with `token TOKEN` or `dtu
NAME`, and those of `admin_cards`. `by=PERSON` at the end is for the audit log; only root and
hostd's own user can say so.
"""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from roamwire.blocks import dtu_key, token_key
from roamwire.errors import RemoteProtocolError
from roamwire.fields import decode_value
from roamwire.limits import MAX_NAME_CHARS
from roamwire.tokens import Token
from sessionhost.adapters.order_socket import listen_unix, peer_uid
from sessionhost.adapters.users import user_name
from sessionhost.app.admin_cards import CardQuestions
from sessionhost.core.audit import Record
from sessionhost.core.blocks import BlocksFullError
from sessionhost.core.server import ServerCore

MAX_REQUEST_BYTES = 4096
"""A card's label of 200 characters, percent-encoded, is the longest part."""

REQUEST_S = 5.0

BY = "by="


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
            who = user_name(peer_uid(writer.get_extra_info("socket")))
            words = line.decode("ascii", "replace").split()
            answer = await self._answer(*with_person(words, who))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, words: list[str], who: str) -> dict[str, Any]:
        match words:
            case ["status"]:
                return status(self._core, time.monotonic())
            case ["servers"]:
                return servers(self._core)
            case ["stop", session]:
                if not self._core.end_session(session):
                    return {"error": f"there is no session {session} on this server"}
                self._core.administered(Record("admin", "session stop", who, session=session))
                self._carry_on()
                return {"stopped": session}
            case ["block" | "allow" as verb, "token" | "dtu" as kind, name]:
                return self._block(kind, name, who, blocked=verb == "block")
        answer = await self._cards.answer(words)
        return answer or {
            "error": "the questions are: status, servers, stop SESSION, block token|dtu X, "
            "allow token|dtu X, enrol DESK USER card"
        }

    def _block(self, kind: str, name: str, who: str, *, blocked: bool) -> dict[str, Any]:
        try:
            token = Token.parse(name) if kind == "token" else None
            key = token_key(token) if token is not None else dtu_key(name)
            before = self._core.group.blocks.is_blocked(key)
            self._core.block(key, time.monotonic(), blocked=blocked)
        except (RemoteProtocolError, BlocksFullError) as error:
            return {"error": str(error)}
        act = f"{kind} {'block' if blocked else 'allow'}"
        dtu = "" if token is not None else name
        self._core.administered(Record("admin", act, who, token, dtu))
        self._carry_on()
        told = [record.host for record in self._core.group.topology.answering()]
        return {kind: name, "blocked": blocked, "before": before, "told": told}


def with_person(words: list[str], user: str) -> tuple[list[str], str]:
    """The question without its `by=`, and who asks: the user at the socket, and who that is."""
    if not words or not words[-1].startswith(BY):
        return words, user
    try:
        person = decode_value(words[-1].removeprefix(BY))
    except RemoteProtocolError:
        person = "?"
    return words[:-1], f"{user} ({person})"[:MAX_NAME_CHARS]


def servers(core: ServerCore) -> dict[str, Any]:
    """The trusted servers of the group, those that are down too, and where they were heard."""
    found = []
    for record in core.group.topology.known():
        own = (address for each in record.message.interfaces for address in each.addresses)
        addresses = list(dict.fromkeys((record.source[0], *own)))
        where = {"host": record.host, "addresses": addresses, "port": record.message.port}
        found.append(where | {"timeoff": record.timeoff})
    return {"servers": found}


def status(core: ServerCore, now: float) -> dict[str, Any]:
    """What this server knows: itself, the topology, its sessions and terminals."""
    group = core.group
    own, own_blocks = group.standing, group.blocks
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
        "blocks": own_blocks.summary,
        "blocked": own_blocks.counts(),
        "policy": own.policy,
        "other_policies": core.policies.differing(group),
        "interfaces": [" ".join((each.interface, *each.addresses)) for each in own.interfaces],
        "heard_by": dict(group.heard_by),
        "dropped": dict(group.dropped + core.dropped),
        "topology": [dataclasses.asdict(view) for view in group.topology.view(now)],
        "sessions": sessions,
        "dtus": core.terminals(),
    }
