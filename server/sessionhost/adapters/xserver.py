"""Xtigervnc for one session: its command line and its key file. Starting it is the leader's."""

import os
import struct

_FAMILY_WILD = 0xFFFF
_COOKIE_NAME = b"MIT-MAGIC-COOKIE-1"


def command(display_fd: int, auth_file: str, width: int, height: int, title: str) -> list[str]:
    """The X server's command line; its RFB clients come in through file descriptor 0.

    `-inetd` with a listening socket means "accept there" (inetd's wait mode). So the launcher
    makes the socket, in a place and with rights that the session's user never has.

    X clients try the abstract socket of their display before the one in /tmp. So the server listens
    on both: were it not to take the abstract one, another user's server could, and get our clients.
    """
    return [
        "Xtigervnc",
        "-inetd",
        *("-displayfd", str(display_fd)),
        *("-auth", auth_file),
        *("-geometry", f"{width}x{height}"),
        *("-depth", "24"),
        "-br",
        "-noreset",
        *("-nolisten", "tcp"),
        *("-SecurityTypes", "None"),  # the gateway has checked ticket and certificate
        *("-desktop", title),
        "-AcceptSetDesktopSize=1",
        "-RawKeyboard=1",  # the session's layout, not the terminal's, says what a key writes
        # A newcomer replaces whoever is connected: the gateway lets only the newest epoch in.
        "-NeverShared=1",
        "-DisconnectClients=1",
    ]


def authority() -> bytes:
    """A new key for an Xauthority file that fits any display number (Xau(3), FamilyWild)."""
    parts = (b"", b"", _COOKIE_NAME, os.urandom(16))
    return struct.pack(">H", _FAMILY_WILD) + b"".join(
        struct.pack(">H", len(part)) + part for part in parts
    )
