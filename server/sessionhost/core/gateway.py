"""Who may see which session now: display tickets and epochs. Sockets and bytes are not here."""

import hashlib
from dataclasses import dataclass

from roamwire.blocks import dtu_key

MAX_TICKETS = 1024
"""Tickets that wait for their DTU: one a DTU of a group that fails over to this server at once."""

MAX_SESSIONS = 4096
"""Sessions whose newest epoch is remembered; the longest untouched one is forgotten first."""

MAX_CONNECTIONS = 1024
"""Displays open at a time; each costs about half a megabyte of buffers when its link is slow."""


@dataclass(frozen=True)
class Grant:
    """One display ticket: this DTU may see this session once until `expires_at` (monotonic s)."""

    session: str
    epoch: int
    ticket: str
    dtu: str
    rfb_socket: str
    expires_at: float


@dataclass(frozen=True)
class Close:
    """Close this connection at once; `reason` is for the log and the session manager."""

    connection: int
    session: str
    epoch: int
    reason: str


@dataclass(frozen=True)
class Granted:
    """The ticket is good; `close` lists the connections that it ends."""

    close: tuple[Close, ...] = ()


@dataclass(frozen=True)
class Admitted:
    """The DTU may see the session as `connection`; `close` lists the connections that it ends.

    `sound` is what the DTU gets as ticket for the session's sound ("": it has none).
    """

    connection: int
    session: str
    epoch: int
    rfb_socket: str
    close: tuple[Close, ...] = ()
    sound: str = ""


@dataclass(frozen=True)
class Refused:
    """No: `reason` is one of full, epoch, ticket, expired, dtu, revoked."""

    reason: str


@dataclass(frozen=True)
class _Open:
    session: str
    epoch: int
    dtu: str


class DisplayGate:
    """The tickets, the newest epoch of each session and the open connections of one gateway.

    A session's epoch only rises. A grant with a higher epoch ends the connections of lower ones
    at once, before its DTU comes: from then on the old screen must not show the session. A DTU
    that is banned (by its `blocks.dtu_key`) loses what it shows and gets nothing.
    """

    def __init__(self) -> None:
        self._grants: dict[bytes, Grant] = {}
        self._epochs: dict[str, int] = {}
        self._open: dict[int, _Open] = {}
        self._banned: set[str] = set()
        self._last_connection = 0

    def grant(self, grant: Grant, now: float) -> Granted | Refused:
        """Takes a ticket in; an epoch lower than the session's newest is refused."""
        if grant.epoch < self._epochs.get(grant.session, 0):
            return Refused("epoch")
        self._forget_expired(now)
        if len(self._grants) >= MAX_TICKETS or not self._remember(grant.session, grant.epoch):
            return Refused("full")
        self._drop_grants(grant.session, below=grant.epoch)
        self._grants[_key(grant.ticket)] = grant
        return Granted(self._closing(grant.session, grant.epoch - 1, "epoch"))

    def attach(self, ticket: str, dtu: str, now: float) -> Admitted | Refused:
        """A DTU shows a ticket. It is used up by this, whether or not it was this DTU's."""
        grant = self._grants.pop(_key(ticket), None)
        if grant is None:
            return Refused("ticket")
        if now >= grant.expires_at:
            return Refused("expired")
        if dtu != grant.dtu:
            return Refused("dtu")
        if dtu_key(dtu) in self._banned:
            return Refused("revoked")
        if len(self._open) >= MAX_CONNECTIONS:
            return Refused("full")
        # An older connection of the same epoch goes too: a session has one screen.
        close = self._closing(grant.session, grant.epoch, "epoch")
        self._last_connection += 1
        self._open[self._last_connection] = _Open(grant.session, grant.epoch, dtu)
        return Admitted(self._last_connection, grant.session, grant.epoch, grant.rfb_socket, close)

    def revoke(self, session: str, epoch: int) -> tuple[Close, ...]:
        """Ends everything of a session up to this epoch, tickets included."""
        newest = max(epoch + 1, self._epochs.get(session, 0))
        self._remember(session, newest)
        self._drop_grants(session, below=epoch + 1)
        return self._closing(session, epoch, "revoked")

    def ban(self, key: str) -> tuple[Close, ...]:
        """This DTU is revoked: ends everything that it shows, and lets it in no more."""
        self._banned.add(key)
        return self._end({n: each for n, each in self._open.items() if dtu_key(each.dtu) == key})

    def unban(self, key: str | None = None) -> None:
        """The DTU may come again; None: all of them."""
        self._banned = self._banned - {key} if key else set()

    def closed(self, connection: int) -> bool:
        """A connection is gone; False if it was ended by us, which has been told already."""
        return self._open.pop(connection, None) is not None

    def connections(self) -> tuple[tuple[str, int], ...]:
        """Session and epoch of every open connection."""
        return tuple((each.session, each.epoch) for each in self._open.values())

    def _closing(self, session: str, up_to: int, reason: str) -> tuple[Close, ...]:
        return self._end(
            {
                number: each
                for number, each in self._open.items()
                if each.session == session and each.epoch <= up_to
            },
            reason,
        )

    def _end(self, ending: dict[int, "_Open"], reason: str = "revoked") -> tuple[Close, ...]:
        for connection in ending:
            del self._open[connection]
        return tuple(
            Close(connection, each.session, each.epoch, reason)
            for connection, each in ending.items()
        )

    def _drop_grants(self, session: str, below: int) -> None:
        for key, grant in list(self._grants.items()):
            if grant.session == session and grant.epoch < below:
                del self._grants[key]

    def _forget_expired(self, now: float) -> None:
        for key, grant in list(self._grants.items()):
            if now >= grant.expires_at:
                del self._grants[key]

    def _remember(self, session: str, epoch: int) -> bool:
        """Notes the newest epoch; False if the table is full of sessions in use."""
        if session not in self._epochs and len(self._epochs) >= MAX_SESSIONS:
            in_use = {each.session for each in self._open.values()}
            in_use |= {grant.session for grant in self._grants.values()}
            idle = next((name for name in self._epochs if name not in in_use), None)
            if idle is None:
                return False
            del self._epochs[idle]
        self._epochs.pop(session, None)
        self._epochs[session] = epoch
        return True


def _key(ticket: str) -> bytes:
    # Looked up by hash, so that the time of the look-up says nothing about stored tickets.
    return hashlib.sha256(ticket.encode()).digest()
