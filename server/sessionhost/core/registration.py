"""What the registry says about a token, as values. Where it is stored is not here."""

import enum
import hashlib
import re
from dataclasses import dataclass

from roamwire.limits import MAX_NAME_CHARS
from roamwire.tokens import Token

_PLAIN_USER = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_NAME_CHARS}}}\Z")


class Strength(enum.IntEnum):
    """What a token proves, weakest first (DESIGN section 5); policies compare."""

    PSEUDO = 1
    """The terminal itself: who sits there is not known."""
    UID = 2
    """A card number: copyable, shown as low trust."""
    USER = 3
    """A name and a password, without a card."""
    PIV = 4
    """A card that signs a challenge."""

    @classmethod
    def of(cls, token: Token) -> "Strength":
        """The strength that a token of this kind has at most."""
        return cls[token.kind.upper()]


@dataclass(frozen=True)
class Registration:
    """A token's entry: whose it is, and the recipe of its session (None: the server's default).

    `owner` is the token that its sessions belong to (None: itself), so that several cards of a
    person open the same one. `person_key` is the hash of the card's key 9A, "" if it is not known.
    `hours` is a time window of its own.
    """

    user: str
    enabled: bool
    recipe: str | None = None
    strength: Strength = Strength.UID
    lost: bool = False
    owner: Token | None = None
    person_key: str = ""
    hours: str = ""


@dataclass(frozen=True)
class Owner:
    """Whose sessions: those of a token, as long as it is this user's.

    A card that was given to somebody else owns none of the sessions that it has opened before.
    """

    token: Token
    user: str


def login_token(user: str) -> Token:
    """The token that owns the sessions of a person who signed in without a card."""
    if _PLAIN_USER.match(user):
        return Token("user", user)
    return Token("user", "sha256." + hashlib.sha256(user.encode("utf-8")).hexdigest()[:40])
