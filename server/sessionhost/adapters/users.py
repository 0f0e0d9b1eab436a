"""Names of Unix users, for the log."""

import os
import pwd
from pathlib import Path

LOGIN_UID = Path("/proc/self/loginuid")
"""Who logged in, kept by the kernel through sudo and su (pam_loginuid)."""

_UNSET = 2**32 - 1


def user_name(uid: int) -> str:
    """The user's name, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def uid_of(name: str) -> int:
    """The number of a user, -1 if this machine does not know the name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1


def person_behind(uid: int) -> str:
    """Who has become the user `uid`: by the kernel's word, else by sudo's; "" if nobody else."""
    try:
        login = int(LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):
        login = _UNSET
    if login not in (_UNSET, uid):
        return user_name(login)
    sudo = os.environ.get("SUDO_USER", "")
    return sudo if sudo.isprintable() and sudo != user_name(uid) else ""
