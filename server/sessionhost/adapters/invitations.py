"""One-time tokens with which servers join: sealed envelopes, and the folder in which they wait.

The token has the only key to the envelope. The server that hands it out cannot open it, and gives
it only once, to whoever shows the claim that follows from the key.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from roamwire import enrolment
from roamwire.errors import RemoteProtocolError
from roamwire.fields import decode_fields, encode_fields
from sessionhost.adapters.folder_owner import NotPlainError
from sessionhost.adapters.keyfiles import write_private

KEY_BYTES = 32
ID_BYTES = 8
NONCE_BYTES = 12
MAX_TOKEN_CHARS = 1024
_ID = re.compile(r"[0-9a-f]{16}\Z")
_PURPOSE = b"roamdesk server envelope 1"
_PREFIX = "roamdesk-join-"

RandomBytes = Callable[[int], bytes]


class InvitationError(Exception):
    """A token or an envelope is not good; says what to do."""


@dataclass(frozen=True)
class Token:
    """What a new server is told: where, which, the key, and the CA that it will find there."""

    address: str
    port: int
    id: str
    key: bytes
    ca: str

    def __repr__(self) -> str:
        return f"Token({self.address}:{self.port}, {self.id})"

    @property
    def claim(self) -> str:
        """Shows that we hold the key without telling it."""
        return hmac.digest(self.key, _PURPOSE + b" claim", hashlib.sha256).hex()

    @property
    def text(self) -> str:
        """The token as it is copied by hand or mail."""
        fields = encode_fields(
            [
                ("at", self.address),
                ("port", str(self.port)),
                ("id", self.id),
                ("key", self.key.hex()),
                ("ca", self.ca),
            ]
        )
        return _PREFIX + base64.urlsafe_b64encode(fields.encode("ascii")).decode("ascii")


def parse_token(text: str) -> Token:
    """The inverse of `Token.text`; InvitationError if a part is missing."""
    wrong = InvitationError("this is no token of 'roamctl server invite': copy all of it again")
    if not text.startswith(_PREFIX) or len(text) > MAX_TOKEN_CHARS:
        raise wrong
    try:
        inner = text.removeprefix(_PREFIX)
        plain = base64.b64decode(inner, altchars=b"-_", validate=True).decode("ascii")
        fields = dict(decode_fields(plain))
        token = Token(
            fields["at"],
            int(fields["port"]),
            fields["id"],
            bytes.fromhex(fields["key"]),
            fields["ca"],
        )
    except (binascii.Error, ValueError, KeyError, RemoteProtocolError) as error:
        raise wrong from error
    if len(token.key) != KEY_BYTES or not _ID.match(token.id) or len(token.ca) != 64:
        raise wrong
    return token


def new_token(address: str, port: int, ca: bytes, random_bytes: RandomBytes) -> Token:
    """A fresh one; `ca` is the DER of the group's CA."""
    digest = hashlib.sha256(ca).hexdigest()
    return Token(address, port, random_bytes(ID_BYTES).hex(), random_bytes(KEY_BYTES), digest)


def seal(token: Token, files: Mapping[str, bytes], random_bytes: RandomBytes) -> bytes:
    """The files by their relative names, for the holder of the token alone."""
    plain = json.dumps(
        {name: base64.b64encode(data).decode("ascii") for name, data in files.items()}
    ).encode("ascii")
    nonce = random_bytes(NONCE_BYTES)
    return nonce + AESGCM(token.key).encrypt(nonce, plain, _bound_to(token))


def unseal(token: Token, envelope: bytes) -> dict[str, bytes]:
    """The files; InvitationError if the envelope was changed, or is another's."""
    try:
        plain = AESGCM(token.key).decrypt(
            envelope[:NONCE_BYTES], envelope[NONCE_BYTES:], _bound_to(token)
        )
        found = json.loads(plain)
        return {str(name): base64.b64decode(data) for name, data in found.items()}
    except (InvalidTag, ValueError, binascii.Error, AttributeError, TypeError) as error:
        raise InvitationError(
            "the envelope does not open with this token: it was changed on its way; "
            "make a new invitation"
        ) from error


def _bound_to(token: Token) -> bytes:
    return _PURPOSE + token.id.encode("ascii")


class Invitations:
    """A folder with one file for each invitation: the claim's hash, its end, the envelope."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, token: Token, envelope: bytes, until_ms: int) -> Path:
        """Leave an envelope for the holder of the token; it can be fetched once."""
        path = self._folder / token.id
        text = json.dumps(
            {
                "claim": _hash(token.claim),
                "until_ms": until_ms,
                "envelope": base64.b64encode(envelope).decode("ascii"),
            }
        )
        if self._folder.is_symlink():
            raise NotPlainError(self._folder, "is a link: look who made it")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, text.encode("ascii"))
        return path

    def take(self, join: enrolment.Join, now_ms: int) -> bytes | None:
        """The envelope, which is gone then; None if there is none for this id and claim."""
        if not _ID.match(join.id):
            return None
        path = self._folder / join.id
        try:
            kept = json.loads(path.read_text("ascii"))
            good = hmac.compare_digest(str(kept["claim"]), _hash(join.claim))
            envelope = base64.b64decode(kept["envelope"])
            until_ms = int(kept["until_ms"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not good:
            return None
        # Whoever removes it has it: two who come at the same time do not both get it.
        try:
            path.unlink()
        except FileNotFoundError:
            return None
        return envelope if now_ms < until_ms else None


def parts_of(envelope: bytes) -> list[enrolment.Envelope]:
    """An envelope as lines; InvitationError if it is too large."""
    text = base64.b64encode(envelope).decode("ascii")
    size = enrolment.MAX_PART_CHARS
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    if len(cut) > enrolment.MAX_PARTS:
        raise InvitationError(f"the group's files take {len(cut)} parts; at most 64 can be sent")
    return [enrolment.Envelope(number, len(cut), data) for number, data in enumerate(cut, 1)]


def _hash(claim: str) -> str:
    return hashlib.sha256(claim.encode("utf-8")).hexdigest()
