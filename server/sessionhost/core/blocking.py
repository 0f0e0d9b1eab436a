"""What a block means on this server: lost cards leave the screen, revoked terminals the server.

Who is blocked is in the group's set (`blocks`); this is its effect, at once when an entry comes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from roamwire.blocks import DTU, token_key
from roamwire.control import Disconnect, Notice
from roamwire.datagrams import BlockEntry
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token
from sessionhost.core.actions import Ban, Close, KeepBlocks, Outbox, Revoke
from sessionhost.core.blocks import BlockSet
from sessionhost.core.links import Link
from sessionhost.core.sessions import SessionManager
from sessionhost.core.timing import REFUSED_AGAIN_S

MAX_REFUSED = 256
"""Terminals whose refusal was told a moment ago; each of them tries again every few seconds."""


class Blocking:
    """The group's blocks on the links and sessions of one server.

    `leave` ends whatever a link is about, `hang_up` closes it.
    """

    def __init__(
        self,
        blocks: BlockSet,
        sessions: SessionManager,
        links: Mapping[int, Link],
        outbox: Outbox,
        leave: Callable[[Link, float], None],
        hang_up: Callable[[Link, str, float], None],
    ) -> None:
        self._blocks = blocks
        self._sessions = sessions
        self._links = links
        self._outbox = outbox
        self._leave = leave
        self._hang_up = hang_up
        self._refused: OrderedDict[str, float] = OrderedDict()

    def changed(self, entries: Iterable[BlockEntry], now: float) -> None:
        """The set has new entries: keep them, and act."""
        news = tuple(entries)
        self._outbox.put(KeepBlocks(news))
        for entry in news:
            kind = "terminal" if entry.entry.startswith(DTU) else "card"
            decision = "blocked" if entry.blocked else "allowed"
            self._outbox.audit("block", decision, reason=f"a {kind}, said at {entry.by}")
            if entry.entry.startswith(DTU):
                self._outbox.put(Ban(entry.entry, entry.blocked))
        self.enforce(now)

    def enforce(self, now: float) -> None:
        """Nobody who is blocked has anything of this server; also after its start."""
        for link in list(self._links.values()):
            if self._blocks.blocks_dtu(link.dtu):
                self._outbox.audit("terminal", "blocked", dtu=link.dtu, reason="revoked")
                self._outbox.send(link.link, _REVOKED)
                self._hang_up(link, "is revoked", now)
            elif (token := self._token_of(link)) is not None and self._blocks.blocks_token(token):
                self._cut(link, now)
        for session in self._sessions:
            card = session.last_card or token_key(session.token)
            if session.attachment is None and self._blocks.is_blocked(card):
                # Its display may have outlived a restart of this daemon.
                self._outbox.put(Revoke(session.session, session.epoch))

    def _token_of(self, link: Link) -> Token | None:
        """The card that is in there; its sessions may belong to another one of the same user."""
        here = link.inserting or link.shown_for
        return here.token if here is not None else None

    def _cut(self, link: Link, now: float) -> None:
        inserting = link.inserting is not None
        token, session = self._token_of(link), link.session
        self._outbox.audit(
            "session", "blocked", token=token, dtu=link.dtu, reason="card lost", session=session
        )
        self._leave(link, now)
        self._outbox.report(f"the card at {link.dtu} was reported lost: its session is cut")
        if inserting:
            self._outbox.send(link.link, Notice(link.seq, int(NoticeCode.TOKEN_LOST)))
        else:
            self._outbox.send(link.link, Disconnect(link.seq, DisconnectReason.BLOCKED.value))

    def refuses_link(self, link: int, dtu: str, now: float) -> bool:
        """Whether a terminal that has just connected is revoked; then it was told and closed."""
        if not self._blocks.blocks_dtu(dtu):
            return False
        told = self._refused.pop(dtu, float("-inf"))
        if now - told >= REFUSED_AGAIN_S:
            told = now
            self._outbox.report(f"{dtu} refused: it is revoked")
            self._outbox.audit("terminal", "refused", dtu=dtu, reason="revoked")
        self._refused[dtu] = told
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        self._outbox.send(link, _REVOKED)
        self._outbox.put(Close(link))
        return True

    def refuses_token(self, link: Link, token: Token) -> bool:
        """Whether the card that is inserted is lost; then the terminal was told."""
        if not self._blocks.blocks_token(token):
            return False
        self._outbox.report(f"{token.kind} token at {link.dtu} refused: it was reported lost")
        self._outbox.audit("insert", "refused", token=token, dtu=link.dtu, reason="card lost")
        self._outbox.send(link.link, Notice(link.seq, int(NoticeCode.TOKEN_LOST)))
        return True


_REVOKED = Disconnect(0, DisconnectReason.BLOCKED.value)
"""About no card event: it is the terminal that is meant."""
