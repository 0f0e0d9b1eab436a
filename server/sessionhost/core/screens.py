"""Which terminal shows which session now: attach, leave, cut. Why it does is decided elsewhere.

Whatever ends an attachment revokes its epoch at the display gateway before anybody is told.
"""

import random
from collections.abc import Mapping

from roamwire.blocks import token_key
from roamwire.control import Connect, Disconnect
from roamwire.notices import DisconnectReason
from sessionhost.core.actions import Grant, Outbox, Remember, Revoke, SetKeyboard
from sessionhost.core.links import Inserting, Link
from sessionhost.core.sessions import Session, SessionManager


class Screens:
    """The attachments of one server."""

    def __init__(
        self,
        sessions: SessionManager,
        links: Mapping[int, Link],
        outbox: Outbox,
        rng: random.Random,
        display_port: int,
    ) -> None:
        self._sessions = sessions
        self._links = links
        self._outbox = outbox
        self._rng = rng
        self._display_port = display_port

    def leave(self, link: Link, now: float) -> None:
        """The link shows nothing from `now` on."""
        session = self._sessions.get(link.session)
        if session is not None and self._sessions.detach(session, link.epoch, now):
            self._outbox.put(Revoke(session.session, link.epoch))
            self.remember(session, now)
        link.session, link.epoch, link.shown_for = "", 0, None

    def attach(self, link: Link, session: Session, inserting: Inserting, now: float) -> None:
        """Step 914: the newest insert wins; whoever showed the token's session before is told."""
        for other in self._sessions.shown_for(session.token):
            self.cut(other, DisconnectReason.TAKEN_OVER, now, desk=link.dtu, by=link)
        self._sessions.attach(session, link.link, link.dtu, now)
        session.last_card = token_key(inserting.token)
        link.session, link.epoch = session.session, session.epoch
        link.shown_for = inserting
        self._outbox.report(
            f"session {session.session} of {session.user!r:.80} shown at {link.dtu}, "
            f"epoch {session.epoch}, cause {inserting.cause.value}{inserting.whose}"
        )
        self._outbox.audit(
            "session", "shown", who=session.user, token=inserting.token, dtu=link.dtu,
            reason=inserting.cause.value, session=session.session,
        )  # fmt: skip
        self.remember(session, now)
        if session.running:
            self.connect(link, session)

    def remember(self, session: Session, now: float) -> None:
        """What the next daemon is to know of a session that is, or was, shown until `now`."""
        shown = (session.last_dtu, session.last_card)
        self._outbox.put(Remember(session.session, session.epoch, now, *shown))

    def cut(
        self,
        session: Session,
        reason: DisconnectReason,
        now: float,
        *,
        desk: str = "",
        by: Link | None = None,
    ) -> bool:
        """Take the session off its screen and say why there; False if it was on none.

        `desk` shows the card's session from now on; it is connected by the link `by`, if it is
        connected here.
        """
        shown = session.attachment
        if shown is None or not self._sessions.detach(session, shown.epoch, now):
            return False
        self._outbox.put(Revoke(session.session, shown.epoch))
        self.remember(session, now)
        at = f" at {desk}" if desk else ""
        self._outbox.report(f"session {session.session} at {shown.dtu}: {reason.value}{at}")
        self._outbox.audit(
            "session", reason.value, who=session.user, token=session.token, dtu=shown.dtu,
            reason=at.strip(), session=session.session,
        )  # fmt: skip
        loser = self._links.get(shown.link)
        if loser is not None and loser is not by:
            loser.session, loser.epoch = "", 0
            self._outbox.send(loser.link, Disconnect(loser.seq, reason.value, desk=desk))
        return True

    def connect(self, link: Link, session: Session) -> None:
        """The session's X server answers: the terminal gets its display ticket."""
        if link.hello is not None and link.hello.keyboard:
            self._outbox.put(SetKeyboard(session.session, link.hello.keyboard))
        ticket = f"{self._rng.getrandbits(128):032x}"
        self._outbox.put(
            Grant(session.session, session.epoch, ticket, link.dtu, session.rfb_socket)
        )
        shown = (session.session, session.epoch, ticket, self._display_port, session.user)
        self._outbox.send(link.link, Connect(link.seq, *shown))
