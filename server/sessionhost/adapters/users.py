"""Names of Unix users, for the log."""

import pwd


def user_name(uid: int) -> str:
    """The user's name, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
