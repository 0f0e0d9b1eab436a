"""What a person asks for who has a session on the screen: other sessions, one more, sign-off.

Whose the card is may have changed since it was put in: before another session is opened, the
registry is asked again. What is on the screen stays there.
"""

from collections.abc import Callable, Mapping

from roamwire.control import Browse, Select, SignOff
from roamwire.errors import RemoteProtocolError
from sessionhost.core.actions import Lookup, Outbox, StopSession
from sessionhost.core.authentication import AuthenticationManager
from sessionhost.core.choosing import MAX_SESSIONS_PER_TOKEN, Found, SessionChooser
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import TokenAnswered
from sessionhost.core.insert import RedirectTo
from sessionhost.core.links import Inserting, Link
from sessionhost.core.registration import Registration
from sessionhost.core.sessions import Session, SessionManager

MenuLine = Browse | Select | SignOff


class Menu:
    """The menus of one server's terminals.

    `leave` ends what a link shows, `attach` shows a session there, `create` makes one for it.
    """

    def __init__(
        self,
        group: GroupManager,
        sessions: SessionManager,
        links: Mapping[int, Link],
        outbox: Outbox,
        authentication: AuthenticationManager,
        leave: Callable[[Link, float], None],
        attach: Callable[[Link, Session, Inserting, float], None],
        create: Callable[[Link, Inserting, str, str, float], None],
    ) -> None:
        self._standing = group.standing
        self._sessions = sessions
        self._links = links
        self._outbox = outbox
        self._authentication = authentication
        self._leave = leave
        self._attach = attach
        self._create = create
        self._chooser = SessionChooser(group, sessions, outbox)

    def asked(self, link: Link, line: MenuLine, now: float) -> None:
        """A line of the menu; RemoteProtocolError if it is about nothing that is shown."""
        current = self._sessions.get(link.session)
        if current is None or link.shown_for is None or line.seq != link.seq:
            raise RemoteProtocolError("state", "the menu of a session that is not shown there")
        if isinstance(line, SignOff):
            self._outbox.audit(
                "session", "signed off", who=current.user, token=current.token, dtu=link.dtu,
                session=current.session,
            )  # fmt: skip
            self._outbox.report(f"session {current.session} is signed off at {link.dtu}")
            self._outbox.put(StopSession(current.session))
        elif isinstance(line, Browse):
            self._chooser.browse(link, current.owner, now)
        else:
            link.choice = line
            self._outbox.put(Lookup(link.link, line.seq, link.shown_for.token, link.dtu))

    def forget(self, link: Link) -> None:
        """The terminal has something else to do, or is gone."""
        link.choice = None
        self._chooser.forget(link)

    def looked_up(
        self, link: Link, seq: int, found: Registration | None, now: float, *, failed: bool
    ) -> bool:
        """The registry's answer, if it is about a choice; False if it is not."""
        choice, shown = link.choice, link.shown_for
        current = self._sessions.get(link.session)
        if choice is None or choice.seq != seq or shown is None or current is None:
            return False
        link.choice = None
        again = self._authentication.judged_again(
            link, link.once_more(shown), found, now, failed=failed
        )
        if again is None or again.owner != current.owner:
            self._outbox.audit(
                "menu", "refused", who=current.user, token=shown.token, dtu=link.dtu,
                reason="the token is not this user's now",
            )  # fmt: skip
            self._outbox.report(
                f"{link.dtu} opens no other session of {current.user!r:.80}: whose the "
                f"{shown.token.kind} token is has changed"
            )
            self._chooser.browse(link, current.owner, now)
            return True
        link.shown_for = again
        if choice.session:
            self._choose(link, again, current, choice.session, now)
        else:
            self._one_more(link, again, current, now)
        return True

    def _choose(
        self, link: Link, inserting: Inserting, current: Session, session: str, now: float
    ) -> None:
        chosen = self._sessions.get(session)
        if chosen is None or chosen.owner != current.owner:
            self._chooser.seek(link, current.owner, session, now)
        elif chosen is not current:
            self._leave(link, now)
            self._attach(link, chosen, inserting, now)

    def _one_more(self, link: Link, inserting: Inserting, current: Session, now: float) -> None:
        mine, full = self._sessions.for_owner(current.owner), self._standing.closed
        if full or len(mine) >= MAX_SESSIONS_PER_TOKEN:
            self._outbox.report(f"{link.dtu} gets no further session: {len(mine)} are here")
            self._chooser.browse(link, current.owner, now)
            return
        self._leave(link, now)
        self._create(link, inserting, current.recipe, "asked for in the menu", now)

    def answered(self, event: TokenAnswered, now: float) -> None:
        """The other servers have spoken: the chosen session may be on one of them."""
        found = self._chooser.answered(event, now)
        link = self._links.get(found.link) if found is not None else None
        if found is not None and link is not None and link.shown_for is not None:
            self._send_there(link, link.once_more(link.shown_for), found, now)

    def _send_there(self, link: Link, inserting: Inserting, found: Found, now: float) -> None:
        self._leave(link, now)
        why = f"session {found.session} was chosen"
        self._authentication.selection.redirect(
            link, inserting, RedirectTo(found.answer, why, found.session), now
        )
