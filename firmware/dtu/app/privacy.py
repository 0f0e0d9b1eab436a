"""Keeps this process's memory, where PINs and passwords pass, out of files and other programs."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_core_dumps() -> None:
    """No dump of this process's memory, neither to a file nor to a handler; nor may others read it.

    A limit of 0 alone does not stop a handler that the kernel pipes dumps to (core(5)). OSError if
    the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl PR_SET_DUMPABLE")
