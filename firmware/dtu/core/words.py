"""What a screen says: a number, an icon, sentences. Which ones, in what language, is not here.

The core chooses a `Message`; a `Language` makes `Words` of it, and only those reach a screen.
"""

import enum
from dataclasses import dataclass, replace


class Icon(enum.Enum):
    """The kinds of pictures beside a number; their shapes are the display driver's."""

    CABLE = "cable"
    ADDRESS = "address"
    SEARCH = "search"
    PLUG = "plug"
    CLOCK = "clock"
    UPDATE = "update"
    CARD = "card"
    READER = "reader"
    LOCK = "lock"
    PERSON = "person"
    LIST = "list"
    SCREEN = "screen"
    BROKEN = "broken link"
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True)
class Field:
    """A line that a person fills in: its label, or the key of it, and what is seen in it.

    `active`: the next key goes here.
    """

    label: str
    seen: str = ""
    active: bool = True


@dataclass(frozen=True)
class Message:
    """What is to be said: `form` is the sentence's key, `notes` are keys of the small print.

    The labels of `fields` are keys too.
    """

    code: int
    icon: Icon
    form: str = "text"
    params: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()

    def about(self, **params: str) -> "Message":
        """The same with what stands in its places."""
        return replace(self, params=(*self.params, *params.items()))

    def noting(self, note: str) -> "Message":
        """The same with one more line of small print."""
        return replace(self, notes=(*self.notes, note))

    def with_fields(self, fields: tuple[Field, ...]) -> "Message":
        """The same with lines to fill in."""
        return replace(self, fields=fields)


@dataclass(frozen=True)
class Words:
    """One message in a language; `code` can be read out on the phone, `note` is small print."""

    code: int
    title: str
    text: str
    icon: Icon = Icon.WARNING
    note: str = ""
    fields: tuple[Field, ...] = ()
