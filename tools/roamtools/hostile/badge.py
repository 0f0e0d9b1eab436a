"""A person's PIV card as an attacker uses it: what anybody can read of it, and maybe its key."""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from roamtools.card.piv_state import PivState
from roamtools.lab.piv_cards import certificate
from roamwire.control import Challenge, Response
from roamwire.proof import card_token, signed_bytes
from roamwire.tokens import Token

CARD_KEY = 0x9E


@dataclass(frozen=True)
class Badge:
    """The public part of a card, and the key that signs for it: its own, or the attacker's."""

    token: Token
    certificate: bytes
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, card: PivState) -> "Badge":
        """A card with its key: whoever holds it may do this."""
        key = card.keys[CARD_KEY]
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        shown = certificate(card, CARD_KEY)
        info = shown.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(card_token(info), shown.public_bytes(Encoding.DER), key)

    def answer(
        self,
        challenge: Challenge,
        server: str,
        dtu: str,
        *,
        token: Token | None = None,
        shown: bytes | None = None,
    ) -> Response:
        """The challenge signed with our key; over another `token`, beside another certificate."""
        message = signed_bytes(
            server=server,
            dtu=dtu,
            token=token or self.token,
            slot=challenge.slot,
            seq=challenge.seq,
            data=challenge.data,
        )
        signature = self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        return Response(challenge.seq, _text(signature), _text(shown or self.certificate))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
