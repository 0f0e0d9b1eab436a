"""What the person sees besides the session: which message, dimmed or not. Draws nothing."""

from dtu.core import catalogue
from dtu.core.actions import Show
from dtu.core.events import CardEvent
from dtu.core.presence import Presence
from dtu.core.states import State
from dtu.core.words import Message
from roamwire.control import Disconnect, Line, Server, Welcome
from roamwire.notices import DisconnectReason

_OUTSIDE = (State.SEEKING, State.CONNECTING)


class Face:
    """Messages by priority; each is shown once until something else was on the screen.

    `problem` is the reader's, `held` says why a card that is in gets no session, `proving` is asked
    of the person, `opening` is on the way to a session, `unenrolled` says what is in the way of a
    certificate, `updating` that the system is being updated, `refused` that certificates are what
    keeps servers away, `picture` that a session's frame is on the screen, `revoked` that no server
    lets this terminal in. `login`: the server lets people in without a card.
    """

    def __init__(self) -> None:
        self.problem: Message | None = None
        self.held: Message | None = None
        self.opening: Message | None = None
        self.refused: Message | None = None
        self.proving: Message | None = None
        self.login = False
        self.no_address = catalogue.POWERED_UP
        self.unplugged = False
        self.unenrolled: Message | None = None
        self.updating: Message | None = None
        self.picture = False
        self.revoked = False
        self._shown: Show | None = None

    def reader_says(self, event: CardEvent, card: Presence) -> None:
        """What happened at a reader, and what of it stays in the way of a session."""
        nobody = card.token is None or card.signed_in
        locked = catalogue.LOCKED if nobody and card.locked else None
        self.problem = catalogue.problem(event) or locked

    def revoked_by(self, line: Line) -> bool:
        """Whether a server says with this line that the terminal is revoked; a welcome ends it.

        A welcome also says whether people may sign in, again when that has changed.
        """
        if isinstance(line, Welcome):
            self.revoked, self.login = False, line.login
        if not isinstance(line, Disconnect) or line.reason != DisconnectReason.BLOCKED.value:
            return False
        if line.seq:  # the number of a card event: it is about the card
            return False
        self.revoked = True
        return True

    def wiped(self) -> None:
        """The screen is black: whatever comes next is to be shown."""
        self.held = self.opening = None
        self.picture = False
        self._shown = None

    def first_frame(self) -> None:
        """The session covers the words."""
        self.picture = True
        self.opening = None
        self._shown = None

    def words(
        self, state: State, card: Presence, server: Server | None, session: str, returning: bool
    ) -> Message | None:
        """What to say now; None while a session is on the screen.

        `returning`: the server is expected back, and the session's picture may go on meanwhile.
        """
        inside = card.token is not None
        by_priority = (
            (self.unplugged and state is not State.CONNECTED, catalogue.CABLE_OUT),
            (self.revoked, catalogue.TERMINAL_REVOKED),
            (state in _OUTSIDE and not returning and self.unenrolled is not None, self.unenrolled),
            (self.problem is not None and not card.signed_in, self.problem),
            (inside and self.held is not None, self.held),
            (inside and self.proving is not None, self.proving),
            (state is State.CONNECTED, self.opening if inside else self._insert_card()),
            (state is State.NO_ADDRESS, self.no_address),
            (returning and session != "", None),
            (returning, catalogue.RESTARTING),
            (self.refused is not None, self.refused),
            (inside and card.ticket != "", catalogue.trusted(catalogue.OPENING, card.token)),
            (inside and card.lost != "", catalogue.SERVER_LOST),
            (state is State.SEEKING, catalogue.SEEKING),
        )
        words = next((words for holds, words in by_priority if holds), _connecting(server))
        # In the place of all words, but not of a session or of what a person types into.
        hidden = words is None or words is self.proving
        return words if hidden or self.updating is None else self.updating

    def _insert_card(self) -> Message:
        words = catalogue.INSERT_CARD
        return words.noting("login") if self.login else words

    def show(self, message: Message | None) -> Show | None:
        """The message if it is not on the screen already; None means the session."""
        if message is None:
            return None
        show = Show(message, dim=self.picture)
        if show == self._shown:
            return None
        self._shown = show
        return show


def _connecting(server: Server | None) -> Message:
    return catalogue.CONNECTING.about(server=(server.host or server.address) if server else "")
