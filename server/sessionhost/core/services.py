"""A session's recipe and the decision to restart its services. Starting processes is not here."""

import re
import tomllib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

RESTART_FIRST_S = 0.1
"""Pause before the first restart: enough that a program that cannot start does not spin."""

DEATHS_MAX = 5
"""Deaths within DEATHS_WINDOW_S after which a service is given up."""

DEATHS_WINDOW_S = 30.0

WAIT_MAX_S = 2.0
"""How long a service waits for a window manager that may never come; it takes 50 ms to come."""

LATE_S = 1.0
"""After the window manager: the programs of the desktop have their windows up by then."""

MAX_SERVICES = 32
"""A desktop with its panel, sound and applications has about ten."""

MAX_ARGUMENTS = 64
MAX_ARGUMENT_CHARS = 1024
MAX_ENVIRONMENT = 64
MAX_RECIPE_BYTES = 64 * 1024

# All restarts together must fit into the window, or a broken service would be tried for ever.
assert sum(RESTART_FIRST_S * 2**n for n in range(DEATHS_MAX)) < DEATHS_WINDOW_S / 2

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}\Z")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
PLACEHOLDERS = frozenset({"home", "recipe_dir", "session", "session_dir", "user"})


class RecipeError(ValueError):
    """What is wrong with a recipe, in words for the person who wrote it."""


@dataclass(frozen=True)
class Service:
    """One program of a session; a `required` one is restarted when it dies.

    A `managed` one starts when a window manager is there to place its windows, a `late` one when
    the desktop has had the processors to itself for a moment.
    """

    name: str
    command: tuple[str, ...]
    required: bool = True
    managed: bool = False
    late: bool = False


@dataclass(frozen=True)
class Recipe:
    """What a session consists of besides its X server, and the environment of all of it."""

    name: str
    services: tuple[Service, ...]
    environment: tuple[tuple[str, str], ...] = ()


def parse_recipe(name: str, text: str) -> Recipe:
    """A recipe from its TOML text; RecipeError names the recipe and the place."""
    if len(text) > MAX_RECIPE_BYTES:
        raise RecipeError(f"recipe {name}: longer than {MAX_RECIPE_BYTES} bytes")
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"recipe {name}: not TOML: {error}") from error
    _known_keys(given, {"service", "environment"}, f"recipe {name}")
    entries = given.get("service", [])
    if not isinstance(entries, list) or not entries:
        raise RecipeError(f"recipe {name}: it needs at least one [[service]]")
    if len(entries) > MAX_SERVICES:
        raise RecipeError(f"recipe {name}: more than {MAX_SERVICES} services")
    services = tuple(_service(name, entry) for entry in entries)
    if len({service.name for service in services}) != len(services):
        raise RecipeError(f"recipe {name}: two services have the same name")
    return Recipe(name, services, _environment(name, given.get("environment", {})))


def expand(text: str, values: Mapping[str, str]) -> str:
    """`{home}/notes.txt` with the session's own values; unknown names were refused when parsed."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _service(recipe: str, entry: object) -> Service:
    if not isinstance(entry, dict):
        raise RecipeError(f"recipe {recipe}: a service must be a [[service]] table")
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        raise RecipeError(f"recipe {recipe}: service name {name!r:.40} must be like 'terminal'")
    where = f"recipe {recipe}, service {name}"
    _known_keys(entry, {"name", "command", "required", "managed", "late"}, where)
    command = entry.get("command")
    if not isinstance(command, list) or not 0 < len(command) <= MAX_ARGUMENTS:
        raise RecipeError(f"{where}: command must be a list of 1 to {MAX_ARGUMENTS} texts")
    return Service(
        name,
        tuple(_text(where, argument) for argument in command),
        required=_flag(where, entry, "required", True),
        managed=_flag(where, entry, "managed", False),
        late=_flag(where, entry, "late", False),
    )


def _flag(where: str, entry: Mapping[str, object], key: str, default: bool) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise RecipeError(f"{where}: {key} must be true or false")
    return value


def _environment(recipe: str, given: object) -> tuple[tuple[str, str], ...]:
    where = f"recipe {recipe}, environment"
    if not isinstance(given, dict) or len(given) > MAX_ENVIRONMENT:
        raise RecipeError(f"{where}: must be a table of at most {MAX_ENVIRONMENT} texts")
    for name in given:
        if not _VARIABLE.match(name):
            raise RecipeError(f"{where}: {name!r:.40} is not a variable's name")
    return tuple((name, _text(where, value)) for name, value in given.items())


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_ARGUMENT_CHARS or "\0" in value:
        raise RecipeError(
            f"{where}: {value!r:.40} is not a text of at most {MAX_ARGUMENT_CHARS} characters"
        )
    unknown = set(_PLACEHOLDER.findall(value)) - PLACEHOLDERS
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
        raise RecipeError(f"{where}: {{{min(unknown)}}} is not known; known are {known}")
    return value


def _known_keys(given: Mapping[str, object], known: set[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise RecipeError(
                f"{where}: unknown key {key!r:.40}; known are {', '.join(sorted(known))}"
            )


@dataclass(frozen=True)
class RestartAt:
    """The service starts again at this monotonic time, in seconds."""

    name: str
    at: float


@dataclass(frozen=True)
class GivenUp:
    """The service died too often and stays down."""

    name: str
    deaths: int


@dataclass(frozen=True)
class Finished:
    """The service is not required and may stay down."""

    name: str


Verdict = RestartAt | GivenUp | Finished


@dataclass
class _Life:
    service: Service
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS_MAX))
    restart_at: float | None = None


class Supervisor:
    """Which services of one session are to be started now; time comes in as an argument."""

    def __init__(self, services: Iterable[Service], now: float) -> None:
        self._lives = {service.name: _Life(service) for service in services}
        for life in self._lives.values():
            waits = life.service.managed or life.service.late
            life.restart_at = now + WAIT_MAX_S if waits else now
        self._managed = False

    def window_manager_up(self, now: float) -> None:
        """The screen has a window manager: what waited for it starts."""
        if self._managed:
            return
        self._managed = True
        for life in self._lives.values():
            if life.restart_at is None or life.deaths:
                continue
            if life.service.late:
                life.restart_at = now + LATE_S
            elif life.service.managed:
                life.restart_at = now

    def due(self, now: float) -> tuple[Service, ...]:
        """The services to start now; each is told once."""
        lives = [
            life
            for life in self._lives.values()
            if life.restart_at is not None and life.restart_at <= now
        ]
        for life in lives:
            life.restart_at = None
        return tuple(life.service for life in lives)

    def next_deadline(self) -> float | None:
        """When `due` has something to say next, or None."""
        times = [life.restart_at for life in self._lives.values() if life.restart_at is not None]
        return min(times, default=None)

    def died(self, name: str, now: float) -> Verdict:
        """A service ended, whatever its status: a required one comes back, with back-off."""
        life = self._lives[name]
        if not life.service.required:
            return Finished(name)
        life.deaths.append(now)
        recent = sum(1 for at in life.deaths if now - at < DEATHS_WINDOW_S)
        if recent >= DEATHS_MAX:
            return GivenUp(name, recent)
        life.restart_at = now + RESTART_FIRST_S * 2 ** (recent - 1)
        return RestartAt(name, life.restart_at)
