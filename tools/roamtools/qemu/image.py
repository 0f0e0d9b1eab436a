"""Makes the test guest's disk, kernel and initrd, once a recipe. QEMU is not started here."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("ROAMDESK_QEMU_CACHE") or ROOT / "build" / "qemu")
"""Where disks are kept; several trees may share one by the variable."""

_SUITE = "trixie"
_PYTHON = "3.13"
_DISK_MIB = 2048
_BUILD_TIMEOUT_S = 1800.0

_PACKAGES = (
    "linux-image-amd64",  # the cloud kernel has neither USB nor DRM
    "initramfs-tools",
    "zstd",
    "udev",
    "kmod",
    "iproute2",
    "python3",
    "python3-evdev",  # has no wheel for Linux, so the images take Debian's too
    "python3-pyscard",  # the same
    "libturbojpeg0",  # the decoder loads it
    "libxkbcommon0",  # keyboard layouts of the terminal's own forms
    "xkb-data",
    "fonts-dejavu-core",
    "systemd",  # for tests of units; other guests start without it
    "udhcpc",
    "dnsmasq-base",
    "ndisc6",
)

# What of the lock is not taken as a wheel: Debian's packages above, and the tools of developers.
_NOT_WHEELS = (
    "evdev", "pyscard", "ruff", "mypy", "mypy-extensions", "librt", "ast-serialize", "pathspec",
    "pip-tools", "build", "pyproject-hooks", "click", "wheel", "pip", "setuptools",
)  # fmt: skip

# The initrd has only what the disk needs: unpacking all modules takes TCG several seconds.
_INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4")

_PLATFORMS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64")

# The first process in the guest: fetches the tree, which says what to do. Changes seldom, for the
# disk is made anew when it does.
_INIT = """#!/bin/sh
mount -o remount,rw /
mkdir -p /src /out
modprobe -a 9pnet_virtio 9p
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro tree /src
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=none out /out
exec sh /src/tools/roamtools/qemu/guest_init.sh
"""

Say = Callable[[str], None]


class ImageError(Exception):
    """The guest's disk could not be made; the text says which step failed and what it said."""


@dataclass(frozen=True)
class GuestImage:
    """What QEMU boots; none of the files is written to by a guest."""

    kernel: Path
    initrd: Path
    disk: Path


def guest_image(say: Say) -> GuestImage:
    """The guest's image from the cache, or made now (2 to 5 minutes); needs root."""
    folder = CACHE / f"guest-{_recipe_digest()}"
    image = GuestImage(folder / "vmlinuz", folder / "initrd.img", folder / "root.ext4")
    if image.disk.exists():
        return image
    if os.geteuid() != 0:
        raise ImageError("making the test guest needs root: run 'make test-qemu', it asks sudo")
    CACHE.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="making-", dir=CACHE))
    try:
        _build(work, say)
        (work / "root").rename(work / "unpacked")
        shutil.rmtree(work / "unpacked")
        if not image.disk.exists():
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return image


def _build(work: Path, say: Say) -> None:
    root = work / "root"
    say("making the test guest: Debian packages")
    _run(
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--quiet"),
        *("--aptopt=Apt::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        *(f"--essential-hook={_initrd_hook()}", f"--include={','.join(_PACKAGES)}"),
        *("--components=main", _SUITE, str(root)),
    )
    say("making the test guest: Python packages")
    requirements = work / "requirements.txt"
    requirements.write_text(_locked(), encoding="utf-8")
    packages = root / "usr/local/lib" / f"python{_PYTHON}" / "dist-packages"
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-compile", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        *("--root-user-action=ignore", "--implementation=cp", f"--python-version={_PYTHON}"),
        *(f"--platform={each}" for each in _PLATFORMS),
        *(f"--target={packages}", "--requirement", str(requirements)),
    )
    _run("chroot", str(root), "python3", "-m", "compileall", "-q", f"/{packages.relative_to(root)}")
    init = root / "usr/local/sbin/guest-init"
    init.write_text(_INIT, encoding="ascii")
    init.chmod(0o755)
    say("making the test guest: disk")
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), work / "vmlinuz")
    shutil.copy(next((root / "boot").glob("initrd.img-*")), work / "initrd.img")
    disk = work / "root.ext4"
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk), f"{_DISK_MIB}M")


def _initrd_hook() -> str:
    modules = "\\n".join(_INITRD_MODULES)
    return (
        'mkdir -p "$1/etc/initramfs-tools/conf.d"'
        ' && echo MODULES=list >"$1/etc/initramfs-tools/conf.d/guest"'
        f' && printf "{modules}\\n" >"$1/etc/initramfs-tools/modules"'
    )


def _locked() -> str:
    """Those entries of the lock, with their hashes, that the guest takes as wheels."""
    lock = ROOT / "tools" / "requirements" / f"python-{_PYTHON}.txt"
    kept: list[str] = []
    keep = False
    for line in lock.read_text(encoding="utf-8").splitlines():
        name = re.match(r"([A-Za-z0-9_.-]+)==", line)
        if name is not None:
            keep = name[1].lower() not in _NOT_WHEELS
        elif not line.startswith(" "):
            keep = False
        if keep:
            kept.append(line)
    return "\n".join(kept) + "\n"


def _recipe_digest() -> str:
    recipe = "\n".join([_SUITE, str(_DISK_MIB), *_PACKAGES, *_INITRD_MODULES, _locked(), _INIT])
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _run(*command: str) -> None:
    done = _completed(command)
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-12:])
        raise ImageError(f"making the test guest: {command[0]} failed:\n{last}")


def _completed(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise ImageError(f"{command[0]} is not installed: run 'make install'") from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"{command[0]} did not end in {_BUILD_TIMEOUT_S:.0f} s") from None
