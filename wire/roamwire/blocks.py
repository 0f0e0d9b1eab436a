"""How a lost card or a revoked terminal is named in the group's set of blocks. The set is not here.

A key is a letter for the kind and a digest: a recording of the group's datagrams, or a copy of the
set, does not tell the names of cards to who does not know them already.
"""

import hashlib
import re
from functools import lru_cache

from roamwire.tokens import Token

TOKEN, DTU = "t", "d"
"""First letters of keys: cards and terminals."""

_DIGITS = 40
_KEY = re.compile(rf"[{TOKEN}{DTU}][0-9a-f]{{{_DIGITS}}}\Z")


def token_key(token: Token) -> str:
    """The key of a card."""
    return _key(TOKEN, f"token:{token}")


def dtu_key(name: str) -> str:
    """The key of a terminal, with every certificate of that name."""
    return _key(DTU, f"dtu:{name}")


def is_block_key(text: str) -> bool:
    """Whether the text has the form of a key."""
    return _KEY.match(text) is not None


@lru_cache(maxsize=4096)
def _key(kind: str, name: str) -> str:
    return kind + hashlib.sha256(f"roamdesk block\n{name}".encode()).hexdigest()[:_DIGITS]
