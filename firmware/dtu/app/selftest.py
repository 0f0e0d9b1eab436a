"""`python -m dtu.app.selftest`: looks at each part that a terminal needs and names what is missing.

Looks only: it opens no screen, reads no card and connects to no server, so it may run beside the
terminal. Exit status 1 if something is missing without which nobody can work.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dtu.app.config import DEFAULT_PATH, DtuConfig, load_config
from dtu.app.server_list import ServerListFile
from dtu.app.tls import IdentityError, check_key, client_context
from dtu.core.lease import Lease
from dtu.core.rfb import turbojpeg
from dtu.drivers.card.pcsc import readers_present
from dtu.drivers.card.service import Fault, PcscError
from dtu.drivers.input.xkb import LayoutError, XkbLayout
from dtu.drivers.net.ip6_watch import Ip6Watch
from dtu.drivers.net.lease_file import LeaseFile
from roamwire.settings import SettingsError

MIN_FREE_BYTES = 1024 * 1024
"""The state folder holds a key, a certificate and a list of servers: some kilobytes."""

FIRST_SANE_YEAR = 2026
"""A Pi without a network stands at the time of its image; before this program it cannot be."""

KEYBOARD_KEYS = 0x1000_0000
"""Bit 28 of EV_KEY's first word is Enter (KEY_ENTER of linux/input-event-codes.h)."""

AS_ITS_USER = "runuser -u roamdesk-dtu -- python3 -m dtu.app.selftest"

_PROGRAM_FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
"""Where services look; a person's PATH may lack the sbin ones."""


@dataclass(frozen=True)
class Finding:
    """One part: `state` is "ok", "warning" (works without it) or "missing"."""

    part: str
    state: str
    text: str


