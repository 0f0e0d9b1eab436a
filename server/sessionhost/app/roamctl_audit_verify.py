"""roamctl audit --verify of this server's own log: its chain, and the journal's copies of it."""

import contextlib
import datetime
import itertools
import os
import time
from collections.abc import Iterator
from typing import BinaryIO

from sessionhost.adapters import journal_copies
from sessionhost.adapters.audit_log import begins_late, open_files
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.journal_copies import JournalError
from sessionhost.adapters.users import uid_of
from sessionhost.app.config import ServerConfig
from sessionhost.app.roamctl_answer import Answer, RoamctlError
from sessionhost.core.audit import Chain, parse, verify
from sessionhost.core.audit_copies import Comparison

MAX_FLAWS = 100
"""A file that is no log has one in each line."""

CHAIN_ALONE = (
    "only the chain was looked at: it shows what others did to the log, but hostd's user and root "
    "can make it anew, or cut its end off"
)

_EARLIER_S = 60
"""The journal is read from so long before the first record on."""


def verify_own(config: ServerConfig, since: str) -> Answer:
    """Looks at all of the log, or at what is from `since` on; RoamctlError says what is wrong."""
    taken_us = time.time_ns() // 1000
    log = _OwnLog(config, since)
    compared = Comparison(log.hashes, taken_us, older_gone=log.older_gone)
    uids = {0, uid_of(config.host_user)}
    why = _compare(compared, config, log, uids)
    flaws = [*log.flaws, *compared.flaws()]
    if flaws:
        words = [not_whole(flaws)]
        if compared.seen:
            query = " ".join(journal_copies.matches(config.audit_path, uids))
            words.append(f"what the journal has: journalctl -o cat {query}")
        raise RoamctlError("\n".join(words))
    file = {"file": str(config.audit_path), "records": len(log.hashes), "host": log.host}
    count, first, last = compared.vouched()
    journal = {"copies": count, "first": first, "last": last, "unwritten": compared.unwritten}
    lines = [f"{config.audit_path}: {len(log.hashes)} records of {log.host}, whole"]
    lines += _words(compared, why)
    return Answer({"files": [file], "whole": True, "journal": journal}, lines)


def not_whole(flaws: list[str]) -> str:
    """The flaws of a log for a person, not too many of them."""
    more = [f"and {len(flaws) - MAX_FLAWS} more"] if len(flaws) > MAX_FLAWS else []
    return "\n".join(["the log is not whole:", *flaws[:MAX_FLAWS], *more])


class _OwnLog:
    """What the files say: hashes by record, and what is wrong with their chain."""

    def __init__(self, config: ServerConfig, since: str) -> None:
        self.hashes: dict[int, str] = {}
        self.host = self.began = ""
        self.since = since
        with contextlib.ExitStack() as stack:
            with as_owner(config.state_dir):
                self.older_gone = bool(since) or begins_late(config.audit_path)
                opened = open_files(config.audit_path, since)
            if not opened:
                raise RoamctlError("there is no audit log yet: hostd writes it")
            lines = [_lines(stack.enter_context(file), size) for file, size in opened]
            found = verify(self._noted(itertools.chain.from_iterable(lines)), Chain())
            self.flaws = [f"{config.audit_path} line {each.line}: {each.words}" for each in found]
        first = min(self.hashes, default=1)
        if first != 1 and not self.older_gone:
            gone = "record 1 is" if first == 2 else f"records 1 to {first - 1} are"
            self.flaws.append(f"{gone} gone, and not because files were full")

    def _noted(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if (entry := parse(line)) is not None:
                self.began = self.began or entry["when"]
                self.host = entry["host"]
                self.hashes[entry["n"]] = entry["hash"]
            yield line


def _lines(file: BinaryIO, size: int) -> Iterator[str]:
    """Up to the size that the file had: what is written meanwhile is not looked at."""
    while size > 0 and (line := file.readline(size)):
        size -= len(line)
        yield line.decode("utf-8", "replace").removesuffix("\n")


def _compare(compared: Comparison, config: ServerConfig, log: _OwnLog, uids: set[int]) -> str:
    """Shows all copies to `compared`; gives why there are none, if that is a person's rights."""
    since_s = _moment(log.since)
    if since_s is None and log.older_gone:
        since_s = _moment(log.began, _EARLIER_S)
    try:
        journal_copies.sync()
        for copy in journal_copies.read_copies(config.audit_path, uids, since_s):
            compared.see(copy)
    except JournalError as error:
        if os.geteuid() == 0:
            raise RoamctlError(f"the journal could not be compared with: {error}") from error
        return f"not compared with the journal, which root can read ({error})"
    return ""


def _moment(when: str, earlier_s: float = 0) -> float | None:
    try:
        moment = datetime.datetime.fromisoformat(when)
    except ValueError:
        return None  # "", or a log that somebody has written
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp() - earlier_s


def _words(compared: Comparison, why: str) -> list[str]:
    count, first, last = compared.vouched()
    if not count:
        return [why or "the journal has no copy of its records", CHAIN_ALONE]
    told = [
        f"the journal has copies of {count} of the records {first} to {last}, all equal: since "
        f"they came there nobody but root can have changed what is up to record {last}"
    ]
    if compared.unwritten:
        told.append(f"{compared.unwritten} records are in the journal alone: no room on the disk")
    return told
