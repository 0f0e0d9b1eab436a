"""Emulated PIV cards for tests: one a key type, made once; and cards that misbehave."""

import functools
from dataclasses import replace

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from roamtools.card.holder import piv_card
from roamtools.card.piv import PivApplet
from roamtools.card.piv_make import Order, make_card
from roamtools.card.piv_state import PivState, Secret
from roamtools.card.tlv import split
from roamwire.proof import card_token
from roamwire.tokens import Token

KEY_TYPES = ("rsa2048", "rsa3072", "p256", "p384")
GUID = bytes(range(16, 32))
PIN, NEW_PIN, WRONG_PIN = "123456", "87654321", "111111"
UID = "04a1b2c3d4e5f6"


@functools.cache
def _made(kind: str) -> PivState:
    return make_card(Order(keys={0x9A: kind, 0x9E: kind}, guid=GUID))


def state(kind: str = "p256") -> PivState:
    """A card as it was made: the keys are shared, everything that can change is not."""
    made = _made(kind)
    return replace(
        made,
        pin=Secret(**vars(made.pin)),
        puk=Secret(**vars(made.puk)),
        keys=dict(made.keys),
        objects=dict(made.objects),
    )


def card(kind: str = "p256", uid: str = ""):
    """A powered card, with a UID too if it is given one."""
    return piv_card(PivApplet(state(kind)), bytes.fromhex(uid))


def certificate_of(state: PivState, tag: str = "5fc101") -> x509.Certificate:
    """The certificate in a data object, by default that of 9E."""
    return x509.load_der_x509_certificate(split(state.objects[tag])["70"])


def token_of(state: PivState) -> Token:
    """As a server makes it of the certificate."""
    key = certificate_of(state).public_key()
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return card_token(info)


class Answers:
    """A card that answers every command by what a function makes of it; counts them."""

    def __init__(self, answer) -> None:
        self._answer = answer
        self.asked = 0

    def answer(self, raw: bytes) -> bytes:
        self.asked += 1
        return self._answer(raw)

    def reset(self) -> None:
        pass


def verifies(certificate: bytes, signature: bytes, message: bytes) -> bool:
    """As a server does it, with none of the terminal's code."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            digest = hashes.SHA384() if key.key_size == 384 else hashes.SHA256()
            key.verify(signature, message, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True
