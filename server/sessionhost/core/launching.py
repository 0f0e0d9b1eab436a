"""What the launcher refuses to start. Starting is not here."""

import re
from collections.abc import Collection

LOWEST_UID = 1000
"""Below are the system's own users (adduser.conf, login.defs UID_MIN)."""

NOBODY_UID = 65534

SMALLEST_PIXELS = 64
LARGEST_PIXELS = 8192

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_RECIPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")


class OrderError(ValueError):
    """An order that is refused, in words for the log."""


def check_order(session: str, recipe: str, width: int, height: int) -> None:
    """Both names become parts of paths; the size becomes memory."""
    if not _SESSION.match(session):
        raise OrderError(f"session name {session!r:.80} is not allowed")
    if not _RECIPE.match(recipe):
        raise OrderError(f"recipe name {recipe!r:.80} is not allowed")
    if not all(SMALLEST_PIXELS <= size <= LARGEST_PIXELS for size in (width, height)):
        raise OrderError(f"a screen of {width}x{height} pixels is not allowed")


def check_account(user: str, uid: int, daemons: Collection[int]) -> None:
    """Cards are for people: no session of root or of a daemon's user, whatever its number is.

    `daemons`: the uids of the daemons of this server.
    """
    if uid < LOWEST_UID or uid == NOBODY_UID or uid in daemons:
        raise OrderError(f"user {user} (uid {uid}) is not a person's account")
