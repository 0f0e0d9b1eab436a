"""What runs on a server and on a desk of the lab, with which settings; starts nothing itself."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roamtools.lab import pipewire, plan
from roamtools.lab.mounts import trees_needed

SERVER_DAEMONS = ("launcherd", "displayd", "hostd")  # in the order of their start
SERVER_TOML = Path("/etc/roamdesk/server.toml")
DTU_TOML = Path("/etc/roamdesk/dtu.toml")
DTU_RUN_DIR = "/run/roamdesk-dtu"
CARD_SOCKET = "card.sock"
BENCH_SOCKET = "bench.sock"
SOUND_SOCKET = "sound.sock"
PIPEWIRE_DIR = "pipewire"
DESK_DISPLAY = ":0"
MICROPHONE_HZ = 660

_DAEMON_USER = {
    "launcherd": "root",
    "displayd": "roamdesk-display",
    "hostd": "roamdesk",
    "enrold": "roamdesk-enrol",
}
ENROL_DIR = "/var/lib/roamdesk/enrol"


@dataclass(frozen=True)
class Job:
    """A process for a node's init to start."""

    name: str
    argv: list[str]
    user: str = "root"
    restart: bool = False
    env: dict[str, str] = field(default_factory=dict)
    nice: int = 0

    def as_order(self) -> dict[str, Any]:
        return {"op": "start", "process": self.__dict__}


def view(node_dir: Path, name: str, kind: str, home: Path | None, cards: Path) -> dict[str, Any]:
    """What a node's init is told about the machine that it is to look like.

    `home` is what servers share, `cards` the folder of cards that wander between desks.
    """
    server = kind == "server"
    directories: list[dict[str, Any]] = [
        {"path": "/run/user", "user": "root", "mode": 0o755},
    ]
    if server:
        directories += [
            # Three daemons put their sockets here; the sticky bit keeps them off each other's.
            {"path": "/run/roamdesk", "user": "root", "mode": 0o1777},
            {"path": "/var/lib/roamdesk", "user": "roamdesk", "mode": 0o755},
            {"path": ENROL_DIR, "user": "roamdesk-enrol", "mode": 0o700},
        ]
    else:
        directories += [
            {"path": DTU_RUN_DIR, "user": "root", "mode": 0o755},
            {"path": "/run/pcscd", "user": "root", "mode": 0o755},
        ]
    trees = (plan.project_root(), Path(sys.prefix), Path(sys.base_prefix))
    needs = trees_needed(trees if server else (*trees, cards))
    return {
        "name": name,
        "node_dir": str(node_dir),
        "home": str(home) if home else "",
        "state_dir": "roamdesk" if server else "roamdesk-dtu",
        "needs": [str(path) for path in needs],
        "directories": directories,
    }


def toml(settings: dict[str, Any]) -> str:
    """Flat TOML; JSON writes text, numbers, flags and lists just as TOML wants them."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def server_settings(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """server.toml of a lab's server: the defaults, but for what tells servers apart."""
    return {
        "host": name,
        "enrol_dir": ENROL_DIR,
        "recipes_dir": str(plan.project_root() / "server" / "etc" / "recipes"),
        "geometry": f"{plan.SCREEN[0]}x{plan.SCREEN[1]}",
        **changes,
    }


def desk_settings(name: str, changes: dict[str, Any], enrols: bool) -> dict[str, Any]:
    """dtu.toml of a lab's desk: everything real but the screen, which nobody looks at.

    A desk that `enrols` has its key and certificate where a terminal makes them.
    """
    issued = {"cert": "/etc/roamdesk/dtu.crt", "key": "/etc/roamdesk/dtu.key"}
    return {
        "name": name,
        "ca": "/etc/roamdesk/ca.crt",
        **({} if enrols else issued),
        "run_dir": DTU_RUN_DIR,
        "interface": "eth0",
        "display": "headless",
        "width": plan.SCREEN[0],
        "height": plan.SCREEN[1],
        "card": "pcsc",
        "input": "scripted",
        "sound": "none",
        "sound_socket": str(plan.NODE_DIR / SOUND_SOCKET),
        "bench_socket": str(plan.NODE_DIR / BENCH_SOCKET),
        **changes,
    }


def unit_nice(unit: str) -> int:
    """The niceness that a systemd unit of this tree gives its process; 0 if it says nothing.

    Beside other work a desk in the lab is otherwise worse than a real one: its sound has gaps.
    """
    text = (plan.project_root() / unit).read_text(encoding="utf-8")
    said = re.search(r"^Nice=(-?\d+)$", text, re.MULTILINE)
    return int(said[1]) if said else 0


