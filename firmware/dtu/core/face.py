"""What the person sees besides the session: which words, dimmed or not. Draws nothing."""

from dtu.core.actions import Show
from dtu.core.words import Words


class Face:
    """Words by priority; each is shown once until something else was on the screen.

    `problem` is the reader's, `held` says why a card that is in gets no session, `opening` is on
    the way to a session, `picture` says that a session's frame is on the screen.
    """

    def __init__(self) -> None:
        self.problem: Words | None = None
        self.held: Words | None = None
        self.opening: Words | None = None
        self.picture = False
        self._shown: Show | None = None

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

    def show(self, words: Words | None) -> Show | None:
        """The words if they are not on the screen already; None as `words` means the session."""
        if words is None:
            return None
        show = Show(words, dim=self.picture)
        if show == self._shown:
            return None
        self._shown = show
        return show
