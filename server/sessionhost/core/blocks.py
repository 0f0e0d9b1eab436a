"""The group's set of lost cards and revoked terminals, on one server. Sends, stores nothing.

It only grows: who is allowed again keeps an entry that says so. Sets that are merged, in whatever
order and however often, become the same set: of two entries with one key the later one holds.
"""

import bisect
import hashlib
import itertools
from collections.abc import Iterable

from roamwire.blocks import DTU, TOKEN, dtu_key, token_key
from roamwire.datagrams import BlockEntry, fitting_entries
from roamwire.limits import MAX_STAMP
from roamwire.tokens import Token

MAX_BLOCKS = 16_384
"""Entries of a group over its life: ten thousand people who lose a card every five years, for eight
years. A copy takes 4 MB, all pages of it a second or two."""

_SUM_BITS = 64
"""Of the summary: it tells two sets apart by chance, nobody outside the group can sign one."""


class BlocksFullError(Exception):
    """The set takes no further entry; says what to do."""


class BlockSet:
    """Entries by key; `summary` is the same for two sets with the same entries."""

    def __init__(self) -> None:
        self._entries: dict[str, BlockEntry] = {}
        self._highest = 0
        self._sum = 0
        self._sorted: list[BlockEntry] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def summary(self) -> str:
        """Count and checksum of the entries, "" if there are none."""
        return f"{len(self._entries)}.{self._sum:016x}" if self._entries else ""

    def merge(self, entries: Iterable[BlockEntry]) -> tuple[BlockEntry, ...]:
        """Take entries in; those that changed the set. Full: new keys are not taken."""
        return tuple(entry for entry in entries if self._take(entry))

    def _take(self, entry: BlockEntry) -> bool:
        known = self._entries.get(entry.entry)
        if known is None and len(self._entries) >= MAX_BLOCKS:
            return False
        if known is not None and _order(entry) <= _order(known):
            return False
        if known is not None:
            self._sum ^= _checksum(known)
        self._sum ^= _checksum(entry)
        self._entries[entry.entry] = entry
        self._sorted = None
        self._highest = max(self._highest, entry.stamp)
        return True

    def put(self, key: str, blocked: bool, by: str) -> BlockEntry:
        """Block, or allow again, from now on; raises BlocksFullError."""
        if self._highest >= MAX_STAMP or (
            key not in self._entries and len(self._entries) >= MAX_BLOCKS
        ):
            raise BlocksFullError(
                f"{len(self._entries)} cards and terminals are in the list of blocks, which is the "
                "most: forget the card with 'roamctl token remove' instead"
            )
        entry = BlockEntry(key, blocked, self._highest + 1, by)
        self._take(entry)
        return entry

    def blocks_token(self, token: Token) -> bool:
        """Whether the card is lost."""
        return self.is_blocked(token_key(token))

    def blocks_dtu(self, name: str) -> bool:
        """Whether the terminal is revoked."""
        return self.is_blocked(dtu_key(name))

    def is_blocked(self, key: str) -> bool:
        """Whether the entry of that key, if there is one, blocks."""
        entry = self._entries.get(key)
        return entry is not None and entry.blocked

    def blocked_dtus(self) -> list[str]:
        """Keys of the revoked terminals."""
        return [key for key, each in self._entries.items() if key[0] == DTU and each.blocked]

    def counts(self) -> dict[str, int]:
        """How many cards and terminals are blocked now, for the status."""
        blocked = [key[0] for key, each in self._entries.items() if each.blocked]
        return {"cards": blocked.count(TOKEN), "terminals": blocked.count(DTU)}

    def entries(self) -> list[BlockEntry]:
        """All entries, the newest first."""
        if self._sorted is None:
            self._sorted = sorted(self._entries.values(), key=_age)
        return self._sorted

    def page(self, stamp: int, after: str) -> tuple[tuple[BlockEntry, ...], bool]:
        """One datagram's entries after that one (0, "": the newest), and whether more follow.

        The newest come first, so that a server that was away for an hour has what it missed with
        the first page.
        """
        entries = self.entries()
        first = bisect.bisect_right(entries, (-stamp, after), key=_age) if stamp else 0
        page = fitting_entries(itertools.islice(entries, first, None))
        return page, first + len(page) < len(entries)


def _age(entry: BlockEntry) -> tuple[int, str]:
    return -entry.stamp, entry.entry


def _order(entry: BlockEntry) -> tuple[int, str, bool]:
    return entry.stamp, entry.by, entry.blocked


def _checksum(entry: BlockEntry) -> int:
    text = f"{entry.entry} {entry.blocked:d} {entry.stamp} {entry.by}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: _SUM_BITS // 8], "big")
