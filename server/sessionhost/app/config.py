"""The settings of a session hosting server: one table, one config. What they do is not here."""

import ipaddress
import re
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from roamwire.identity import name_problem
from roamwire.settings import MAX_FILE_BYTES, Setting, SettingsError, SettingsTable, Value

DEFAULT_PATH = Path("/etc/roamdesk/server.toml")

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_GEOMETRY = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")
_RECIPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def _host_name(text: str) -> str | None:
    return name_problem(text) if text else None


def _user_name(text: str) -> str | None:
    return None if _USER.fullmatch(text) else f"is not a Unix user's name: {text!r}"


def _recipe_name(text: str) -> str | None:
    return None if _RECIPE.fullmatch(text) else f"is not a recipe's name: {text!r}"


def _geometry(text: str) -> str | None:
    return None if _GEOMETRY.fullmatch(text) else f"must look like 1280x800, not {text!r}"


def _address(text: str) -> str | None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return f"is not an IP address: {text!r}"
    return None


def _multicast_address(text: str) -> str | None:
    if _address(text) or not ipaddress.ip_address(text).is_multicast:
        return f"is not a multicast address: {text!r}"
    return None


def _filled(text: str) -> str | None:
    return None if text else "must not be empty"


def _path(name: str, default: str, help_text: str) -> Setting:
    return Setting(name, "path", default, help_text, check=_filled)


SETTINGS = SettingsTable(
    (
        Setting("host", "text", "", "name of this server; empty: the machine's", check=_host_name),
        _path("group_dir", "/etc/roamdesk/group", "the group's ca.crt, secret, secret.previous"),
        _path("identity_cert", "/etc/roamdesk/server.crt", "this server's certificate"),
        _path("identity_key", "/etc/roamdesk/server.key", "this server's private key"),
        _path("run_dir", "/run/roamdesk", "sockets and sessions, gone after a reboot"),
        _path(
            "state_dir",
            "/var/lib/roamdesk",
            "the registry, lost cards, revoked terminals, audit log",
        ),
        _path("enrol_dir", "/var/lib/roamdesk-enrol", "the terminals that enrold knows"),
        Setting("control_port", "whole", 7009, "TCP port for terminals", lowest=1),
        Setting("group_port", "whole", 7009, "UDP port of the group managers", lowest=1),
        Setting("display_port", "whole", 7010, "TCP port of the display gateway", lowest=1),
        Setting("enrol_port", "whole", 7011, "TCP port on which terminals enrol", lowest=1),
        Setting("broadcast", "flag", True, "announce by broadcast on every interface"),
        Setting("multicast", "flag", False, "announce by multicast"),
        Setting(
            "multicast_group",
            "text",
            "239.255.70.9",
            "multicast group of the announcements",
            check=_multicast_address,
        ),
        Setting("mdns", "flag", True, "let terminals find this server by multicast DNS"),
        Setting("seeds", "list", (), "addresses to announce to by unicast", check=_address),
        Setting(
            "profile",
            "choice",
            "fast",
            "intervals: fast, or classic as in the patent (20 s, 60 s)",
            choices=("fast", "classic"),
        ),
        Setting(
            "accept_classic_signature",
            "flag",
            False,
            "also trust the patent's keyed SHA-1",
        ),
        Setting(
            "interfaces_ignore", "list", ("lo",), "interfaces never announced on", check=_filled
        ),
        Setting(
            "recipe", "text", "desktop", "recipe of a session without its own", check=_recipe_name
        ),
        _path("recipes_dir", "/etc/roamdesk/recipes", "the session recipes, one TOML file each"),
        Setting("host_user", "text", "roamdesk", "Unix user of hostd", check=_user_name),
        Setting(
            "display_user", "text", "roamdesk-display", "Unix user of displayd", check=_user_name
        ),
        Setting("enrol_user", "text", "roamdesk-enrol", "Unix user of enrold", check=_user_name),
        Setting(
            "terminal_certificate_s",
            "whole",
            366 * 24 * 3600,
            "seconds that a terminal's certificate is good for; renewed at half of it",
            lowest=10,
            highest=30 * 366 * 24 * 3600,
        ),
        Setting("geometry", "text", "1280x800", "size of a new session", check=_geometry),
        Setting(
            "log_level",
            "choice",
            "info",
            "least level that is logged",
            choices=("debug", "info", "warning", "error"),
        ),
    )
)

_PATHS = (
    "group_dir",
    "identity_cert",
    "identity_key",
    "run_dir",
    "state_dir",
    "enrol_dir",
    "recipes_dir",
)


@dataclass(frozen=True)
class ServerConfig:
    """What is in force on this server; the names are those of the table."""

    host: str
    group_dir: Path
    identity_cert: Path
    identity_key: Path
    run_dir: Path
    state_dir: Path
    enrol_dir: Path
    control_port: int
    group_port: int
    display_port: int
    enrol_port: int
    broadcast: bool
    multicast: bool
    multicast_group: str
    mdns: bool
    seeds: tuple[str, ...]
    profile: str
    accept_classic_signature: bool
    interfaces_ignore: tuple[str, ...]
    recipe: str
    recipes_dir: Path
    host_user: str
    display_user: str
    enrol_user: str
    terminal_certificate_s: int
    geometry: str
    log_level: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a new session, in pixels."""
        width, height = self.geometry.split("x")
        return int(width), int(height)

    @property
    def ca_cert(self) -> Path:
        return self.group_dir / "ca.crt"

    @property
    def audit_path(self) -> Path:
        """The audit log; older files of it have a number."""
        return self.state_dir / "audit.jsonl"

    @property
    def block_path(self) -> Path:
        """Lost cards and revoked terminals of the group."""
        return self.state_dir / "blocks"

    @property
    def revoked_path(self) -> Path:
        """Revoked terminals, for enrold."""
        return self.run_dir / "revoked"

    @property
    def registry_path(self) -> Path:
        return self.state_dir / "registry.sqlite"


assert tuple(field.name for field in fields(ServerConfig)) == SETTINGS.names


def load_config(path: Path) -> ServerConfig:
    """Reads a server.toml; SettingsError says what is wrong and what to do."""
    return config_from_values(load_values(path), path)


def load_values(path: Path) -> dict[str, Value]:
    """The values in force by `path`, for `show-config`."""
    values = SETTINGS.parse(_read(path), str(path))
    if not values["host"]:
        values = SETTINGS.resolve(values | {"host": _machine_name()}, "the machine's name")
    if len({values[name] for name in ("control_port", "display_port", "enrol_port")}) < 3:
        raise SettingsError(
            f"{path}: control_port, display_port and enrol_port are all TCP and must differ"
        )
    return values


def config_from_values(values: dict[str, Value], path: Path) -> ServerConfig:
    """The config of `values`; relative paths are relative to the folder of `path`."""
    typed: dict[str, Any] = dict(values)
    for name in _PATHS:
        typed[name] = path.parent.absolute() / str(values[name])
    return ServerConfig(**typed)


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
