"""Who a certificate of the group speaks for: its role and name. Making certificates is not here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from roamwire.errors import RemoteProtocolError

Role = Literal["server", "dtu"]

_SCHEME = "roamdesk://"
# One DNS label or dotted name; a certificate's common name has at most 64 characters.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?\Z")


@dataclass(frozen=True)
class Identity:
    """The holder of a certificate that the group's CA signed."""

    role: Role
    name: str

    @property
    def uri(self) -> str:
        """The subject alternative name that marks the role: `roamdesk://server/s1`."""
        return f"{_SCHEME}{self.role}/{self.name}"


def name_problem(name: str) -> str | None:
    """What is wrong with a host's or terminal's name; None when it is right."""
    if _NAME.match(name):
        return None
    return f"is not a name of at most 63 letters, digits, dots and dashes: {name[:80]!r}"


def peer_identity(certificate: Mapping[str, Any] | None, role: Role) -> Identity:
    """The identity in what `ssl.SSLSocket.getpeercert()` gave, if it has `role`.

    Raises RemoteProtocolError (reason `certificate`) if not: a terminal's certificate, though the
    same CA signed it, must never pass for a server's.
    """
    if not certificate:
        raise RemoteProtocolError("certificate", "the other end showed no certificate")
    marks = [uri for uri in _uris(certificate) if uri.startswith(_SCHEME)]
    if len(marks) != 1:
        raise RemoteProtocolError("certificate", f"{len(marks)} role marks instead of one")
    found, _, name = marks[0].removeprefix(_SCHEME).partition("/")
    if found != role:
        raise RemoteProtocolError("certificate", f"its role is {found[:20]!r}, not {role!r}")
    if name_problem(name) or [name] != list(_common_names(certificate)):
        raise RemoteProtocolError("certificate", f"the role mark and the subject differ: {name!r}")
    return Identity(role, name)


def _uris(certificate: Mapping[str, Any]) -> Iterator[str]:
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "URI":
            yield value


def _common_names(certificate: Mapping[str, Any]) -> Iterator[str]:
    for relative_name in certificate.get("subject", ()):
        for key, value in relative_name:
            if key == "commonName":
                yield value
