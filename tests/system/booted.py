"""A container that systemd boots with our units, so that their sandboxes hold. No tests here.

systemd-nspawn runs this machine's own root as an overlay: what is installed here is there, what is
written there is gone afterwards. The tree and its environment are bound in under /opt, because a
unit with ProtectHome= would not see them in a home.
"""

import contextlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server_box import REPOSITORY, Authority, wait_for

TARGET = "roamdesk-box.target"
TREE = "/opt/roamdesk/tree"
PACKAGES = "/opt/roamdesk/packages"
BOOT_S = 60.0


@dataclass
class Booted:
    """A running container."""

    root: Path
    """Its root as this machine sees it."""
    init: int
    """Its first process, by this machine's number."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self.init), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=60, check=False
        )

    def active(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", unit).stdout.strip() == "active"

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def start(self, unit: str) -> None:
        """Starts a unit that tells when it serves, or is told to have failed."""
        told = self.run("systemctl", "start", unit)
        assert told.returncode == 0, f"{told.stderr}\n{self.journal(unit)}"


@contextlib.contextmanager
def booted(prepare) -> Iterator[Booted]:
    """The container; `prepare` gets its root before it boots, and puts units and files there."""
    work = Path(tempfile.mkdtemp(prefix="roamdesk-booted-", dir="/run"))
    root = work / "root"
    for name in ("root", "upper", "scratch"):
        (work / name).mkdir()
    layers = f"lowerdir=/,upperdir={work}/upper,workdir={work}/scratch"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, root], check=True)
    process = None
    try:
        _our_packages(root)
        (root / "etc" / "systemd" / "system" / TARGET).write_text(
            "[Unit]\nRequires=basic.target dbus.socket\nAfter=basic.target\nAllowIsolate=yes\n"
        )
        prepare(root)
        process = _boot(root, work.name)
        box = Booted(root, _first_process(process))
        wait_for(lambda: box.active(TARGET), BOOT_S, "the container has booted")
        yield box
    finally:
        if process is not None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        subprocess.run(["umount", "-l", root], check=True)
        shutil.rmtree(work)


def _our_packages(root: Path) -> None:
    """Makes the system's Python of the container find the tree and its environment."""
    version = f"python{sys.version_info.major}"
    folder = root / "usr" / "lib" / version / "dist-packages"
    trees = "\n".join(f"{TREE}/{name}" for name in ("wire", "server", "firmware", "tools"))
    # Ours come first: Debian 12 has python3-cryptography 38, and 42 is needed.
    first = f"import sys; sys.path.insert(0, {PACKAGES!r})"
    (folder / "roamdesk-booted.pth").write_text(f"{first}\n{trees}\n")


def _boot(root: Path, name: str) -> subprocess.Popen[bytes]:
    command = [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"),
        *("--private-network", "--console=passive", f"--machine={name}", f"-D{root}"),
        f"--bind-ro={REPOSITORY}:{TREE}",
        f"--bind-ro={sysconfig.get_path('purelib')}:{PACKAGES}",
        *("--", f"--unit={TARGET}"),
    ]
    with (root.parent / "console").open("wb") as console:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
        )


def _first_process(nspawn: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")

    def named_systemd() -> int:
        for child in children.read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        assert nspawn.poll() is None, "systemd-nspawn has ended"
        return 0

    return wait_for(named_systemd, BOOT_S, "the container's systemd")


def server_files(root: Path, authority_dir: Path) -> Authority:
    """Everything that a session host has under /etc and its units, for `prepare`."""
    server = REPOSITORY / "server"
    units = root / "etc" / "systemd" / "system"
    for unit in (*server.glob("systemd/*.service"), *server.glob("systemd/*.slice")):
        shutil.copyfile(unit, units / unit.name)
    for kind in ("sysusers", "tmpfiles"):
        folder = root / "usr" / "lib" / f"{kind}.d"
        shutil.copyfile(server / "systemd" / f"roamdesk.{kind}.conf", folder / "roamdesk.conf")
    (root / "usr/lib/sysusers.d/people.conf").write_text(
        'u alice 2001 "Alice" /home/alice /bin/sh\n'
    )
    for service in (server / "etc/pam.d").iterdir():
        shutil.copyfile(service, root / "etc/pam.d" / service.name)
    etc = root / "etc/roamdesk"
    shutil.copytree(server / "etc/recipes", etc / "recipes")
    return Authority(authority_dir)
