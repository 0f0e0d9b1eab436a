"""One QEMU with the test guest: started, given orders, ended by its process. Tests are not here."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from roamtools.qemu.actions import Actions
from roamtools.qemu.image import ROOT, GuestImage
from roamtools.qemu.qmp import Qmp, QmpError

_BOOT_S = 600.0
"""25 s on an idle machine with two cores, without KVM; 80 s with systemd; more beside work."""

_QMP_S = 30.0
_END_S = 10.0
_MEMORY_MIB = 1024
_CPUS = 2

DISPLAYS = {
    "virtio": "virtio-gpu-pci,id=gpu0,max_outputs=2,xres=1280,yres=800",
    "bochs": "bochs-display,id=gpu0,xres=1280,yres=800",
    "none": "",
}
"""The guest's graphics card. Only virtio-gpu has a second output and monitors that come and go."""

_HEADS = {"virtio": 2, "bochs": 1, "none": 0}
_NICS = ("nic0", "nic1")
_INPUT = ("usb-kbd,id=kbd0", "usb-mouse,id=mouse0", "usb-tablet,id=tablet0")


class GuestError(Exception):
    """The guest does not start or does not answer; the text has the last of its console."""


@dataclass(frozen=True)
class Done:
    """How a command in the guest ended, and what it printed."""

    status: int
    output: str


class Guest:
    """A running guest; use it with `with`. `share` is the folder that the guest has as /out.

    With `systemd` it boots that, with the terminal's units and two network cards on one hub.
    """

    def __init__(
        self,
        image: GuestImage,
        display: str = "virtio",
        extra: Sequence[str] = (),
        systemd: bool = False,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="roamdesk-qemu-"))
        self.share = self._folder / "out"
        self.share.mkdir()
        self._qemu: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._numbers = 0
        try:
            self._start(image, display, extra, systemd)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Guest":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def console(self) -> str:
        """What kernel and init have said on the serial console."""
        log = self._folder / "console.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    @property
    def qmp(self) -> Qmp:
        """QEMU's machine protocol."""
        assert self._qmp is not None
        return self._qmp

    def run(
        self, argv: Sequence[str], timeout_s: float, tell: Callable[[str], None] | None = None
    ) -> Done:
        """Run a command in the guest's /src; `tell` gets what it prints as it comes.

        Status 124 is a command that took longer than `timeout_s`.
        """
        self._numbers += 1
        order = {"id": self._numbers, "argv": list(argv), "timeout_s": timeout_s}
        self._command.sendall(json.dumps(order).encode() + b"\n")
        self._command.settimeout(timeout_s + _END_S)
        said: list[str] = []
        while True:
            message = self._message("the guest's agent does not answer")
            if message.get("id") != self._numbers:
                continue
            if "exit" in message:
                return Done(message["exit"], "".join(said))
            said.append(message["out"])
            if tell is not None:
                tell(message["out"])

    def stop(self) -> None:
        """End QEMU and remove what it left; may be called twice."""
        if self._qmp is not None:
            try:
                self._qmp.execute("quit")
            except QmpError:
                pass  # it is gone already
            self._qmp.close()
            self._qmp = None
        if self._qemu is not None:
            self._end(self._qemu)
            self._qemu = None
        for name in ("_lines", "_command", "_asked"):
            stream = getattr(self, name, None)
            if stream is not None:
                stream.close()
        if (thread := getattr(self, "_actions", None)) is not None:
            thread.join(_END_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, qemu: "subprocess.Popen[bytes]") -> None:
        try:
            qemu.wait(_END_S)
        except subprocess.TimeoutExpired:
            qemu.kill()
            qemu.wait()

    # -- starting

    def _start(self, image: GuestImage, display: str, extra: Sequence[str], systemd: bool) -> None:
        command = [*_command_line(image, display, self._folder, systemd), *extra]
        with (self._folder / "qemu.log").open("wb") as log:
            try:
                self._qemu = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            except FileNotFoundError:
                raise GuestError(f"{command[0]} is not installed: run 'make install'") from None
        self._qmp = Qmp(self._socket_path("qmp.sock"))
        self._command = self._connect("command.sock")
        self._lines = self._command.makefile("rb")
        self._asked = self._connect("action.sock")
        actions = Actions(self._qmp, self._folder, self.share)
        self._actions = threading.Thread(
            target=actions.serve, args=(self._asked,), name="qemu-actions", daemon=True
        )
        self._actions.start()
        self._command.settimeout(_BOOT_S)
        while "ready" not in self._message("the guest does not start"):
            pass

    def _socket_path(self, name: str) -> Path:
        """The path once QEMU listens there."""
        path = self._folder / name
        end = time.monotonic() + _QMP_S
        while not path.exists():
            assert self._qemu is not None
            if self._qemu.poll() is not None or time.monotonic() > end:
                log = (self._folder / "qemu.log").read_text(encoding="utf-8", errors="replace")
                raise GuestError(f"QEMU does not start: {log.strip() or 'it says nothing'}")
            time.sleep(0.05)
        return path

    def _connect(self, name: str) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(self._socket_path(name)))
        return stream

    def _message(self, trouble: str) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except TimeoutError:
            line = b""
        if not line:
            last = "\n".join(self.console.splitlines()[-15:])
            raise GuestError(f"{trouble}; the last of its console:\n{last}")
        message: dict[str, Any] = json.loads(line)
        return message


def _command_line(image: GuestImage, display: str, folder: Path, systemd: bool) -> list[str]:
    kernel = "root=/dev/vda ro console=ttyS0 loglevel=4 init=/usr/local/sbin/guest-init"
    if systemd:
        kernel += " roamdesk.systemd net.ifnames=0 systemd.condition_needs_update=0"
    command = [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35,i8042=off,vmport=off", "-accel", "tcg,thread=multi"),
        *("-cpu", "max", "-smp", str(_CPUS), "-m", str(_MEMORY_MIB)),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
        *("-append", kernel),
        *("-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"),
        *("-serial", f"file:{folder}/console.log"),
        *("-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off"),
        *("-device", "virtio-serial-pci", "-device", "virtio-rng-pci"),
        *_port("command", folder),
        *_port("action", folder),
        *_folder("tree", ROOT, ",readonly=on"),
        *_folder("out", folder / "out", ""),
        *("-device", "qemu-xhci,id=usb,p2=15,p3=15"),
    ]
    for device in _INPUT:
        command += ["-device", f"{device},bus=usb.0"]
    if DISPLAYS[display]:
        command += ["-device", DISPLAYS[display]]
    if systemd:
        command += _network_cards()
    for head in range(_HEADS[display]):
        socket_path = f"unix:{folder}/vnc{head}.sock"
        command += ["-vnc", f"{socket_path},id=vnc{head},display=gpu0,head={head}"]
    return command


def _network_cards() -> list[str]:
    """Two network cards that are joined inside QEMU: eth0 and eth1."""
    line: list[str] = []
    for name in _NICS:
        line += ["-netdev", f"hubport,id={name}-hub,hubid=0"]
        line += ["-device", f"virtio-net-pci,id={name},netdev={name}-hub,romfile="]
    return line


def _port(name: str, folder: Path) -> list[str]:
    chardev = f"socket,id={name},path={folder}/{name}.sock,server=on,wait=off"
    device = f"virtserialport,chardev={name},name=roamdesk.{name}"
    return ["-chardev", chardev, "-device", device]


def _folder(tag: str, path: Path, options: str) -> list[str]:
    return ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none{options}"]
