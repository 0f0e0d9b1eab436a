"""The audit log's records and their chain. Where the lines are kept is not here.

A line is one JSON object. Each carries the hash of the line before it and its own, so that a
line that was removed, changed or moved is found. A log that ends early shows no gap: whoever may
write the file may cut its end, or make the whole chain anew; the journal's copy, sent to another
machine, is for that.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from roamwire.tokens import Token

MAX_REASON_CHARS = 200
"""A sentence; names of hosts and sessions are in it."""

CARD_DIGITS = 16
"""64 bits: no two cards of a group are the same in its log."""

NO_KEY = "-"
"""Stands for every card where the group has no audit key."""


@dataclass(frozen=True)
class Record:
    """One decision: what it was about, how it went, for whom, with which card, where and why.

    `token` is written as kind and keyed hash, never as it is.
    """

    what: str
    decision: str
    who: str = ""
    token: Token | None = None
    dtu: str = ""
    reason: str = ""
    session: str = ""


def card_name(key: bytes | None, token: Token) -> str:
    """A card in the log: its kind and a hash that only who has the key can find its number by."""
    if key is None:
        return f"{token.kind}:{NO_KEY}"
    digest = hmac.digest(key, f"roamdesk audit\n{token}".encode(), "sha256").hex()
    return f"{token.kind}:{digest[:CARD_DIGITS]}"


@dataclass
class Chain:
    """The end of a chain: number and hash of its last line; 0 and "" before the first."""

    n: int = 0
    last: str = ""

    def line(self, record: Record, *, when: str, host: str, card: str) -> str:
        """The record as the next line of the chain, which `follow` makes its end."""
        fields = {
            "when": when,
            "host": host,
            "n": self.n + 1,
            "what": record.what,
            "decision": record.decision,
            "who": record.who,
            "card": card,
            "dtu": record.dtu,
            "reason": record.reason[:MAX_REASON_CHARS],
            "session": record.session,
        }
        body = {key: value for key, value in fields.items() if value != ""} | {"prev": self.last}
        return _text(body | {"hash": _hash(body)})

    def follow(self, entry: dict[str, Any]) -> None:
        """The parsed line is the last one now."""
        self.n, self.last = entry["n"], entry["hash"]


def parse(line: str) -> dict[str, Any] | None:
    """A line as an object; None if it is not a whole record."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    texts = ("when", "host", "what", "decision", "prev", "hash")
    whole = type(entry.get("n")) is int and all(isinstance(entry.get(k), str) for k in texts)
    return entry if whole else None


@dataclass(frozen=True)
class Flaw:
    """Something wrong with a log: the number of the line in its file, and words."""

    line: int
    words: str


def verify(lines: Iterable[str], chain: Chain) -> Iterator[Flaw]:
    """What is wrong with the lines that follow `chain`, which is moved to their end.

    A chain that begins in the middle, because older files are gone, is taken as it begins.
    """
    fresh = chain.n == 0
    for number, line in enumerate(lines, 1):
        entry = parse(line)
        if entry is None:
            yield Flaw(number, "not a record")
            continue
        body = {key: value for key, value in entry.items() if key != "hash"}
        if _hash(body) != entry["hash"] or _text(body | {"hash": entry["hash"]}) != line:
            yield Flaw(number, f"record {entry['n']} was changed")
        if not fresh or entry["n"] == 1:
            yield from _gap(number, chain, entry)
        fresh = False
        chain.follow(entry)


def _gap(number: int, chain: Chain, entry: dict[str, Any]) -> Iterator[Flaw]:
    n, expected = entry["n"], chain.n + 1
    if n > expected:
        gone = (
            f"record {expected} is" if n == expected + 1 else f"records {expected} to {n - 1} are"
        )
        yield Flaw(number, f"{gone} missing before record {n}")
    elif n < expected:
        yield Flaw(number, f"record {n} stands after record {chain.n}")
    elif entry["prev"] != chain.last:
        yield Flaw(number, f"record {n} does not follow the record {chain.n} that is here")


def _text(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"))


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(_text(body).encode()).hexdigest()
