"""Reads the audit log of another server of the group over TLS. What is in it is not looked at here.

Needs this server's key and the group's secret: root has both, and hostd.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from roamwire.errors import RemoteProtocolError
from roamwire.identity import peer_identity
from roamwire.log_lines import (
    MAX_LOG_LINE_BYTES,
    LogFollows,
    NoLog,
    Prove,
    ReadLog,
    encode_log_line,
    parse_log_line,
)
from roamwire.signing import GroupSecrets
from sessionhost.adapters.audit_log import MAX_FILE_BYTES, MAX_FILES

CONNECT_S = 2.0
ANSWER_S = 10.0
"""From one piece to the next; a server that is busy sends slowly, not never."""

MAX_LOG_BYTES = 2 * MAX_FILES * MAX_FILE_BYTES
MAX_RECORD_BYTES = 64 * 1024
"""Longer lines are cut, and are no records then; whole ones have some 400 bytes."""


class NoAnswerError(Exception):
    """The server's log could not be had; says why, in words that follow its name."""


@dataclass(frozen=True)
class Asked:
    """A server of the group and where it may be reached, the likeliest address first."""

    host: str
    addresses: Sequence[str]
    port: int


@contextmanager
def read_log(
    server: Asked, tls: ssl.SSLContext, secrets: GroupSecrets, *, host: str, by: str, since: str
) -> Iterator[Iterator[str]]:
    """The lines of the server's log, the oldest first; NoAnswerError, also in the middle.

    `host` is who asks, `by` the person; `since` as in `ReadLog`.
    """
    try:
        with _connect(server) as plain, tls.wrap_socket(plain) as link:
            link.settimeout(ANSWER_S)
            found = peer_identity(link.getpeercert(), "server").name
            if found != server.host:
                raise NoAnswerError(f"is not at {link.getpeername()[0]}: that is {found}")
            with link.makefile("rb") as file:
                prove = _line(file)
                if not isinstance(prove, Prove):
                    raise RemoteProtocolError("state", "no nonce")
                request = ReadLog(prove.nonce, host, server.host, by, since)
                link.sendall(encode_log_line(request, secrets))
                answer = _line(file)
                if not isinstance(answer, LogFollows) or not 0 <= answer.size <= MAX_LOG_BYTES:
                    raise RemoteProtocolError("state", "no log")
                yield _records(file, answer.size)
    except ssl.SSLCertVerificationError as error:
        raise NoAnswerError(f"is no server of the group: {error.verify_message}") from error
    except RemoteProtocolError as error:
        raise NoAnswerError(f"does not hand out its log ({error}); is it older?") from error
    except OSError as error:
        raise NoAnswerError(f"did not answer: {error.strerror or error}") from error


def _connect(server: Asked) -> socket.socket:
    last: OSError = OSError("it has no address")
    for address in server.addresses:
        try:
            return socket.create_connection((address, server.port), CONNECT_S)
        except OSError as error:
            last = error
    raise last


def _line(file: BinaryIO) -> Prove | ReadLog | LogFollows:
    data = file.readline(MAX_LOG_LINE_BYTES + 1)
    if not data.endswith(b"\n"):
        raise OSError("it hung up: does it refuse our certificate or the group's secret?")
    message = parse_log_line(data)
    if isinstance(message, NoLog):
        raise NoAnswerError(f"refuses: {message.text}")
    return message


def _records(file: BinaryIO, size: int) -> Iterator[str]:
    while size:
        data = file.readline(min(size, MAX_RECORD_BYTES))
        if not data:
            raise NoAnswerError(f"broke off, {size} bytes before the end of its log")
        size -= len(data)
        yield data.decode("utf-8", "replace").removesuffix("\n")
