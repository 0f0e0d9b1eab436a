"""One session host in a mount and PID namespace of its own, with users of its own. No tests here.

The machine's accounts are not touched: the box sees its own passwd, group and shadow. When its
first process ends, the kernel ends everything in it.
"""

import contextlib
import datetime
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roamwire.identity import Identity, Role
from sessionhost.adapters import pki
from sessionhost.adapters.revoked_file import RevokedFile

REPOSITORY = Path(__file__).resolve().parents[2]
USERS = {
    "roamdesk": 990,
    "roamdesk-display": 991,
    "roamdesk-enrol": 992,
    "alice": 2001,
    "bob": 2002,
}
SOCKETS = {
    "launcherd": "launcher.sock",
    "displayd": "display.sock",
    "hostd": "admin.sock",
}
PACKAGES = Path(sysconfig.get_path("purelib")).relative_to(REPOSITORY)
"""Of the tree's own environment: the box sees no other folder of this machine's users."""

INIT = "import signal as s; s.signal(s.SIGCHLD, s.SIG_IGN)\nprint(flush=True)\nwhile 1: s.pause()"


def wait_for(condition, seconds=10.0, what="condition"):
    """Polls; system tests only."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.005)


class Authority:
    """A throw-away group with its certificate authority."""

    def __init__(self, directory: Path, name: str = "test") -> None:
        self._directory = directory
        self._ca = pki.create_group(directory / "ca", name, _now(), os.urandom)
        self.certificate = directory / "ca.crt"
        shutil.copyfile(directory / "ca" / "ca.crt", self.certificate)

    def issue(self, role: Role, name: str) -> tuple[Path, Path]:
        issued = self._ca.issue(Identity(role, name), _now())
        paths = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        paths[0].write_bytes(issued.certificate)
        paths[1].write_bytes(issued.key)
        os.chown(paths[1], 0, USERS["roamdesk"])
        paths[1].chmod(0o640)  # the display gateway is in that group
        return paths

    def client_context(self, name: str, role: Role = "dtu") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False
        context.load_cert_chain(*self.issue(role, name))
        return context


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass
class ServerBox:
    """Files, namespaces and daemons of one session host."""

    root: Path
    port: int
    enrol_port: int
    authority: Authority
    init: subprocess.Popen

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def group(self) -> Path:
        """What this server has of its group."""
        return self.root / "group"

    @property
    def enrol_dir(self) -> Path:
        return self.root / "enrol"

    @property
    def config(self) -> Path:
        return self.root / "server.toml"

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def recipes(self) -> Path:
        """A copy of the real recipes, to which a test may add."""
        return self.root / "recipes"

    @property
    def python(self) -> str:
        """The machine's own; `command` shows it this tree and its packages."""
        return os.path.realpath(sys.executable)

    def home(self, user: str) -> Path:
        return self.root / "home" / user

    def command(self, *command: str, user: str = "root", beside: int = 0) -> list[str]:
        """A command line that runs `command` in the box as `user`; `beside`: with the files that
        this process of a session sees."""
        pid = str(beside or self.first_pid())
        paths = [self.repository / name for name in ("server", "wire", PACKAGES)]
        environment = [f"PYTHONPATH={':'.join(map(str, paths))}"]
        environment.append("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        enter = ["nsenter", "-t", pid, "-m", "-p", "env", "-i", *environment]
        if user != "root":
            uid = str(USERS[user])
            enter += ["setpriv", "--reuid", uid, "--regid", uid, "--init-groups"]
        return [*enter, *command]

    def first_pid(self) -> int:
        children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        return int(children[0])

    def run(
        self, *command: str, user: str = "root", beside: int = 0
    ) -> subprocess.CompletedProcess:
        line = self.command(*command, user=user, beside=beside)
        return subprocess.run(line, capture_output=True, text=True, check=False)

    def start(self, name: str, user: str = "root") -> None:
        """Starts a daemon as a child of the box's first process, and waits until it listens."""
        log = self.root / f"{name}.log"
        log.touch()
        log.chmod(0o666)
        line = f"{self.python} -m sessionhost.app.{name} --config {self.config}"
        self.run("/bin/sh", "-c", f"exec </dev/null >/dev/null; {line} 2>>{log} &", user=user)
        try:
            wait_for(lambda: self._listens(name), what=f"{name} listens")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log:\n{self.log(name)}") from None

    def end(self, name: str, number: int = signal.SIGKILL) -> None:
        """Ends a daemon and waits until it is gone."""
        for pid in self.find(f"sessionhost.app.{name} "):
            os.kill(pid, number)
        wait_for(lambda: not self.find(f"sessionhost.app.{name} "), what=f"{name} is gone")

    def _listens(self, name: str) -> bool:
        said = {
            "displayd": f"TCP port {self.port}",
            "hostd": "serves on port",
            "enrold": f"TCP port {self.enrol_port}",
        }
        if said.get(name, "") not in self.log(name):
            return False
        if name not in SOCKETS:
            return True
        path = self.run_dir / SOCKETS[name]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return True
        return False

    def log(self, name: str) -> str:
        path = self.root / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def processes(self) -> dict[int, tuple[int, str]]:
        """PID (as we see it) to uid and command line of what runs in the box."""
        namespace = os.stat(f"/proc/{self.first_pid()}/ns/pid").st_ino
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with contextlib.suppress(OSError):
                if os.stat(entry / "ns" / "pid").st_ino != namespace:
                    continue
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if line:
                    found[int(entry.name)] = (entry.stat().st_uid, line)
        return found

    def find(self, words: str) -> list[int]:
        return [pid for pid, (_, line) in self.processes().items() if words in line]


@contextlib.contextmanager
def server_box() -> Iterator[ServerBox]:
    """A box without daemons; nothing of it is left afterwards."""
    root = Path(tempfile.mkdtemp(prefix="roamdesk-box-", dir="/run"))
    root.chmod(0o755)
    port, enrol_port = _free_port(), _free_port()
    init = None
    try:
        group = root / "group"
        group.mkdir()
        authority = Authority(group)
        certificate, key = authority.issue("server", "server1")
        _write_files(root, port, certificate, key)
        _write_enrolment(root, enrol_port)
        init = subprocess.Popen(_init_command(root), stdout=subprocess.PIPE)
        assert init.stdout is not None
        assert init.stdout.readline() == b"\n", "the namespaces could not be made"
        yield ServerBox(root, port, enrol_port, authority, init)
    finally:
        if init is not None:
            init.kill()  # --kill-child: its child is the first process of the PID namespace
            init.wait()
            init.stdout.close()
            wait_for(lambda: not _mounted(root), what="the box is gone")
        shutil.rmtree(root)


def _write_enrolment(root: Path, port: int) -> None:
    """The desk CA for its daemon alone, which has a folder of its own."""
    user = USERS["roamdesk-enrol"]
    for name in (pki.DESK_CA_CERT_NAME, pki.DESK_CA_KEY_NAME):
        shutil.copyfile(root / "group" / "ca" / name, root / "group" / name)
    key = root / "group" / pki.DESK_CA_KEY_NAME
    os.chown(key, user, user)
    key.chmod(0o600)
    (root / "enrol").mkdir(mode=0o700)
    os.chown(root / "enrol", user, user)
    public = root / "run" / "public"
    RevokedFile(public / "revoked").publish([])  # hostd's first word, in a box without it
    os.chown(public, USERS["roamdesk"], USERS["roamdesk"])
    with (root / "server.toml").open("a") as file:
        file.write(f'enrol_dir = "{root}/enrol"\nenrol_port = {port}\n')


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _mounted(root: Path) -> bool:
    return str(root) in Path("/proc/self/mounts").read_text()


def _init_command(root: Path) -> list[str]:
    mounts = [
        f"mount --bind {root}/etc/{name} /etc/{name}" for name in ("passwd", "group", "shadow")
    ]
    pam = REPOSITORY / "server" / "etc" / "pam.d"
    mounts += [
        f"cp -r /etc/pam.d/. {root}/etc/pam.d && cp {pam}/* {root}/etc/pam.d/",
        f"mount --bind {root}/etc/pam.d /etc/pam.d",
        f"mkdir -p {root}/repository && mount --bind {REPOSITORY} {root}/repository",
        "mount -t tmpfs tmpfs /tmp",
        "chmod 1777 /tmp",
    ]
    script = " && ".join([*mounts, f"exec {os.path.realpath(sys.executable)} -I -S -c '{INIT}'"])
    return [
        *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
        *("sh", "-c", script),
    ]


def _write_files(root: Path, port: int, certificate: Path, key: Path) -> None:
    (root / "etc" / "pam.d").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "server" / "etc" / "recipes", root / "recipes")
    passwd, group, shadow = ["root:x:0:0::/root:/bin/bash"], ["root:x:0:"], ["root:*:19000::::::"]
    for user, uid in USERS.items():
        home = root / "home" / user
        home.mkdir(parents=True)
        os.chown(home, uid, uid)
        home.chmod(0o700)
        members = "roamdesk-display,roamdesk-enrol" if user == "roamdesk" else ""
        passwd.append(f"{user}:x:{uid}:{uid}::{home}:/bin/bash")
        group.append(f"{user}:x:{uid}:{members}")
        shadow.append(f"{user}:*:19000:0:99999:7:::")
    group.append("roamdesk-keys:x:980:roamdesk,roamdesk-display,roamdesk-enrol")
    for name, lines in (("passwd", passwd), ("group", group), ("shadow", shadow)):
        (root / "etc" / name).write_text("\n".join(lines) + "\n")
    (root / "server.toml").write_text(
        f'group_dir = "{root}/group"\nidentity_cert = "{certificate}"\nidentity_key = "{key}"\n'
        f'run_dir = "{root}/run"\nstate_dir = "{root}/state"\ndisplay_port = {port}\n'
        f'recipes_dir = "{root}/recipes"\nlog_level = "debug"\nhost = "server1"\n'
    )
