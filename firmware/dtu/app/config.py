"""The settings of a terminal: one table, one frozen config. What a setting does is not here."""

import ipaddress
import re
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dtu.app.languages import languages
from dtu.core.language import DEFAULT
from dtu.core.rfb.limits import MAX_PIXELS, MAX_SIDE
from dtu.drivers.display.monitors import mode_problem
from dtu.drivers.input.keysyms import chord_problem
from roamwire.identity import name_problem
from roamwire.keyboard import layout_problem
from roamwire.limits import MAX_NAME_CHARS
from roamwire.settings import MAX_FILE_BYTES, Setting, SettingsError, SettingsTable, Value

DEFAULT_PATH = Path("/etc/roamdesk/dtu.toml")

# IFNAMSIZ is 16 with the terminating zero.
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def _terminal_name(text: str) -> str | None:
    return name_problem(text) if text else None


def _interface(text: str) -> str | None:
    return None if _INTERFACE.fullmatch(text) else f"is not an interface's name: {text!r}"


def _server(text: str) -> str | None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return name_problem(text)
    return None


def _layout(text: str) -> str | None:
    return layout_problem(text) if text else None


def _code(text: str) -> str | None:
    return None if len(text) <= MAX_NAME_CHARS else "is too long for a code"


def _filled(text: str) -> str | None:
    return None if text else "must not be empty"


def _path(name: str, default: str, help_text: str) -> Setting:
    return Setting(name, "path", default, help_text, check=_filled)


SETTINGS = SettingsTable(
    (
        Setting(
            "name", "text", "", "name of this terminal; empty: the machine's", check=_terminal_name
        ),
        _path("ca", "/etc/roamdesk/ca.crt", "certificate of the group's CA, as the image has it"),
        _path("cert", "/var/lib/roamdesk-dtu/dtu.crt", "this terminal's certificate"),
        _path("key", "/var/lib/roamdesk-dtu/dtu.key", "this terminal's private key"),
        _path("state_dir", "/var/lib/roamdesk-dtu", "what outlives a power-off"),
        _path("run_dir", "/run/roamdesk-dtu", "lease, state of updates; gone after a power-off"),
        Setting("interface", "text", "eth0", "network interface", check=_interface),
        Setting(
            "display",
            "choice",
            "window",
            "where sessions are drawn",
            choices=("window", "headless", "console"),
        ),
        Setting(
            "width", "whole", 1280, "width of the screen, pixels", lowest=320, highest=MAX_SIDE
        ),
        Setting(
            "height", "whole", 800, "height of the screen, pixels", lowest=200, highest=MAX_SIDE
        ),
        Setting(
            "screen_mode",
            "text",
            "",
            "what monitors of a console are driven with, like 1920x1080@60; empty: their own wish",
            check=mode_problem,
        ),
        Setting(
            "screen_off_s",
            "whole",
            600,
            "seconds of the same words without key or card until monitors sleep; 0: never",
            highest=86400,
        ),
        Setting("card", "choice", "pcsc", "where cards are seen", choices=("pcsc", "scripted")),
        Setting(
            "blank_piv_number",
            "flag",
            False,
            "take PIV cards without certificate 9E by their number, which can be copied",
        ),
        Setting(
            "input",
            "choice",
            "window",
            "where keys come from; window is the display's own, evdev every device of the machine",
            choices=("window", "evdev", "scripted"),
        ),
        Setting(
            "network",
            "choice",
            "system",
            "where lease, cable and names come from; system is the DHCP client, the link and DNS",
            choices=("system", "scripted"),
        ),
        Setting(
            "language",
            "choice",
            DEFAULT,
            "what the screen speaks; a person may choose another one in the menu",
            choices=tuple(languages()),
        ),
        Setting(
            "keyboard_layout",
            "text",
            "",
            "XKB layout of this desk's keyboard, like de or us(intl); empty: sessions keep theirs,"
            " the terminal's own forms have us",
            check=_layout,
        ),
        Setting(
            "menu_keys",
            "text",
            "ctrl-alt-home",
            "keys that open the menu, held together",
            check=chord_problem,
        ),
        Setting(
            "sound",
            "choice",
            "pulse",
            "sound server of this terminal; pulse is PulseAudio or PipeWire",
            choices=("pulse", "none", "scripted"),
        ),
        _path("sound_socket", "/run/roamdesk-dtu-sound/native", "socket of the sound server"),
        Setting("bench_socket", "path", "", "socket for test benches; empty: none"),
        Setting("servers", "list", (), "servers to try besides those found", check=_server),
        Setting("control_port", "whole", 7009, "TCP port of the servers", lowest=1),
        Setting("enrol_port", "whole", 7011, "TCP port on which servers enrol", lowest=1),
        Setting(
            "enrol_code",
            "text",
            "",
            "one-time code of 'roamctl dtu preregister'; empty: none",
            check=_code,
        ),
        Setting("group_port", "whole", 7009, "UDP port of the group managers", lowest=1),
        Setting("dns_names", "flag", True, "look servers up in DNS"),
        Setting("mdns", "flag", True, "ask the link for servers by multicast DNS"),
        Setting(
            "log_level",
            "choice",
            "info",
            "least level that is logged",
            choices=("debug", "info", "warning", "error"),
        ),
        Setting("image", "flag", False, "true in terminal images: test drivers are refused"),
    )
)

