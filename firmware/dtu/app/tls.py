"""The terminal's end of TLS 1.3 with the group's certificates. No connection is made here."""

import asyncio
import ssl
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.identity import peer_identity


class IdentityError(Exception):
    """A certificate or key that cannot be used, in words for the person who runs the terminal."""


def client_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.3 only, both sides with certificates of the group's CA.

    Names are not checked by ssl: servers have addresses, and `server_name` reads who it is from
    the role mark. A terminal whose clock stands at 1970 gets in: certificates are valid from then.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cafile=ca)
    except OSError as error:
        raise IdentityError(f"cannot use the group's CA certificate {ca}: {error}") from error
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise IdentityError(
            f"cannot use this terminal's identity {cert} with its key {key}: {error}; "
            "make both with 'roamctl dtu issue'"
        ) from error
    return context


def server_name(transport: asyncio.BaseTransport) -> str:
    """The server's name by its certificate; RemoteProtocolError if it is no server of the group."""
    connection = transport.get_extra_info("ssl_object")
    if connection is None:
        raise RemoteProtocolError("certificate", "the connection has no TLS")
    return peer_identity(connection.getpeercert(), "server").name
