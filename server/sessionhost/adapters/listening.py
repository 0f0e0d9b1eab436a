"""Listening TCP sockets of the daemons, for both IP families. Accepts nothing."""

import errno
import socket


def listen(port: int, backlog: int = 100) -> socket.socket:
    """IPv6 and IPv4 on one socket; IPv4 alone where the kernel has no IPv6. OSError if in use."""
    try:
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
        )
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port), backlog=backlog)