_PATHS = ("ca", "cert", "key", "state_dir", "run_dir", "sound_socket", "bench_socket")

# With these nobody works, or somebody without a card or a hand on the keyboard gets into a session.
_REFUSED_IN_IMAGES = (
    ("display", "headless"),
    ("card", "scripted"),
    ("input", "scripted"),
    ("network", "scripted"),
    ("sound", "scripted"),
)


@dataclass(frozen=True)
class DtuConfig:
    """What is in force on this terminal; the names are those of the table."""

    name: str
    ca: Path
    cert: Path
    key: Path
    state_dir: Path
    run_dir: Path
    interface: str
    display: str
    width: int
    height: int
    screen_mode: str
    screen_off_s: int
    card: str
    blank_piv_number: bool
    input: str
    network: str
    language: str
    keyboard_layout: str
    menu_keys: str
    sound: str
    sound_socket: Path
    bench_socket: Path | None
    servers: tuple[str, ...]
    control_port: int
    enrol_port: int
    enrol_code: str
    group_port: int
    dns_names: bool
    mdns: bool
    log_level: str
    image: bool

    @property
    def router_file(self) -> Path:
        """Where `roamdesk-link` writes what routers told on our interface."""
        return self.run_dir / f"router-{self.interface}"

    @property
    def server_list(self) -> Path:
        """Where the group's servers are remembered over a power-off."""
        return self.state_dir / "servers.json"

    @property
    def update_file(self) -> Path:
        """What is there while something updates this terminal's system."""
        return self.run_dir / "updating"

    @property
    def lease_file(self) -> Path:
        """Where the DHCP client's hook writes the lease of our interface."""
        return self.run_dir / f"lease-{self.interface}"


assert tuple(field.name for field in fields(DtuConfig)) == SETTINGS.names


def load_config(path: Path) -> DtuConfig:
    """Reads a dtu.toml; SettingsError says what is wrong and what to do."""
    return config_from_values(load_values(path), path)


def load_values(path: Path) -> dict[str, Value]:
    """The values in force by `path`, for `show-config`."""
    values = SETTINGS.parse(_read(path), str(path))
    if not values["name"]:
        values = SETTINGS.resolve(values | {"name": _machine_name()}, "the machine's name")
    if (values["display"], values["input"]) == ("console", "window"):
        raise SettingsError(f"{path}: a console has no window to type into: set input = 'evdev'")
    if (pixels := int(str(values["width"])) * int(str(values["height"]))) > MAX_PIXELS:
        raise SettingsError(
            f"{path}: width {values['width']} by height {values['height']} is {pixels} pixels;"
            f" {MAX_PIXELS} are the most that a session may have (7680 by 4320): make one smaller"
        )
    if values["image"]:
        _refuse_test_drivers(values, path)
    return values


def config_from_values(values: dict[str, Value], path: Path) -> DtuConfig:
    """The config of `values`; relative paths are relative to the folder of `path`."""
    typed: dict[str, Any] = dict(values)
    for name in _PATHS:
        typed[name] = path.parent.absolute() / str(values[name]) if values[name] else None
    return DtuConfig(**typed)


def _refuse_test_drivers(values: dict[str, Value], path: Path) -> None:
    found = [f"{name} = '{value}'" for name, value in _REFUSED_IN_IMAGES if values[name] == value]
    if values["bench_socket"]:
        found.append("bench_socket")
    if found:
        raise SettingsError(
            f"{path}: an image (image = true) must not have {', '.join(found)}: "
            "they are for test benches; remove them from the file"
        )


def _machine_name() -> str:
    return socket.gethostname().split(".")[0] or "localhost"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text; is it the right file?") from error
