"""One password, looked at by PAM. Started by launcherd as root: `python -I -S this-file UID...`.

The arguments are the uids of the server's own daemons, which are nobody's account.
The user's name and the password come over the standard input, so that no list of processes shows
them; what goes out is one line, `RESULT NAME`, with the account's name as the system writes it.
"""

import os
import pwd
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sessionhost.adapters.pam import PamError, check_password
from sessionhost.adapters.process_tree import forbid_core_dumps
from sessionhost.core.launching import OrderError, check_account

PAM_SERVICE = "roamdesk-password"
MAX_BYTES = 4096

NOBODY = "roamdesk-no-such-user"
"""Whom PAM is asked for instead of root and daemons: it takes its usual time, and refuses."""


def main() -> int:
    """Reads, asks, prints."""
    forbid_core_dumps()  # before any password is read
    user, _, password = sys.stdin.buffer.read(MAX_BYTES).decode("utf-8").partition("\0")
    name = _person(user, {int(uid) for uid in sys.argv[1:]})
    try:
        result = check_password(PAM_SERVICE, name, password)
    except (PamError, OSError) as error:
        print(f"password_check: {error}", file=sys.stderr)
        result = "down"
    print(result, name)
    return 0


def _person(user: str, daemons: set[int]) -> str:
    try:
        account = pwd.getpwnam(user)
        check_account(account.pw_name, account.pw_uid, daemons)
    except (KeyError, ValueError, OrderError):
        return NOBODY
    return account.pw_name


if __name__ == "__main__":
    sys.exit(main())
