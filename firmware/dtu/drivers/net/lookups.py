"""Carries questions to DNS and multicast DNS, and the answers back; none is waited for."""

import asyncio
import logging

from dtu.core.actions import Lookup
from dtu.core.lookups import AddressesOf, Answer, Neighbours, ServiceOf, nothing_found
from dtu.drivers.net import dns_lookup, mdns
from dtu.drivers.net.base import PostAnswer

log = logging.getLogger(__name__)

MAX_PENDING = 8
"""The core waits for one at a time; those that it gave up end by their own time-out."""


class NetworkLookups:
    """The real network's answers; lives on the event loop's thread."""

    def __init__(self) -> None:
        self._post: PostAnswer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, post: PostAnswer) -> None:
        self._post = post

    def ask(self, lookup: Lookup) -> None:
        if len(self._tasks) >= MAX_PENDING:
            log.warning("look-up dropped: %d are under way", len(self._tasks))
            return
        task = asyncio.get_running_loop().create_task(self._answer(lookup))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self._post = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, lookup: Lookup) -> None:
        answer = nothing_found(lookup.question)
        try:
            answer = await self._ask(lookup)
        except Exception:
            # A library's slip on somebody's strange packet costs this answer, not the search.
            log.exception("look-up of %s failed", lookup.question)
        if self._post is not None:
            self._post(lookup.number, answer)

    async def _ask(self, lookup: Lookup) -> Answer:
        match lookup.question:
            case AddressesOf() as question:
                return await dns_lookup.addresses(question, lookup.wait_s)
            case ServiceOf() as question:
                return await dns_lookup.service(question, lookup.wait_s)
            case Neighbours(addresses):
                return await mdns.neighbours(addresses, lookup.wait_s)
