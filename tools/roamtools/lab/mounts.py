"""A node's private view of the machine's files; which processes run in it is not here.

Everything is mounted in the node's own mount namespace, so that nothing is seen from outside and
all of it is gone with the node's last process.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from roamtools.lab import kernel
from roamtools.lab.plan import NODE_DIR

LOWER = Path("/run/lower")  # the machine's own directories that are covered
X11_SOCKETS = Path("/tmp/.X11-unix")
TMPFS_BYTES = 256 * 1024 * 1024
"""Of each: what fills one in a node must not take the machine's memory."""


@dataclass(frozen=True)
class View:
    """What a node sees in place of the machine's own files."""

    node_dir: Path  # shown at /run/lab; its etc/ is laid over /etc
    home: Path | None  # shown at /home
    state_dir: str  # name under /var/lib that is node_dir/state
    needs: tuple[Path, ...]  # trees that every user of the node must be able to read


def enter(view: View) -> None:
    """Move the calling process into the view. Needs root and a PID namespace of its own."""
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
    kernel.mount("none", Path("/"), flags=kernel.MS_REC | kernel.MS_PRIVATE)
    # Opened before anything is covered; a bind mount from a descriptor finds what is underneath.
    shown = {
        path: os.open(path, os.O_PATH)
        for path in (view.node_dir, Path("/etc"), Path("/var/lib"), *view.needs)
    }
    home = os.open(view.home, os.O_PATH) if view.home else None
    _private_tmpfs(Path("/run"), 0o755)
    for path in (Path("/tmp"), Path("/dev/shm"), Path("/var/tmp")):
        _private_tmpfs(path, 0o1777)
    # root's daemons write their caches there; the machine's own /root stays as it is.
    _private_tmpfs(Path("/root"), 0o755)
    X11_SOCKETS.mkdir(mode=0o1777)
    X11_SOCKETS.chmod(0o1777)
    NODE_DIR.mkdir()
    _bind_descriptor(shown[view.node_dir], NODE_DIR)
    _cover(Path("/etc"), shown[Path("/etc")])
    lay_over(NODE_DIR / "etc", Path("/etc"))
    _cover(Path("/var/lib"), shown[Path("/var/lib")])
    state = Path("/var/lib") / view.state_dir
    state.unlink(missing_ok=True)
    state.mkdir()
    kernel.bind(NODE_DIR / "state", state)
    if home is not None:
        _bind_descriptor(home, Path("/home"))
    for path in view.needs:
        _make_readable(path, shown[path])
    kernel.mount("proc", Path("/proc"), "proc")
    kernel.mount("sysfs", Path("/sys"), "sysfs")
    for descriptor in (*shown.values(), *([] if home is None else [home])):
        os.close(descriptor)


def _private_tmpfs(path: Path, mode: int) -> None:
    kernel.mount("lab", path, "tmpfs", options=f"mode={mode:o},size={TMPFS_BYTES}")


def _bind_descriptor(descriptor: int, target: Path) -> None:
    kernel.bind(Path(f"/proc/self/fd/{descriptor}"), target)


def _cover(path: Path, descriptor: int) -> None:
    """Replace a directory by one of links to the same entries, in which entries can be replaced.

    An overlay mount would do the same; not every kernel and container allows one.
    """
    lower = LOWER / path.name
    lower.mkdir(parents=True)
    _bind_descriptor(descriptor, lower)
    _private_tmpfs(path, 0o755)
    _link_entries(lower, path)


def _link_entries(source: Path, target: Path) -> None:
    for entry in source.iterdir():
        (target / entry.name).symlink_to(entry)


def lay_over(source: Path, target: Path) -> None:
    """Put the entries of `source` into a covered directory, merging directories of one name."""
    for entry in source.iterdir():
        place = target / entry.name
        if place.is_symlink() and place.is_dir() and entry.is_dir():
            lower = place.resolve()
            place.unlink()
            place.mkdir()
            _link_entries(lower, place)
            lay_over(entry, place)
            continue
        if place.is_symlink() or place.exists():
            place.unlink()
        place.symlink_to(entry)


def _make_readable(path: Path, descriptor: int) -> None:
    """Show a tree at its own path again if it was covered, or lies where only root can go.

    A clone under /root, /home or /tmp is such a tree, and the daemons are not root.
    """
    for ancestor in reversed(path.parents):
        if ancestor.is_dir() and not ancestor.stat().st_mode & 0o001:
            _private_tmpfs(ancestor, 0o755)
            break
    shown = os.fstat(descriptor)
    if path.is_dir() and os.path.samestat(path.stat(), shown):
        return
    path.mkdir(parents=True, exist_ok=True)
    _bind_descriptor(descriptor, path)


def trees_needed(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Of these trees the ones that may be hidden or closed: not /usr, none within another."""
    kept: list[Path] = []
    for path in sorted({path.resolve() for path in paths}, key=lambda path: len(path.parts)):
        if path.is_relative_to("/usr") or path == Path("/"):
            continue
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return tuple(kept)


def remove_tree(path: Path) -> None:
    """Remove a lab's directory; there is nothing mounted in it that could be hit."""
    shutil.rmtree(path, ignore_errors=True)
