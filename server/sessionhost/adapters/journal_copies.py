"""The copies of an audit log's records in this machine's journal, by journalctl. Judges nothing.

Fields that begin with "_" are journald's own words, from what the kernel says of the sender: no
process can choose them. By `_UID` only root's and hostd's user's entries count.
"""

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from sessionhost.adapters.audit_log import LOG_FIELD, UNWRITTEN_FIELD
from sessionhost.core.audit_copies import Copy

JOURNALCTL = Path("/usr/bin/journalctl")

MAX_ENTRIES = 1_000_000
"""Six times what the files of a log can hold: more is somebody's flood."""

MAX_LINE_BYTES = 64 * 1024
"""journalctl leaves out the values of fields beyond 4 KB; ours are shorter."""

SYNC_S = 10
READ_S = 300
"""A million entries take a minute."""


class JournalError(Exception):
    """The journal cannot be read, or not to its end; says why."""


def sync() -> None:
    """Has journald store what it was told until now; only root can ask for that."""
    if JOURNALCTL.exists():
        with _running([str(JOURNALCTL), "--sync"], subprocess.DEVNULL, SYNC_S) as process:
            pass
        if process.returncode < 0:
            raise JournalError(f"journald has not answered within {SYNC_S} s")


def matches(log: Path, uids: Collection[int]) -> list[str]:
    """What journalctl is to look for: entries of this log, from these users."""
    return [f"{LOG_FIELD}={log.absolute()}", *(f"_UID={uid}" for uid in sorted(uids))]


def read_copies(log: Path, uids: Collection[int], since_s: float | None) -> Iterator[Copy]:
    """What these users told the journal of this log, the newest first; raises JournalError.

    `since_s`: not what came before that time, seconds since 1970.
    """
    if not JOURNALCTL.exists():
        return
    with tempfile.TemporaryFile() as errors:
        with _running(_command(log, uids, since_s), errors, READ_S) as process:
            assert process.stdout is not None
            for line in _few(process.stdout):
                if (copy := _copy_in(line, uids)) is not None:
                    yield copy
        if process.returncode != 0:
            errors.seek(0)
            why = errors.read(500).decode("utf-8", "replace").strip()
            raise JournalError(why or f"journalctl ended with {process.returncode}")


@contextlib.contextmanager
def _running(
    command: list[str], errors: IO[bytes] | int, limit_s: float
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, ended after so long, or when who reads it has had enough."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        limit = threading.Timer(limit_s, process.kill)
        limit.start()
        try:
            yield process
            process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            limit.cancel()
            limit.join()


def _few(lines: IO[bytes]) -> Iterator[bytes]:
    for count, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES), b"")):
        if count == MAX_ENTRIES:
            raise JournalError(f"it has more than {MAX_ENTRIES} entries of this log")
        yield line


def _command(log: Path, uids: Collection[int], since_s: float | None) -> list[str]:
    command = [str(JOURNALCTL), "--quiet", "--no-pager", "--reverse", "--output=json"]
    command.append(f"--output-fields=MESSAGE,_UID,{UNWRITTEN_FIELD}")
    if since_s is not None:
        command.append(f"--since=@{since_s:.6f}")
    return command + matches(log, uids)


def _copy_in(line: bytes, uids: Collection[int]) -> Copy | None:
    try:
        entry: Any = json.loads(line)
        if int(entry["_UID"]) not in uids or not isinstance(entry["MESSAGE"], str):
            return None
        at_us = int(entry["__REALTIME_TIMESTAMP"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Copy(entry["MESSAGE"], at_us, UNWRITTEN_FIELD in entry)
