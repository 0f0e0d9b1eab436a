"""Sentences of a language and how they are put together. Files are read elsewhere.

A language is a TOML text: `name`, one table a number with `title` and `text`, and tables of notes
and of the menu. `{name}` is a place that a message fills.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dtu.core.catalogue import OTHER
from dtu.core.words import Message, Words
from roamwire.errors import LocalProtocolError

DEFAULT = "en"
"""The language in which everything is written first, and the one of the log."""

_PLACE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Language:
    """One language; the keys of `texts` are `table.key`, such as `21.title`."""

    code: str
    name: str
    texts: Mapping[str, str]

    def say(self, key: str, **params: str) -> str:
        """The text of a key with its places filled; an unfilled one is left out."""
        return _PLACE.sub(lambda match: params.get(match[1], ""), self.texts[key])

    def chord(self, name: str) -> str:
        """Keys that are held together, as their caps say: `ctrl-alt-home` is `Ctrl+Alt+Home`."""
        keys = name.lower().split("-")
        return "+".join(self.texts.get(f"keys.{key}", key.title()) for key in keys)

    def words(self, message: Message, **params: str) -> Words:
        """A message in this language; `params` fill places of the small print."""
        filled = dict(message.params)
        table = message.form if message.form == OTHER else str(message.code)
        form = "text" if message.form == OTHER else message.form
        notes = [self.say(f"note.{note}", **{**filled, **params}) for note in message.notes]
        fields = [replace(each, label=self.say(f"field.{each.label}")) for each in message.fields]
        return Words(
            message.code,
            self.say(f"{table}.title", **filled),
            self.say(f"{table}.{form}", **filled),
            message.icon,
            " · ".join(notes),
            tuple(fields),
        )


def parse_language(code: str, text: str, base: Language | None = None) -> Language:
    """A language from its TOML; what it lacks is taken from `base`. LocalProtocolError if broken.

    The files are part of the program: a broken one is our own mistake.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LocalProtocolError(f"language {code}: {error}") from error
    name = tables.pop("name", code)
    texts = dict(base.texts) if base else {}
    for table, entries in tables.items():
        for key, value in entries.items():
            texts[f"{table}.{key}"] = str(value)
    return Language(code, str(name), texts)


def places(text: str) -> set[str]:
    """The names of a text's places."""
    return set(_PLACE.findall(text))