class SelfTest:
    """All checks on one machine; `root` is "/" but in tests."""

    def __init__(self, config: DtuConfig, root: Path = Path("/")) -> None:
        self._config = config
        self._root = root

    def findings(self) -> Iterator[Finding]:
        """Each part in the order in which a person would look."""
        checks: dict[str, Callable[[], tuple[str, str]]] = {
            "user": self._user,
            "screen": self._screen,
            "pictures": self._pictures,
            "keyboard": self._keyboard,
            "layout": self._layout,
            "card reader": self._reader,
            "programs": self._programs,
            "network": self._network,
            "address": self._address,
            "sound": self._sound,
            "identity": self._identity,
            "state": self._state_dir,
            "clock": self._clock,
        }
        for part, check in checks.items():
            try:
                state, text = check()
            except OSError as error:
                state, text = "missing", f"cannot be looked at: {error}"
            yield Finding(part, state, text)

    def _user(self) -> tuple[str, str]:
        if os.geteuid() == 0:
            return "warning", f"root may open everything; as the terminal: {AS_ITS_USER}"
        return "ok", "not root, so rights are looked at too"

    def _screen(self) -> tuple[str, str]:
        if self._config.display == "headless":
            return "warning", "display = headless: no screen is used"
        if self._config.display == "window":
            has = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
            return ("ok", f"a window on {has}") if has else (
                "missing", "DISPLAY and WAYLAND_DISPLAY are not set: set display = 'console'"
            )  # fmt: skip
        if not list(self._root.glob("dev/dri/card*")):
            return "missing", "no /dev/dri/card*: check dtoverlay=vc4-kms-v3d in config.txt"
        if not self._may("dev/dri/card*", os.R_OK | os.W_OK):
            return "missing", "/dev/dri/card* may not be opened: is the user in group video?"
        found = {
            path.parent.name: path.read_text().strip()
            for path in sorted(self._root.glob("sys/class/drm/card*-*/status"))
        }
        connected = [name for name, status in found.items() if status == "connected"]
        if connected:
            return "ok", f"connected: {', '.join(connected)}"
        return "warning", f"no monitor at {', '.join(found) or 'any output'}: plug it in"

    def _pictures(self) -> tuple[str, str]:
        try:
            turbojpeg.library()
        except turbojpeg.LibraryMissingError as error:
            return "missing", f"JPEG cannot be decoded: {error}"
        return "ok", "libturbojpeg decodes JPEG"

    def _keyboard(self) -> tuple[str, str]:
        names = []
        for keys in sorted(self._root.glob("sys/class/input/input*/capabilities/key")):
            if int(keys.read_text().split()[-1], 16) & KEYBOARD_KEYS:
                names.append((keys.parent.parent / "name").read_text().strip())
        if not names:
            return "warning", "no keyboard: plug one in"
        if self._config.input == "evdev" and not self._may("dev/input/event*", os.R_OK):
            return "missing", "/dev/input/event* may not be opened: is the user in group input?"
        return "ok", ", ".join(names)

    def _layout(self) -> tuple[str, str]:
        if self._config.input != "evdev":
            return "ok", f"input = {self._config.input}: the terminal reads no key codes"
        wanted = self._config.keyboard_layout
        if not wanted:
            return "ok", "keyboard_layout is not set: letters of passwords are those of us"
        try:
            return "ok", f"letters of passwords are those of {XkbLayout(wanted).name}"
        except LayoutError as error:
            return "warning", f"{error}: letters of passwords are those of us"

    def _may(self, pattern: str, mode: int) -> bool:
        return any(os.access(path, mode) for path in self._root.glob(pattern))

    def _reader(self) -> tuple[str, str]:
        if self._config.card != "pcsc":
            return "warning", f"card = {self._config.card}: no reader is used"
        try:
            names = readers_present()
        except PcscError as error:
            if error.fault is Fault.NO_SERVICE:
                return "missing", "pcscd does not answer: systemctl status pcscd.socket"
            if error.fault is Fault.NO_READER:
                return "missing", "no card reader: plug one in (lsusb shows it? is libccid there?)"
            return "missing", f"PC/SC refuses ({error}): is polkit's rule for this user there?"
        return "ok", ", ".join(names)

    def _programs(self) -> tuple[str, str]:
        config = self._config
        wanted = [  # program, its package, what for; whether nobody works without it
            ("udhcpc", "udhcpc", "no address by DHCP", config.network == "system", True),
            ("rdisc6", "ndisc6", "IPv6 routers are not asked", config.network == "system", False),
            ("pactl", "pulseaudio-utils", "no volume keys", config.sound == "pulse", False),
        ]
        path = os.pathsep.join(str(self._root / folder) for folder in _PROGRAM_FOLDERS)
        lacking = [each for each in wanted if each[3] and not shutil.which(each[0], path=path)]
        if not lacking:
            found = [name for name, _, _, used, _ in wanted if used]
            return "ok", ", ".join(found) or "none is needed by the settings"
        state = "missing" if any(each[4] for each in lacking) else "warning"
        why = "; ".join(f"no {name}: {loss}" for name, _, loss, _, _ in lacking)
        packages = " ".join(package for _, package, *_ in lacking)
        return state, f"{why} (apt-get install {packages})"

    def _network(self) -> tuple[str, str]:
        name = self._config.interface
        interface = self._root / "sys/class/net" / name
        if not interface.is_dir():
            others = sorted(path.name for path in self._root.glob("sys/class/net/*"))
            here = ", ".join(each for each in others if each != "lo") or "none"
            return "missing", f"no interface {name} (setting interface); there is: {here}"
        try:
            up = (interface / "carrier").read_text().strip() == "1"
        except OSError:  # EINVAL while the interface is down
            return "missing", f"{name} is down: ip link set {name} up"
        return ("ok", f"{name} has a link") if up else (
            "missing", f"{name} has no link: is the network cable in?"
        )  # fmt: skip

    def _address(self) -> tuple[str, str]:
        config = self._config
        lease = LeaseFile(config.lease_file).look()
        table = self._root / "proc/self/net/if_inet6"
        ip6 = Ip6Watch(config.interface, config.router_file, table).look()
        listed = len(ServerListFile(config.server_list, config.key, config.ca).load())
        remembered = f"{listed} servers remembered"
        if isinstance(lease, Lease):
            named = ", ".join(lease.servers) or "no servers"
            return "ok", f"{lease.address}/{lease.prefix}; DHCP names {named}; {remembered}"
        if ip6.addresses:
            return "ok", f"{', '.join(ip6.addresses)}, no lease of IPv4; {remembered}"
        return "missing", f"no lease in {config.lease_file}: does a DHCP server answer?"

    def _sound(self) -> tuple[str, str]:
        if self._config.sound != "pulse":
            return "warning", f"sound = {self._config.sound}: sessions are silent here"
        place = self._config.sound_socket
        if not (place.is_socket() and os.access(place, os.W_OK)):
            return "warning", f"no sound server at {place}: systemctl status roamdesk-dtu-sound"
        if not self._may("dev/snd/pcm*p", os.R_OK):
            return "warning", "no sound card that may be opened: is the user in group audio?"
        return "ok", f"sound server at {place}"

    def _identity(self) -> tuple[str, str]:
        if not shutil.which("openssl"):
            return "missing", "no command openssl: no key is made and no certificate asked for"
        try:
            check_key(self._config.key)
            if not self._config.cert.exists():
                client_context(self._config.ca)
                return "warning", "no certificate yet: an administrator has to admit this terminal"
            client_context(self._config.ca, self._config.cert, self._config.key)
        except IdentityError as error:
            return "missing", str(error)
        return "ok", f"certificate {self._config.cert}"

    def _state_dir(self) -> tuple[str, str]:
        place = self._config.state_dir
        if not os.access(place, os.W_OK):
            return "warning", f"{place} cannot be written: the server list is not kept"
        free = shutil.disk_usage(place).free
        if free < MIN_FREE_BYTES:
            return "warning", f"{place} has only {free // 1024} KiB left"
        return "ok", f"{place}, {free // 2**20} MiB free"

    def _clock(self) -> tuple[str, str]:
        year = time.gmtime().tm_year
        if year < FIRST_SANE_YEAR:
            return "warning", f"it is {year} here: the clock was not set yet (no time server?)"
        return "ok", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if a part is missing, 2 for wrong settings."""
    parser = argparse.ArgumentParser(
        prog="dtu-selftest", description="Names what this terminal lacks"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help="the terminal's settings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
    except SettingsError as error:
        print(json.dumps({"error": str(error)}) if options.json else error, file=sys.stderr)
        return 2
    findings = []
    for finding in SelfTest(config).findings():
        findings.append(finding)
        if not options.json:
            print(f"{finding.state:<8} {finding.part:<12} {finding.text}", flush=True)
    good = all(finding.state != "missing" for finding in findings)
    if options.json:
        print(json.dumps({"ok": good, "findings": [asdict(each) for each in findings]}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