def server_jobs(enrols: bool = False) -> list[Job]:
    """The daemons, restarted when they die, as systemd would; enrold only where desks enrol."""
    return [
        Job(
            name=name,
            argv=[sys.executable, "-m", f"sessionhost.app.{name}", "--config", str(SERVER_TOML)],
            user=_DAEMON_USER[name],
            restart=True,
            nice=unit_nice(f"server/systemd/roamdesk-{name}.service"),
        )
        for name in (*SERVER_DAEMONS, *(["enrold"] if enrols else []))
    ]


def pcscd_job() -> Job:
    """The smart card service with the virtual reader and no other."""
    config = str(plan.NODE_DIR / "etc" / "reader.conf.d")
    argv = ["pcscd", "--foreground", "--config", config]
    # Where pcscd asks polkit (Debian 13), it turns everyone away who has no D-Bus: a lab has none.
    usage = subprocess.run(["pcscd", "--help"], capture_output=True, text=True, check=False)
    if "--disable-polkit" in usage.stdout + usage.stderr:
        argv.append("--disable-polkit")
    return Job("pcscd", argv, restart=True)


def card_job() -> Job:
    """The hand that holds the card."""
    control = str(plan.NODE_DIR / CARD_SOCKET)
    return Job("card", [sys.executable, "-m", "roamtools.card", "hold", "--control", control])


def dhcp_job(name: str) -> Job:
    """A terminal's own DHCP client with the terminal's own hook."""
    return Job("udhcpc", _unit_command("roamdesk-dhcp@.service", name), restart=True)


def link_job(name: str) -> Job:
    """What wakes the DHCP client when the cable is put in, and asks routers."""
    return Job("link", _unit_command("roamdesk-link@.service", name), restart=True)


def _unit_command(unit: str, host: str) -> list[str]:
    """What a terminal's unit runs, for the desk's interface and with the files of this tree."""
    firmware = plan.project_root() / "firmware"
    lines = (firmware / "systemd" / unit).read_text(encoding="utf-8").splitlines()
    (command,) = (line for line in lines if line.startswith("ExecStart="))
    for marker, value in (("%i", "eth0"), ("%H", host)):
        command = command.replace(marker, value)
    here = {f"/usr/lib/roamdesk/{file.name}": str(file) for file in firmware.glob("etc/*/*")}
    return [here.get(word, word) for word in shlex.split(command.removeprefix("ExecStart="))]


def sound_job() -> Job:
    """A desk's sound server: a loudspeaker that nobody hears, a microphone that hears a tone.

    What the loudspeaker plays can be recorded at `loudspeaker.monitor`.
    """
    command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    command += ["--log-target=stderr", "--log-level=error"]
    socket = plan.NODE_DIR / SOUND_SOCKET
    for module in (
        f"module-native-protocol-unix socket={socket} auth-cookie-enabled=0",
        "module-null-sink sink_name=loudspeaker rate=48000",
        f"module-sine-source source_name=microphone frequency={MICROPHONE_HZ} rate=48000",
        "module-suspend-on-idle timeout=1",
    ):
        command.append(f"--load={module}")
    state = {"PULSE_RUNTIME_PATH": "/run/pulse", "PULSE_STATE_PATH": "/run/pulse"}
    nice = unit_nice("firmware/systemd/roamdesk-dtu-sound.service")
    return Job("sound", command, restart=True, env=state, nice=nice)


def pipewire_job() -> Job:
    """The same with PipeWire, whose settings are in the desk's folder; the tone is another one."""
    folder = plan.NODE_DIR / PIPEWIRE_DIR
    env = pipewire.environment(folder)
    nice = unit_nice("firmware/systemd/roamdesk-dtu-sound.service")
    return Job("sound", pipewire.command(folder), restart=True, env=env, nice=nice)


def x_job(width: int, height: int) -> Job:
    """An X server for the window of a desk's terminal; its size is the window's."""
    command = ["Xtigervnc", DESK_DISPLAY, "-geometry", f"{width}x{height}", "-depth", "24"]
    command += ["-rfbport", "-1", "-rfbunixpath", "/tmp/x.rfb", "-SecurityTypes", "None"]
    return Job("x", [*command, "-nolisten", "tcp", "-noreset"], restart=True)


def dtu_job(display: str) -> Job:
    """The terminal's firmware; `display` is where it draws, as in its settings."""
    command = [sys.executable, "-m", "dtu.app.main", "--config", str(DTU_TOML)]
    env = {"DISPLAY": DESK_DISPLAY} if display == "window" else {}
    nice = unit_nice("firmware/systemd/roamdesk-dtu.service")
    return Job("dtu", command, restart=True, env=env, nice=nice)


READER_CONFIG = """FRIENDLYNAME "Virtual PCD"
DEVICENAME   /dev/null:0x8C7B
LIBPATH      /usr/lib/pcsc/drivers/serial/libifdvpcd.so
CHANNELID    0x8C7B
"""
