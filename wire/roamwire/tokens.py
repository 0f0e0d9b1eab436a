"""Tokens: the identity that is presented at a DTU. Whether it is legitimate is not decided here."""

import re
from dataclasses import dataclass, field

from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_NAME_CHARS

KINDS = ("piv", "uid", "pseudo", "user")
"""By strength: a card that proves itself, a copyable card number, the terminal itself. `user` is
never presented: it owns the sessions of a person who signed in without a card."""

_VALUE = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_NAME_CHARS}}}\Z")


@dataclass(frozen=True)
class Token:
    """A token as `kind:value`, for example `uid:04a1b2c3d4e5f6`.

    Its repr does not show the value: whatever holds a token may be logged.
    """

    kind: str
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not _VALUE.match(self.value):
            raise ValueError(f"not a token: {self.kind!r}:{self.value[:80]!r}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> "Token":
        """`kind:value` as a token; raises RemoteProtocolError if it is not one."""
        kind, _, value = text.partition(":")
        try:
            return cls(kind, value)
        except ValueError as error:
            raise RemoteProtocolError("token", str(error)) from error
