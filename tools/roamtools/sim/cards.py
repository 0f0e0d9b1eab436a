"""Cards with keys for the simulator: a keyed hash stands for the signature, a name for the key.

Everybody can read a card's public key; a forged card has it, but not the secret that signs.
"""

import base64
import binascii
import hashlib
import hmac
import random

from roamwire.control import Challenge, Response
from roamwire.proof import card_token, key_hash, signed_bytes
from roamwire.tokens import Token
from sessionhost.core.actions import Verify
from sessionhost.core.cards import CardFacts
from sessionhost.core.reasons import Reason

MAX_KEPT = 8
"""Recorded answers of a genuine card that a forger tries again."""


class SimCard:
    """What is in a reader: a number alone, a card with its key, or a copy without it."""

    def __init__(self, token: Token, key: bytes = b"", *, forged: bool = False) -> None:
        self.token = token
        self.forged = forged
        self._key = key

    @classmethod
    def with_key(cls, number: int, *, forged: bool = False) -> "SimCard":
        """The card of that number; or one that only claims to be it."""
        key = f"public key {number}".encode()
        return cls(card_token(key), key, forged=forged)

    def answer(
        self, challenge: Challenge, server: str, dtu: str, kept: list[Response], rng: random.Random
    ) -> Response:
        """The card's answer; a forged one tries what can be, also what it `kept` at this desk."""
        message = signed_bytes(
            server=server,
            dtu=dtu,
            token=self.token,
            slot=challenge.slot,
            seq=challenge.seq,
            data=challenge.data,
        )
        if not self.forged:
            answer = Response(challenge.seq, _sign(self._key, message), _text(self._key))
            kept.append(answer)
            del kept[:-MAX_KEPT]
            return answer
        lot = rng.randrange(3)
        if lot == 0 and kept:
            old = rng.choice(kept)
            return Response(challenge.seq, old.signature, old.certificate)
        if lot == 1:  # its own key, with its own certificate
            own = b"a forger's own key"
            return Response(challenge.seq, _sign(own, message), _text(own))
        return Response(challenge.seq, _text(rng.randbytes(32)), _text(self._key))


def verify(asked: Verify) -> CardFacts:
    """What a server's verifier finds out."""
    try:
        key = base64.b64decode(asked.certificate, validate=True)
    except binascii.Error:
        return CardFacts(Reason.NO_CERTIFICATE)
    genuine = hmac.compare_digest(_sign(key, asked.message), asked.signature)
    problem = None if genuine else Reason.WRONG_SIGNATURE
    return CardFacts(problem, key_hash(key), dates_hold=True)


def _sign(key: bytes, message: bytes) -> str:
    secret = hashlib.sha256(b"the secret of " + key).digest()
    return _text(hmac.digest(secret, message, "sha256"))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
