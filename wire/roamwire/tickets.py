"""Redirect tickets: they let a redirected DTU skip server selection once. No policy here.

A ticket carries the nonce that its target gave in a tokenR. The target keeps its own nonces and
judges age and single use by its own clock, so no two clocks are ever compared.
"""

import hmac
from dataclasses import dataclass

from roamwire.errors import RemoteProtocolError
from roamwire.fields import decode_value, encode_value
from roamwire.limits import MAX_NAME_CHARS, MAX_TICKET_CHARS
from roamwire.proof import Proof
from roamwire.signing import GroupSecrets, derive

MAX_HOPS = 2
"""After two redirections a server serves by itself and logs it (DESIGN section 4)."""

_VERSION = "2"
_SEPARATOR = "~"
_PARTS = 11


@dataclass(frozen=True)
class RedirectTicket:
    """The bearer `dtu` may insert the token at `target` once; `hops` redirections so far.

    `token` is the keyed hash of token and user, `nonce` the target's own, `session` what the target
    said it has, "" if a new one is to be made there. `proofs` is what the issuer has seen proven
    for this insert, so that the target does not ask for it again, and `user` whose token it is.
    """

    issuer: str
    dtu: str
    token: str
    target: str
    nonce: str
    hops: int
    session: str = ""
    proofs: frozenset[Proof] = frozenset()
    user: str = ""


def issue(ticket: RedirectTicket, secrets: GroupSecrets) -> str:
    """The ticket as text with its tag, opaque to the DTU."""
    parts = [
        _VERSION, ticket.issuer, ticket.dtu, ticket.token, ticket.target, ticket.nonce,
        str(ticket.hops), ticket.session,
        "+".join(sorted(proof.value for proof in ticket.proofs)), ticket.user,
    ]  # fmt: skip
    body = _SEPARATOR.join(_escape(part) for part in parts)
    return f"{body}{_SEPARATOR}{_tag(secrets.current, body)}"


def verify(text: str, secrets: GroupSecrets) -> RedirectTicket:
    """The ticket if the group's secret made it; raises RemoteProtocolError otherwise."""
    if len(text) > MAX_TICKET_CHARS:
        raise RemoteProtocolError("ticket", "too long")
    body, _, tag = text.rpartition(_SEPARATOR)
    genuine = False
    for secret in secrets.live:
        genuine |= hmac.compare_digest(_tag(secret, body).encode(), tag.encode())
    if not genuine:
        raise RemoteProtocolError("ticket", "not signed by this group")
    parts = [decode_value(part) for part in text.split(_SEPARATOR)]
    if len(parts) != _PARTS or parts[0] != _VERSION:
        raise RemoteProtocolError("ticket", "of another version")
    issuer, dtu, token, target, nonce, hops, session, proven, user = parts[1:10]
    try:
        proofs = frozenset(Proof(each) for each in proven.split("+") if each)
        count = int(hops)
    except ValueError as error:
        raise RemoteProtocolError("ticket", "of another version") from error
    return RedirectTicket(issuer, dtu, token, target, nonce, count, session, proofs, user)


def _escape(part: str) -> str:
    return encode_value(part[: MAX_NAME_CHARS * 2]).replace(_SEPARATOR, "%7E")


def _tag(secret: bytes, body: str) -> str:
    return hmac.digest(derive(secret, "ticket"), body.encode("utf-8"), "sha256").hex()
