"""One settings table for file, defaults, help and show-config. Opening files is not here.

A program declares its settings once, as a tuple of `Setting`. Everything else follows from it: what
a TOML file may say, what holds when it says nothing, what `show-config` prints.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Value = str | int | bool | tuple[str, ...]
Kind = Literal["text", "path", "whole", "flag", "list", "choice"]
Check = Callable[[str], str | None]

MAX_TEXT = 4096  # PATH_MAX: the longest value that any setting can need
MAX_LIST = 64  # more addresses in one file than anyone types by hand
MAX_FILE_BYTES = 64 * 1024  # fifty times a full server.toml with its comments

_KIND_WORDS: dict[Kind, str] = {
    "text": "a text in quotes",
    "path": "a path in quotes",
    "whole": "a whole number",
    "flag": "true or false",
    "list": "a list of texts",
    "choice": "a text in quotes",
}


class SettingsError(ValueError):
    """What is wrong with a settings file, in words for the person who wrote it."""


@dataclass(frozen=True)
class Setting:
    """One line of a settings table; `check` returns what is wrong with a text, or None."""

    name: str
    kind: Kind
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    lowest: int = 0
    highest: int = 65535
    check: Check | None = None


class SettingsTable:
    """All settings of one program, in the order in which they are printed."""

    def __init__(self, settings: tuple[Setting, ...]) -> None:
        self.settings: dict[str, Setting] = {setting.name: setting for setting in settings}
        if len(self.settings) != len(settings):
            raise SettingsError("two settings of one table have the same name")
        for setting in settings:
            problem = _problem(setting, setting.default)
            if problem:
                raise SettingsError(f"the default of {problem}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.settings)

    def defaults(self) -> dict[str, Value]:
        return {name: setting.default for name, setting in self.settings.items()}

    def resolve(self, given: Mapping[str, object], source: str) -> dict[str, Value]:
        """Defaults overlaid with `given`; SettingsError names every problem, not only the first."""
        values = self.defaults()
        problems: list[str] = []
        for name, value in given.items():
            setting = self.settings.get(name)
            if setting is None:
                problems.append(self._unknown(name))
                continue
            problem = _problem(setting, value)
            if problem:
                problems.append(problem)
            else:
                values[name] = _frozen(value)
        if problems:
            raise SettingsError("\n".join(f"{source}: {problem}" for problem in problems))
        return values

    def parse(self, text: str, source: str) -> dict[str, Value]:
        """The values of a TOML text; `source` is the file's name for the messages."""
        if len(text) > MAX_FILE_BYTES:
            raise SettingsError(
                f"{source}: longer than {MAX_FILE_BYTES} bytes; is it the right file?"
            )
        try:
            given = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise SettingsError(f"{source}: not TOML: {error}") from error
        return self.resolve(given, source)

    def show(self, values: Mapping[str, Value]) -> str:
        """TOML of what is in force, each line under its help; `parse` reads it back."""
        lines: list[str] = []
        for name, setting in self.settings.items():
            mark = "" if values[name] == setting.default else " (set)"
            lines += [f"# {setting.help}{mark}", f"{name} = {_toml(values[name])}", ""]
        return "\n".join(lines)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.settings, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else "known are: " + ", ".join(self.settings)
        return f"unknown setting '{name[:80]}'; {hint}"


def _problem(setting: Setting, value: object) -> str | None:
    """What is wrong with `value`, beginning with the setting's name; None when it is right."""
    if not _is_kind(setting.kind, value):
        return f"'{setting.name}' must be {_KIND_WORDS[setting.kind]}, not {value!r:.80}"
    if isinstance(value, int) and not isinstance(value, bool):
        if not setting.lowest <= value <= setting.highest:
            return f"'{setting.name}' must be {setting.lowest} to {setting.highest}, not {value}"
        return None
    texts = value if isinstance(value, list | tuple) else (value,)
    if len(texts) > MAX_LIST:
        return f"'{setting.name}' has {len(texts)} entries; {MAX_LIST} are the most"
    for text in texts:
        reason = _text_problem(setting, text) if isinstance(text, str) else None
        if reason:
            return f"'{setting.name}' {reason}"
    return None


def _text_problem(setting: Setting, text: str) -> str | None:
    if len(text) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        return f"has a control character in it: {text!r:.80}"
    if setting.choices and text not in setting.choices:
        near = difflib.get_close_matches(text, setting.choices, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        return f"must be one of {', '.join(setting.choices)}, not {text!r:.80}{hint}"
    return setting.check(text) if setting.check else None


def _is_kind(kind: Kind, value: object) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "whole":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "list":
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _frozen(value: object) -> Value:
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    assert isinstance(value, str | int)  # _is_kind said so
    return value


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
