"""Proof of a card: which token a key is, and the bytes that a card signs. Verifies no signature.

The token of a PIV card is the hash of the public key in its 9E certificate, so a claim of it proves
itself: whoever signs under that key owns the token. Card numbers (GUID, CHUID) can be copied and
are never an identity.

The card signs the SHA-256 of `signed_bytes` (SHA-384 with P-384): RSA by PKCS#1 v1.5, elliptic
curves by ECDSA. Both ends' names stand in these bytes as their certificates have them, so that a
proof that is relayed to another server or from another terminal is worth nothing.
"""

import enum
import hashlib

from roamwire.fields import encode_fields
from roamwire.tokens import Token

CHALLENGE_BYTES = 32
"""Random bytes of a challenge, as hex in its `data`."""

_DIGITS = 40
_HEADER = b"roamdesk card proof 1\n"


class Slot(enum.Enum):
    """The card's key (NIST SP 800-73): 9E signs without a PIN, 9A only after it."""

    CARD = "9e"
    PERSON = "9a"


class CardError(enum.Enum):
    """Why there is no signature, as a DTU says it in a `response`."""

    NONE = ""
    NO_CARD = "no-card"
    CARD_ERROR = "card-error"
    NO_KEY = "no-key"
    PIN_BLOCKED = "pin-blocked"
    PIN_CANCELLED = "pin-cancelled"


class Proof(enum.Enum):
    """What has been shown at a DTU so far; a redirect ticket carries a set of them."""

    CARD = "9e"
    PERSON = "9a"
    PASSWORD = "password"


def key_hash(public_key: bytes) -> str:
    """40 hex digits that name a key: SHA-256 over its DER SubjectPublicKeyInfo, cut off."""
    return hashlib.sha256(public_key).hexdigest()[:_DIGITS]


def card_token(public_key: bytes) -> Token:
    """The token of the card whose 9E certificate has this DER SubjectPublicKeyInfo."""
    return Token("piv", key_hash(public_key))


def signed_bytes(*, server: str, dtu: str, token: Token, slot: Slot, seq: int, data: str) -> bytes:
    """What the card's signature is over; `data` is the challenge's, in hex."""
    fields = [
        ("server", server),
        ("dtu", dtu),
        ("token", str(token)),
        ("slot", slot.value),
        ("seq", str(seq)),
        ("data", data),
    ]
    return _HEADER + encode_fields(fields).encode("ascii")
