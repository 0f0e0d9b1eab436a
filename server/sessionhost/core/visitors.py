"""How many sessions visitors may have: where any card opens one (`kiosk`), cards cost nothing.

Without a bound one desk with a box of cards, or a program that makes up numbers, would fill the
server. At the bound the visitor's session that has been away for the longest time is ended for the
new one; what is on a screen never is.
"""

from sessionhost.core.actions import Outbox, StopSession
from sessionhost.core.links import Inserting
from sessionhost.core.policy import Policy
from sessionhost.core.sessions import MAX_SESSIONS, Session, SessionManager

MAX_VISITORS_OF_DTU = 4
"""One is on the screen; the others are of those who come back after a moment, or walk on."""

MAX_VISITORS = MAX_SESSIONS // 2
"""The other half of a server is for those whom it knows."""


class Visitors:
    """The visitors' sessions of one server."""

    def __init__(self, sessions: SessionManager, outbox: Outbox) -> None:
        self._sessions = sessions
        self._outbox = outbox

    def room_for(self, inserting: Inserting, dtu: str, policy: Policy) -> bool:
        """Whether this insert may have a new session; an older one may be ended for it."""
        owner = inserting.owner
        unknown = inserting.registration is None and owner.user == policy.kiosk_user
        if not unknown or owner.token.kind not in _CARDS:
            return True
        everybody = [
            each
            for each in self._sessions
            if each.user == policy.kiosk_user and each.token.kind in _CARDS
        ]
        here = [each for each in everybody if each.last_dtu == dtu]
        return self._make_room(here, MAX_VISITORS_OF_DTU) and self._make_room(
            everybody, MAX_VISITORS
        )

    def _make_room(self, visitors: list[Session], most: int) -> bool:
        staying = [each for each in visitors if not each.ending]
        if len(visitors) >= 2 * most:
            return False  # as many are ending: the launcher does not keep up
        if len(staying) < most:
            return True
        away = [each for each in staying if each.attachment is None]
        if not away:
            return False
        oldest = min(away, key=lambda each: each.last_connected)
        oldest.ending = True
        self._outbox.report(
            f"session {oldest.session} of a visitor is ended for the next one: "
            f"{len(staying)} are the most"
        )
        self._outbox.audit(
            "session", "displaced", who=oldest.user, token=oldest.token, dtu=oldest.last_dtu,
            session=oldest.session,
        )  # fmt: skip
        self._outbox.put(StopSession(oldest.session))
        return True


_CARDS = ("uid", "piv")
"""A desk's own token is one a desk, and who signs in by name has a password."""
