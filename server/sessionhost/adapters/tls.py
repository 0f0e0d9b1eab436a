"""TLS as the server speaks it: 1.3 only, both sides with certificates of the group's CA."""

import ssl
from pathlib import Path

from sessionhost.adapters.keyfiles import KeyFileError, check_private


def server_context(identity_cert: Path, identity_key: Path, ca_cert: Path) -> ssl.SSLContext:
    """A context that accepts only holders of certificates of the group; KeyFileError if not made.

    The role of the other end is not checked here: use `roamwire.identity.peer_identity`.
    """
    check_private(identity_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # Nobody resumes: a terminal that comes back must show its certificate again.
    context.num_tickets = 0
    try:
        context.load_cert_chain(identity_cert, identity_key)
    except (OSError, ssl.SSLError) as error:
        raise KeyFileError(
            f"{identity_cert} and {identity_key} are not a certificate with its key ({error}); "
            "make them with 'roamctl server issue'"
        ) from error
    try:
        context.load_verify_locations(ca_cert)
    except (OSError, ssl.SSLError) as error:
        raise KeyFileError(f"{ca_cert} is not the group's CA certificate ({error})") from error
    return context
