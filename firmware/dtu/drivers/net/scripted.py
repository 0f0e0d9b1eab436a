"""A network that a bench dictates: leases, cable, answers. Needs no DHCP client; not in images."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from dtu.core.actions import Lookup
from dtu.core.lookups import Answer, Question, nothing_found
from dtu.drivers.net.base import PostAnswer

T = TypeVar("T")


class ScriptedWatch(Generic[T]):
    """Posts what `set` was told, when it is another, and the last one at `start`.

    `known` is what needs no telling at the start.
    """

    def __init__(self, known: T | None = None) -> None:
        self._told = known
        self._now = known
        self._post: Callable[[T], None] | None = None

    def start(self, post: Callable[[T], None]) -> None:
        """Begin to post."""
        self._post = post
        self._tell()

    def stop(self) -> None:
        """Post nothing any more."""
        self._post = None

    def set(self, value: T) -> None:
        """This is how it is from now on, says the bench."""
        self._now = value
        self._tell()

    def _tell(self) -> None:
        if self._now is not None and self._now != self._told and self._post is not None:
            self._told = self._now
            self._post(self._now)


class ScriptedLookups:
    """Answers from `answers`, empty for whatever is not in it."""

    def __init__(self) -> None:
        self.answers: dict[Question, Answer] = {}
        self._post: PostAnswer | None = None

    def start(self, post: PostAnswer) -> None:
        """Begin to answer."""
        self._post = post

    def ask(self, lookup: Lookup) -> None:
        """The answer comes in the loop's next turn."""
        answer = self.answers.get(lookup.question, nothing_found(lookup.question))
        asyncio.get_running_loop().call_soon(self._answer, lookup.number, answer)

    def _answer(self, number: int, answer: Answer) -> None:
        if self._post is not None:
            self._post(number, answer)

    async def close(self) -> None:
        """Answer nothing any more."""
        self._post = None
