"""The terminal's end of TLS 1.3 with the group's certificates. No connection is made here."""

import asyncio
import os
import ssl
import stat
import time
from pathlib import Path

from dtu.core.piv.keys import common_name
from dtu.core.refusals import Refusal, Refused
from roamwire.errors import RemoteProtocolError
from roamwire.identity import peer_identity


class IdentityError(Exception):
    """A certificate or key that cannot be used, in words for the person who runs the terminal."""


class KeyOpenError(IdentityError):
    """Others can read this terminal's key, or somebody else has put it there."""


def check_key(key: Path) -> None:
    """KeyOpenError unless the key is ours alone; root's may be for our group too, as at servers.

    Who has a copy of it is this terminal, at every server, until it is revoked.
    """
    try:
        status = key.stat()
    except OSError:
        return  # whoever loads it says so
    mode = stat.S_IMODE(status.st_mode)
    allowed = 0o640 if status.st_uid == 0 else 0o600
    if os.geteuid() != 0 and status.st_uid not in (0, os.geteuid()):
        raise KeyOpenError(
            f"this terminal's key {key} belongs to user {status.st_uid}: it must be root's or of "
            f"the user of this terminal: chown {os.geteuid()} {key}"
        )
    if mode & ~allowed & 0o177:
        raise KeyOpenError(
            f"this terminal's key {key} has permissions {mode:04o}, open to others: "
            f"chmod {allowed:04o} {key}; if somebody may have read it, remove it instead, so that "
            "another one is made"
        )


def client_context(ca: Path, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """TLS 1.3 only, with servers of the group's CA; ours is shown if there is one.

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
    if cert is None:
        return context
    if key is not None:
        check_key(key)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise IdentityError(
            f"cannot use this terminal's identity {cert} with its key {key}: {error}; "
            "make both with 'roamctl dtu issue'"
        ) from error
    return context


_OUT_OF_DATE = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED (openssl/x509_vfy.h)."""

_ALERTS = (
    frozenset(f"{what}_CERTIFICATE" for what in ("BAD", "UNSUPPORTED"))
    | frozenset(f"CERTIFICATE_{what}" for what in ("REVOKED", "EXPIRED", "UNKNOWN", "REQUIRED"))
    | {"UNKNOWN_CA", "ACCESS_DENIED"}
)
"""TLS's alerts that are about our certificate (RFC 8446 section 6.2), by OpenSSL's names."""


def refused(error: BaseException | None, context: ssl.SSLContext, clock_s: float) -> Refused | None:
    """What a failed connection says about certificates, at that time of day; None if nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is refused: {error.verify_message}"
        if error.verify_code not in _OUT_OF_DATE:
            return Refused(Refusal.FOREIGN, reason)
        why = Refusal.EXPIRED if _ca_is_valid(context, clock_s) else Refusal.CLOCK
        clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(clock_s))
        return Refused(why, f"{reason}; our clock says {clock}", clock)
    if isinstance(error, ssl.SSLError):
        alert = (error.reason or "").partition("_ALERT_")[2]
        if alert in _ALERTS:
            words = alert.lower().replace("_", " ")
            return Refused(Refusal.OURS, f"it refuses our certificate: {words}")
    return None


def _ca_is_valid(context: ssl.SSLContext, clock_s: float) -> bool:
    """Our group's CA outlives every certificate that it signs, so a clock beyond it is wrong."""
    ends = [str(each["notAfter"]) for each in context.get_ca_certs()]
    return any(0 <= clock_s < ssl.cert_time_to_seconds(end) for end in ends)


def own_name(cert: Path) -> str:
    """This terminal's name by its certificate, which is the one that its cards' proofs are for."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    try:
        first = cert.read_text("ascii").split(begin, 1)[1].split(end, 1)[0]
        return common_name(ssl.PEM_cert_to_DER_cert(f"{begin}{first}{end}\n"))
    except (OSError, ValueError, IndexError) as error:
        raise IdentityError(f"cannot read a name in {cert}: {error}") from error


def server_name(transport: asyncio.BaseTransport) -> str:
    """The server's name by its certificate; RemoteProtocolError if it is no server of the group."""
    connection = transport.get_extra_info("ssl_object")
    if connection is None:
        raise RemoteProtocolError("certificate", "the connection has no TLS")
    return peer_identity(connection.getpeercert(), "server").name
