"""One terminal shows a card's session in the whole group: the newest insert wins, others are told.

Within a server epochs see to it. Between servers a card can be shown twice when it was cloned,
or when a partition heals. After each attach, and when a server is heard again, the others are
told what is shown (`shown`). Who shows the same card at another terminal answers. Only an echo
of an own nonce says how long the other's word was under way, so nothing that was delayed,
recorded or held back takes a screen away. Of the two servers the one whose name sorts first
decides; at a tie it gives way.
"""

import random
from collections import OrderedDict
from dataclasses import dataclass

from roamwire.datagrams import Shown
from roamwire.notices import DisconnectReason
from sessionhost.core.group import GroupManager
from sessionhost.core.screens import Screens
from sessionhost.core.sessions import Session, SessionManager
from sessionhost.core.timing import SHOWN_NONCE_S, SHOWN_PAUSE_S, SHOWN_S

MAX_NONCES = 4096
"""Words of ours that may still be answered; each attach and each server's return makes some."""

SHOWN_AT_ONCE = 32
"""Datagrams to one server in a burst: its kernel keeps some 200 while it is busy."""


@dataclass
class _Telling:
    """A session that is told to `host` ("": to all) at each of the times, while it is shown."""

    session: str
    epoch: int
    host: str
    at: list[float]


class Fence:
    """What this server shows, against what the others do."""

    def __init__(
        self,
        group: GroupManager,
        sessions: SessionManager,
        screens: Screens,
        rng: random.Random,
    ) -> None:
        self._group = group
        self._host = group.standing.host
        self._sessions = sessions
        self._rng = rng
        self._screens = screens
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._telling: list[_Telling] = []

    # What we tell

    def attached(self, session: Session, now: float) -> None:
        """A session has just come onto a screen."""
        self._begin(session, "", now)
        self.handle_deadline(now)

    def host_up(self, host: str, now: float) -> None:
        """A server is heard, for the first time or after a partition: it is told what we show."""
        shown = [session for session in self._sessions if session.attachment is not None]
        for number, session in enumerate(shown):
            # Not all in one burst: a server that has just started hears this from all others.
            self._begin(session, host, now + number // SHOWN_AT_ONCE * SHOWN_PAUSE_S)
        self.handle_deadline(now)

    def _begin(self, session: Session, host: str, start: float) -> None:
        at = [start + after for after in SHOWN_S]
        self._telling.append(_Telling(session.session, session.epoch, host, at))

    def next_deadline(self) -> float | None:
        """When `handle_deadline` is to be called."""
        return min((each.at[0] for each in self._telling), default=None)

    def handle_deadline(self, now: float) -> None:
        """Tell again what is due, as long as it is true; any datagram may be lost."""
        for each in [each for each in self._telling if each.at[0] <= now]:
            each.at = [at for at in each.at if at > now]
            session = self._sessions.get(each.session)
            shown = session.attachment if session is not None else None
            if session is None or shown is None or shown.epoch != each.epoch:
                each.at.clear()
            else:
                self._say(session, each.host, now)
        self._telling = [each for each in self._telling if each.at]

    def _say(
        self, session: Session, host: str, now: float, *, re: str = "", beats: str = ""
    ) -> None:
        if session.attachment is None:
            return
        nonce = f"{self._rng.getrandbits(64):016x}"
        self._nonces[nonce] = now
        while len(self._nonces) > MAX_NONCES:
            self._nonces.popitem(last=False)
        message = Shown(
            nonce, self._host, "", 0, self._group.secrets.token_digest(session.token),
            int((now - session.last_connected) * 1000), session.session, session.epoch,
            session.attachment.dtu, re, beats,
        )  # fmt: skip
        self._group.tell(message, host)

    # What we hear

    def heard(self, message: Shown, now: float) -> None:
        """The present boot of another server shows a card."""
        mine = self._same_card(message)
        if mine is None:
            return
        asked_at = self._nonces.get(message.re, float("-inf"))
        if now - asked_at > SHOWN_NONCE_S:
            self._say(mine, message.host, now, re=message.shown)
        elif message.beats:
            if message.beats == _name(mine):
                self._lose(mine, message, now)
        elif self._host > message.host:
            self._say(mine, message.host, now, re=message.shown)
        elif now - message.age / 1000 >= mine.last_connected:
            # It may be the newer one, if its word was here at once: we give way.
            self._lose(mine, message, now)
        else:
            beats = f"{message.session} {message.epoch}"
            self._say(mine, message.host, now, re=message.shown, beats=beats)
        self._persist(mine, message.host, now)

    def _persist(self, mine: Session, host: str, now: float) -> None:
        """Two terminals show the card: it is told on until one does not, whatever gets lost."""
        if mine.attachment is not None:
            about = (mine.session, host)
            self._telling = [e for e in self._telling if (e.session, e.host) != about]
            self._begin(mine, host, now + SHOWN_S[1])

    def _same_card(self, message: Shown) -> Session | None:
        """Our session of that card, shown at another terminal."""
        for session in self._sessions:
            shown = session.attachment
            if shown is None or shown.dtu == message.dtu:
                continue
            if message.token in self._group.secrets.token_digests(session.token):
                return session
        return None

    def _lose(self, mine: Session, to: Shown, now: float) -> None:
        self._telling = [each for each in self._telling if each.session != mine.session]
        self._screens.cut(mine, DisconnectReason.TAKEN_OVER, now, desk=to.dtu)


def _name(session: Session) -> str:
    return f"{session.session} {session.epoch}"
