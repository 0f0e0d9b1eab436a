"""How the servers' sets of blocks become one: news at once, the rest by comparing summaries.

News goes to everybody, three times, as any datagram may be lost. Each host message carries a
summary of the sender's set: who has another one asks for it, page by page, until both are equal.
Nothing here needs an order or the present boot: merging what was said before changes nothing.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from roamwire.datagrams import Block, BlockEntry, BlockQ, fitting_entries
from sessionhost.core.blocks import BlockSet
from sessionhost.core.timing import BLOCK_NEWS_S, BLOCK_PAGE_S

MAX_PULLS = 4
"""Servers whose set is asked for at a time: mostly they all know the same that we do not."""

MAX_NEWS = 64
"""Entries that are being told to everybody; what is beyond is found by the summaries."""

PAGE_TRIES = 4
"""After so many repeats without an answer the next host message begins anew."""


@dataclass
class _Pull:
    """A set that is being fetched from `host`, and the last entry that came."""

    qid: str
    host: str
    address: str
    repeat_at: float
    tries: int = 1
    stamp: int = 0
    after: str = ""


@dataclass
class _News:
    """An entry that is told to everybody at each of the times."""

    entry: BlockEntry
    at: list[float]


class BlockExchange:
    """The exchange of one server; messages come out unsigned and unnumbered, "" is everybody."""

    def __init__(self, blocks: BlockSet, host: str, rng: random.Random) -> None:
        self._blocks = blocks
        self._host = host
        self._rng = rng
        self._pulls: dict[str, _Pull] = {}
        self._news: list[_News] = []
        self._out: list[tuple[Block | BlockQ, str]] = []

    def news(self, entries: Iterable[BlockEntry], now: float) -> None:
        """Entries made here: everybody is told, at once and again."""
        for entry in entries:
            self._news.append(_News(entry, [now + after for after in BLOCK_NEWS_S]))
        del self._news[:-MAX_NEWS]
        self.handle_deadline(now)

    def heard(self, host: str, summary: str, address: str, now: float) -> None:
        """A live server has announced the summary of its set."""
        if summary == self._blocks.summary:
            self._pulls.pop(host, None)
        elif summary and host not in self._pulls and len(self._pulls) < MAX_PULLS:
            pull = _Pull(f"{self._rng.getrandbits(64):016x}", host, address, now)
            self._pulls[host] = pull
            self._ask(pull, now)

    def _ask(self, pull: _Pull, now: float) -> None:
        pull.repeat_at = now + BLOCK_PAGE_S
        question = BlockQ(pull.qid, self._host, "", 0, pull.stamp, pull.after)
        self._out.append((question, pull.address))

    def asked(self, message: BlockQ, address: str) -> None:
        """A server wants a page of our set."""
        entries, more = self._blocks.page(message.stamp, message.after)
        self._out.append((self._block(entries, message.blockQ, more), address))

    def _block(self, entries: tuple[BlockEntry, ...], asked: str = "", more: bool = False) -> Block:
        return Block(self._blocks.summary, self._host, "", 0, asked, more, entries)

    def told(self, message: Block, now: float) -> tuple[BlockEntry, ...]:
        """News, or a page that we had asked for: what of it was new to us."""
        found = self._blocks.merge(message.entries)
        pull = self._pulls.get(message.host)
        if pull is not None and message.asked == pull.qid:
            if message.block == self._blocks.summary or not (message.more and message.entries):
                del self._pulls[message.host]
            else:
                # A page that came twice may lead back by one: that costs a page, and no entry.
                last = message.entries[-1]
                pull.stamp, pull.after, pull.tries = last.stamp, last.entry, 1
                self._ask(pull, now)
        return found

    def deadlines(self) -> list[float]:
        """When `handle_deadline` is to be called."""
        return [
            *(pull.repeat_at for pull in self._pulls.values()),
            *(at for news in self._news for at in news.at[:1]),
        ]

    def handle_deadline(self, now: float) -> None:
        """News that is due, questions that had no answer."""
        due = [each for each in self._news if each.at[0] <= now]
        rest = [each.entry for each in due]
        while rest:
            page = fitting_entries(rest)
            self._out.append((self._block(page), ""))
            del rest[: len(page)]
        for each in due:
            each.at = [at for at in each.at if at > now]
        self._news = [each for each in self._news if each.at]
        for pull in [each for each in self._pulls.values() if each.repeat_at <= now]:
            pull.tries += 1
            if pull.tries > PAGE_TRIES:
                del self._pulls[pull.host]
            else:
                self._ask(pull, now)

    def messages(self) -> list[tuple[Block | BlockQ, str]]:
        """What is to be sent now, each with its address; the queue is empty afterwards."""
        out, self._out = self._out, []
        return out
