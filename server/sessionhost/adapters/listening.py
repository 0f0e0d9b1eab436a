"""Listening TCP sockets of the daemons, for both IP families. Accepts nothing."""

import errno
import socket

BACKLOG = 512
"""A failover brings all desks of a server at the same moment; the kernel cuts it to somaxconn."""


def listen(port: int, backlog: int = BACKLOG) -> socket.socket:
    """IPv6 and IPv4 on one socket; IPv4 alone where the kernel has no IPv6. OSError if in use."""
    try:
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
        )
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port), backlog=backlog)
