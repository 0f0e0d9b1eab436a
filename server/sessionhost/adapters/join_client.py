"""How a new server fetches its envelope: two short TLS connections. Opening it is not here."""

import base64
import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from roamwire import enrolment
from roamwire.enrolment import Current, Envelope, Join, Line, Refused
from roamwire.errors import RemoteProtocolError
from roamwire.identity import peer_identity
from roamwire.limits import MAX_LINE_BYTES
from sessionhost.adapters.invitations import InvitationError, Token

CONNECT_S = 5.0
ANSWER_S = 10.0


def fetch(token: Token) -> bytes:
    """The sealed envelope; InvitationError says why there is none.

    The first connection asks for the group's roots, of which the token knows the fingerprint; in
    the second the server has to prove that it belongs to them before it is shown our claim.
    """
    root = _root_of(token)
    context = _context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root)
    parts: list[Envelope] = []
    with _lines(token, context, Join(token.id, token.claim)) as lines:
        for line in lines:
            if isinstance(line, Refused):
                raise _refused(token, line)
            if not isinstance(line, Envelope) or line.part != len(parts) + 1:
                raise InvitationError(f"{token.address} answered out of order")
            parts.append(line)
            if line.part == line.parts:
                return base64.b64decode("".join(part.data for part in parts))
    raise InvitationError(f"{token.address} broke off: make a new invitation")


def _root_of(token: Token) -> bytes:
    with _lines(token, _context(), enrolment.Check()) as lines:
        answer = next(lines, None)
    if isinstance(answer, Refused):
        raise _refused(token, answer)
    if not isinstance(answer, Current):
        raise InvitationError(f"{token.address} does not tell its group's CA")
    for root in enrolment.from_text(answer.ca):
        if hashlib.sha256(root).hexdigest() == token.ca:
            return root
    raise InvitationError(
        f"{token.address} belongs to another group than the one that the token is from"
    )


def _refused(token: Token, line: Refused) -> InvitationError:
    text = f"{token.address} refuses: {line.text or line.code.value}"
    if line.code is enrolment.Refusal.SLOWER:
        text += f"; try again in {line.retry_ms // 1000 + 1} s"
    return InvitationError(text)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _lines(token: Token, context: ssl.SSLContext, asked: Line) -> Iterator[Iterator[Line]]:
    where = f"{token.address} port {token.port}"
    try:
        with (
            socket.create_connection((token.address, token.port), CONNECT_S) as plain,
            context.wrap_socket(plain) as link,
        ):
            link.settimeout(ANSWER_S)
            if context.verify_mode is ssl.CERT_REQUIRED:
                peer_identity(link.getpeercert(), "server")
            link.sendall(enrolment.encode_line(asked))
            with link.makefile("rb") as file:
                yield (enrolment.parse_line(data) for data in _whole(file))
    except ssl.SSLCertVerificationError as error:
        raise InvitationError(f"{where} is no server of the group: {error}") from error
    except RemoteProtocolError as error:
        raise InvitationError(f"{where} does not speak as a server does: {error}") from error
    except OSError as error:
        raise InvitationError(f"cannot reach {where}: {error}; does enrold run there?") from error


def _whole(file: BinaryIO) -> Iterator[bytes]:
    for _ in range(enrolment.MAX_PARTS):
        data = file.readline(MAX_LINE_BYTES + 1)
        if not data.endswith(b"\n"):
            return
        yield data
