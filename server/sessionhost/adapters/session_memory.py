"""What a session may fill: a tmpfs of its own, in a mount namespace that only its processes are in.

run_dir is part of the machine's /run: who fills that up stops the daemons and every other session.
Nobody has to unmount anything, whoever was killed: the namespace ends with its last process.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

RUNTIME_BYTES = 64 * 1024 * 1024
RUNTIME_INODES = 16_384
"""Of XDG_RUNTIME_DIR: programs keep sockets and small state in it. Each file also costs the kernel
a kilobyte. Where pam_systemd gives users a directory of their own, that one is used instead."""

X_BYTES = 8 * 1024 * 1024
"""Of the X server's /tmp, where it has a compiled keyboard layout (some 20 kB) for a moment."""

X_SOCKETS = "/tmp/.X11-unix"

_CLONE_NEWNS = 0x20000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 4096, 16384, 1 << 19


@contextlib.contextmanager
def runtime_dir(path: str, uid: int, gid: int) -> Iterator[None]:
    """Processes that are forked in the block see a tmpfs of that user's at `path`; needs root.

    OSError if the kernel refuses. What is mounted on the machine later is seen by them too.
    """
    outside = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter_new_namespace()
        try:
            options = (
                f"mode=0700,uid={uid},gid={gid},size={RUNTIME_BYTES},nr_inodes={RUNTIME_INODES}"
            )
            _mount("roamdesk", path, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
            yield
        finally:
            _check(_LIBC.setns(outside, _CLONE_NEWNS), "setns")
    finally:
        os.close(outside)


def private_tmp() -> None:
    """Gives this process, an X server to be, a /tmp that nobody else can fill; needs root.

    The sockets of all X servers are in it as before.
    """
    _enter_new_namespace()
    sockets = os.open(X_SOCKETS, os.O_PATH | os.O_CLOEXEC)
    try:
        _mount("roamdesk", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode=1777,size={X_BYTES}")
        os.mkdir(X_SOCKETS)
        _mount(f"/proc/self/fd/{sockets}", X_SOCKETS, "", _MS_BIND)
    finally:
        os.close(sockets)


def _enter_new_namespace() -> None:
    _check(_LIBC.unshare(_CLONE_NEWNS), "unshare")
    _mount("none", "/", "", _MS_REC | _MS_SLAVE)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [os.fsencode(text) for text in (source, target, kind, options)]
    status = _LIBC.mount(*words[:3], ctypes.c_ulong(flags), words[3])
    _check(status, f"mount on {target}")


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


_LIBC = ctypes.CDLL(None, use_errno=True)
