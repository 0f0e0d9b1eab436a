"""What the registry says about a token, as values. Where it is stored is not here."""

import enum
from dataclasses import dataclass

from roamwire.tokens import Token


class Strength(enum.IntEnum):
    """What a token proves, weakest first (DESIGN section 5); policies compare."""

    PSEUDO = 1
    """The terminal itself: who sits there is not known."""
    UID = 2
    """A card number: copyable, shown as low trust."""
    PIV = 3
    """A card that signs a challenge."""

    @classmethod
    def of(cls, token: Token) -> "Strength":
        """The strength that a token of this kind has at most."""
        return cls[token.kind.upper()]


@dataclass(frozen=True)
class Registration:
    """A token's entry: whose it is, and the recipe of its session (None: the server's default)."""

    user: str
    enabled: bool
    recipe: str | None = None
    strength: Strength = Strength.UID
