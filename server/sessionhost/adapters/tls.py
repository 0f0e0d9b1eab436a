"""The server's end of TLS 1.3 with the group's certificates. Making certificates is not here."""

import ssl
from pathlib import Path
from typing import Protocol

from roamwire.errors import RemoteProtocolError
from roamwire.identity import Role, peer_identity
from sessionhost.adapters.keyfiles import KeyFileError, check_private


class TlsSettings(Protocol):
    """What of the config is needed here."""

    @property
    def group_dir(self) -> Path: ...
    @property
    def identity_cert(self) -> Path: ...
    @property
    def identity_key(self) -> Path: ...


class IdentityError(Exception):
    """A certificate or key that cannot be used, in words for the person who runs the server."""


MAX_READS_AFTER_REFUSAL = 4
"""What comes after a refusal is not looked at; a terminal's hello and its farewell are two."""


class _Refuser(ssl.SSLObject):
    """Tells a terminal that its certificate is refused; its person reads it on the screen.

    asyncio drops a connection whose handshake fails before OpenSSL's alert is sent. As long as more
    bytes are wanted it sends what there is; the terminal then hangs up, or the time-out of the
    handshake ends it.
    """

    _refusal: ssl.SSLError | None = None
    _reads = 0

    def do_handshake(self) -> None:
        if self._refusal is None:
            try:
                super().do_handshake()
                return
            except ssl.SSLError as error:
                if not _about_certificate(error):
                    raise
                self._refusal = error
        self._reads += 1
        if self._reads > MAX_READS_AFTER_REFUSAL:
            raise self._refusal
        raise ssl.SSLWantReadError("an alert is on its way")


def _about_certificate(error: ssl.SSLError) -> bool:
    missing = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    return isinstance(error, ssl.SSLCertVerificationError) or error.reason == missing


def server_context(config: TlsSettings, *, strangers: bool = False) -> ssl.SSLContext:
    """TLS 1.3 only; without a certificate of the group nobody gets in, unless for `strangers`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL if strangers else ssl.CERT_REQUIRED
    # No session tickets: they cost two messages a connection, and a DTU that comes back must
    # show its certificate again.
    context.num_tickets = 0
    context.sslobject_class = _Refuser
    _load(context, config)
    return context


def client_context(config: TlsSettings) -> ssl.SSLContext:
    """TLS 1.3 to another server of the group, with this one's certificate.

    The caller looks at the other end's name: `roamwire.identity.peer_identity`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    _load(context, config)
    return context


def _load(context: ssl.SSLContext, config: TlsSettings) -> None:
    """The group's roots and this server's identity."""
    ca_cert = config.group_dir / "ca.crt"
    try:
        context.load_verify_locations(cafile=ca_cert)
    except OSError as error:
        raise IdentityError(f"cannot use the group's CA certificate {ca_cert}: {error}") from error
    try:
        check_private(config.identity_key)
        context.load_cert_chain(config.identity_cert, config.identity_key)
    except KeyFileError as error:
        raise IdentityError(str(error)) from error
    except OSError as error:
        raise IdentityError(
            f"cannot use this server's identity {config.identity_cert} with its key "
            f"{config.identity_key}: {error}; make both with 'roamctl server issue'"
        ) from error


def peer_name(connection: ssl.SSLObject | ssl.SSLSocket, role: Role = "dtu") -> str:
    """The name in the other end's verified certificate; empty if it has another role."""
    try:
        return peer_identity(connection.getpeercert(), role).name
    except RemoteProtocolError:
        return ""
