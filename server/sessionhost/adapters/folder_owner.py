"""Root's work in a daemon's folder, done with the rights of that daemon's user.

Whoever has taken over a daemon can put anything into its folder, links to root's files among it. As
its user, the kernel itself refuses what that user may not do, whatever is put there and whenever.
"""

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path


class NotPlainError(OSError):
    """Something else than a file of the folder's owner stands there; says what."""

    def __init__(self, path: Path, words: str) -> None:
        super().__init__(errno.EPERM, f"{path} {words}")

    def __str__(self) -> str:
        return str(self.strerror)


@contextlib.contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """For root: until it is left, this process may do what the folder's owner may, and no more.

    Nothing changes for others than root, nor in a folder that root alone can change. All threads of
    the process change at once, so this is for commands with one thread, never for a daemon.
    """
    uid = _owner(folder.absolute()) if os.geteuid() == 0 else 0
    if uid == 0:
        yield
        return
    try:
        account = pwd.getpwuid(uid)
        name, own_group = account.pw_name, account.pw_gid
    except KeyError:  # a folder of another machine's; such users have a group of the same number
        name, own_group = str(uid), uid
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    try:
        os.setegid(own_group)
        os.seteuid(uid)
        yield
    except PermissionError as error:
        words = f"is refused to user {name}, to whom {folder} belongs: look who made it"
        raise NotPlainError(Path(error.filename or folder), words) from error
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _owner(folder: Path) -> int:
    """Who can decide what stands there: its owner, or whose folder it is in; 0: root alone.

    Of a folder that is not there yet, that of the first one above it.
    """
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    for way in (there, there.resolve()):
        for place in (way, *way.parents):
            if uid := place.lstat().st_uid:
                return uid
    return 0


def open_plain(path: Path, how: int, mode: int = 0) -> int:
    """A descriptor of the file at `path`, as os.open; NotPlainError if it is a link or no file."""
    flags = how | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would keep us for ever
    try:
        descriptor = os.open(path, flags, mode)
    except OSError:
        check_plain(path)
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotPlainError(path, "is no file")


def check_plain(path: Path) -> None:
    """NotPlainError if what is there is a link or no file.

    A moment later it may be another thing: this is for words, rights are `as_owner`'s matter.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise NotPlainError(path, f"is a link, to {os.readlink(path)}: look who made it")
    if not stat.S_ISREG(mode):
        raise NotPlainError(path, "is no file")
