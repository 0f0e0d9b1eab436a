"""hostd's line to displayd: grant and revoke displays. Pixels and tickets' rules are not here."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.order_socket import OrderClient, encode_order, required, whole

MAX_WAITING = 1024
"""Orders kept while displayd restarts: as many as it has room for tickets."""


@dataclass(frozen=True)
class DisplayOpened:
    """A DTU shows the session; sent again for every open display when hostd connects."""

    session: str
    epoch: int


@dataclass(frozen=True)
class DisplayClosed:
    """The DTU does not show the session any more, or its grant was refused."""

    session: str
    epoch: int
    reason: str


@dataclass(frozen=True)
class DisplayUp:
    """displayd answers, for the first time or again."""


DisplayEvent = DisplayOpened | DisplayClosed | DisplayUp


class DisplayClient(OrderClient):
    """Orders out, events in; `run` keeps the connection.

    Orders given while displayd is away wait for it: a DTU that was told to connect finds its
    ticket there when the port is open again. A grant that has expired meanwhile is dropped.
    """

    def __init__(
        self, path: Path, on_event: Callable[[DisplayEvent], None], daemon_uid: int = 0
    ) -> None:
        super().__init__(path, daemon_uid)
        self._on_event = on_event
        self._waiting: deque[tuple[float, dict[str, str | int]]] = deque(maxlen=MAX_WAITING)

    def grant(
        self, session: str, epoch: int, ticket: str, dtu: str, rfb_socket: str, ttl_ms: int
    ) -> None:
        """Lets `dtu` see the session once within `ttl_ms`; older epochs end at once."""
        self._order(
            {"session": session, "epoch": epoch, "ticket": ticket, "dtu": dtu, "rfb": rfb_socket},
            asyncio.get_running_loop().time() + ttl_ms / 1000,
        )

    def revoke(self, session: str, epoch: int) -> None:
        """Ends every display of the session whose epoch is not above `epoch`."""
        self._order({"session": session, "epoch": epoch}, float("inf"))

    def ban(self, key: str, banned: bool) -> None:
        """Keeps a DTU out, or lets it in again; while displayd is away, see `bans`."""
        self.send(encode_order("ban" if banned else "unban", key=key))

    def bans(self, keys: Iterable[str]) -> None:
        """All DTUs that are kept out: displayd may have restarted, or heard another hostd."""
        self.send(encode_order("unban"))
        for key in keys:
            self.ban(key, banned=True)

    def on_connected(self) -> None:
        self._on_event(DisplayUp())  # bans first: a grant that has waited may be for such a DTU
        while self._waiting:
            expires_at, fields = self._waiting.popleft()
            self._order(fields, expires_at)

    def on_line(self, verb: str, fields: dict[str, str]) -> None:
        session, epoch = required(fields, "session"), whole(fields, "epoch")
        if verb == "opened":
            self._on_event(DisplayOpened(session, epoch))
        elif verb == "closed":
            self._on_event(DisplayClosed(session, epoch, fields.get("reason", "")))
        else:
            raise RemoteProtocolError("verb", f"unknown event {verb[:40]!r}")

    def _order(self, fields: dict[str, str | int], expires_at: float) -> None:
        if "ticket" not in fields:
            line = encode_order("revoke", **fields)
        else:
            left_ms = round((expires_at - asyncio.get_running_loop().time()) * 1000)
            if left_ms <= 0:
                return
            line = encode_order("grant", **fields, ttl_ms=left_ms)
        if not self.send(line):
            self._waiting.append((expires_at, fields))
