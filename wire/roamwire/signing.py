"""Group secrets: signatures over datagrams, and keyed hashes of tokens. Reads no file.

The signature is the last field of a datagram: ` sig=` and HMAC-SHA-256 over all bytes before it, in
hexadecimal. The patent's keyed SHA-1 form is verified only when `classic` says so; it is
HMAC-SHA-1 here, in 40 digits.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from roamwire.errors import LocalProtocolError
from roamwire.tokens import Token

MIN_SECRET_BYTES = 16
"""Shorter secrets can be guessed from one recorded host message."""

_FIELD = b" sig="
_SHA256_DIGITS = 64
_SHA1_DIGITS = 40


@dataclass(frozen=True)
class Signed:
    """A datagram without its signature, and whether the group's secret made it."""

    body: bytes
    trusted: bool


@dataclass(frozen=True)
class GroupSecrets:
    """The live secrets of a group: `current` signs, both verify, so that rotation has no gap."""

    current: bytes
    previous: bytes | None = None
    classic: bool = False

    def __post_init__(self) -> None:
        if any(len(secret) < MIN_SECRET_BYTES for secret in self.live):
            raise LocalProtocolError(f"a group secret has at least {MIN_SECRET_BYTES} bytes")

    @property
    def live(self) -> tuple[bytes, ...]:
        """The secrets that verify, the signing one first."""
        return (self.current,) if self.previous is None else (self.current, self.previous)

    def sign(self, body: bytes) -> bytes:
        """The datagram with its signature appended."""
        digits = hmac.digest(self.current, body, "sha256").hex().encode("ascii")
        return body + _FIELD + digits

    def verify(self, datagram: bytes) -> Signed:
        """Split off and check the signature; no other byte is looked at before this."""
        at = datagram.rfind(_FIELD)
        if at < 0:
            return Signed(datagram, trusted=False)
        body, digits = datagram[:at], datagram[at + len(_FIELD) :]
        digest = "sha256"
        if len(digits) == _SHA1_DIGITS and self.classic:
            digest = "sha1"
        elif len(digits) != _SHA256_DIGITS:
            return Signed(body, trusted=False)
        trusted = False
        for secret in self.live:
            expected = hmac.digest(secret, body, digest).hex().encode("ascii")
            trusted |= hmac.compare_digest(expected, digits)
        return Signed(body, trusted)

    def token_digest(self, token: Token) -> str:
        """Keyed hash of a token in 64 hex digits, as sent in shown."""
        return token_digest(self.current, str(token))

    def token_digests(self, token: Token) -> tuple[str, ...]:
        """The hashes under which others may ask for the token, one a live secret."""
        return tuple(token_digest(secret, str(token)) for secret in self.live)

    def owner_digest(self, token: Token, user: str) -> str:
        """Keyed hash of a token and the user whose it is, in 64 hex digits, as sent in tokenQ.

        Who asks for the sessions of another user of the token asks for another hash.
        """
        return owner_digest(self.current, str(token), user)

    def owner_digests(self, token: Token, user: str) -> tuple[str, ...]:
        """The hashes under which others may ask for the token of that user, one a live secret."""
        return tuple(owner_digest(secret, str(token), user) for secret in self.live)


@lru_cache(maxsize=4096)
def token_digest(secret: bytes, token: str) -> str:
    """HMAC-SHA-256 of a token under a key that is used for nothing else."""
    return hmac.digest(derive(secret, "token"), token.encode("utf-8"), "sha256").hex()


@lru_cache(maxsize=4096)
def owner_digest(secret: bytes, token: str, user: str) -> str:
    """The same of a token and its user; no token has a line end in it."""
    return hmac.digest(derive(secret, "owner"), f"{token}\n{user}".encode(), "sha256").hex()


@lru_cache(maxsize=64)
def derive(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose, so that a tag for one can never pass for another."""
    return hmac.digest(secret, f"roamdesk {purpose}".encode("ascii"), hashlib.sha256)
