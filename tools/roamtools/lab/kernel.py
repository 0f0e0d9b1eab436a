"""The few Linux calls that Python 3.11 does not have: namespaces, mounts, death of the parent."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Leave the named namespaces of the process for new ones."""
    _check(_libc.unshare(flags), f"unshare 0x{flags:x}")


def setns(descriptor: int, flags: int) -> None:
    """Enter the namespace that an open /proc/PID/ns/* file stands for."""
    _check(_libc.setns(descriptor, flags), f"setns 0x{flags:x}")


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(), bytes(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(result, f"mount {source} on {target}")


def bind(source: Path, target: Path) -> None:
    """Show `source`, with what is mounted below it, at `target` too."""
    mount(str(source), target, flags=MS_BIND | MS_REC)


def set_hostname(name: str) -> None:
    """Name of the machine in this UTS namespace."""
    raw = name.encode()
    _check(_libc.sethostname(raw, len(raw)), f"sethostname {name}")


def die_with_parent(signal_number: int) -> None:
    """Get this signal when the parent thread ends, however it ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl PDEATHSIG")


def new_network_namespace() -> int:
    """Descriptor of a fresh network namespace; the caller stays in its own."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        unshare(CLONE_NEWNET)
        try:
            return os.open("/proc/self/ns/net", os.O_RDONLY)
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)


def fork_into_pid_namespace() -> int:
    """Fork a child that is PID 1 of a new PID namespace; 0 in the child, its PID in the parent."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        unshare(CLONE_NEWPID)
        child = os.fork()
        if child:
            # Without this the parent's next child would land in the same new namespace.
            setns(own, CLONE_NEWPID)
        return child
    finally:
        os.close(own)
