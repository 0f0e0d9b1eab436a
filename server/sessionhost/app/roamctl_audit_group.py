"""Asks every server of the group for its audit log, verifies each chain and picks records.

hostd says which servers there are, also those that are down: who does not answer is named. Own and
foreign logs are treated alike. Reading needs this server's key and the group's secret, so root.
"""

import argparse
import contextlib
import itertools
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from roamwire.signing import GroupSecrets
from sessionhost.adapters.audit_client import Asked, NoAnswerError, read_log
from sessionhost.adapters.audit_log import open_files
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.keyfiles import load_secrets
from sessionhost.adapters.tls import IdentityError, client_context
from sessionhost.adapters.users import uid_of
from sessionhost.app import roamctl_note
from sessionhost.app.config import ServerConfig, load_config
from sessionhost.app.roamctl_answer import RoamctlError
from sessionhost.app.roamctl_status import ask, parse_status, socket_path
from sessionhost.core.audit import Chain, parse, verify

AT_ONCE = 4
"""Servers that are asked at a time; each costs some seconds of a processor for 64 MB."""

MAX_FLAWS_TOLD = 5

CLOCKS_AGREE_S = 1
"""Host messages tell whole seconds, so two equal clocks may seem one apart."""


@dataclass(frozen=True)
class Sieve:
    """Which records are asked for: by their fields, and not before `since`."""

    wanted: Mapping[str, set[str]]
    since: str

    def lets(self, entry: Mapping[str, Any]) -> bool:
        """Whether it is one of them."""
        return bool(entry["when"] >= self.since) and all(
            entry.get(key) in values for key, values in self.wanted.items()
        )


@dataclass
class ServerLog:
    """What came of one server's log; `why` says why it could not be had, or not to its end.

    `timeoff`: whole seconds that its clock is before ours, so records of two servers may stand in
    the wrong order.
    """

    server: str
    found: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    flaws: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    why: str = ""
    timeoff: int = 0

    @property
    def answered(self) -> bool:
        """Whether all of it came."""
        return not self.why

    def read(self, lines: Iterator[str], sieve: Sieve) -> None:
        """Verifies the lines and keeps those that are asked for."""
        for flaw in verify(self._sifted(lines, sieve), Chain()):
            self.flaws.append(f"line {flaw.line}: {flaw.words}")

    def _sifted(self, lines: Iterator[str], sieve: Sieve) -> Iterator[str]:
        for line in lines:
            entry = parse(line)
            if entry is not None:
                self.records += 1
                if entry["host"] != self.server:
                    self.others.add(entry["host"])
                if sieve.lets(entry):
                    self.found.append(entry | {"server": self.server})
            yield line

    def words(self) -> str:
        """One line for a person; several if the log is not whole."""
        if not self.answered:
            return f"{self.server} {self.why}"
        whole = "NOT WHOLE" if self.flaws else "whole"
        clock = f", its clock is {self.timeoff:+d} s from ours" if self._has_other_time else ""
        names = ", with records of " + ", ".join(sorted(self.others)) if self.others else ""
        more = len(self.flaws) - MAX_FLAWS_TOLD
        told = [f"  {each}" for each in self.flaws[:MAX_FLAWS_TOLD]]
        told += [f"  and {more} more"] if more > 0 else []
        return "\n".join([f"{self.server}: {self.records} records, {whole}{names}{clock}", *told])

    @property
    def _has_other_time(self) -> bool:
        return abs(self.timeoff) > CLOCKS_AGREE_S

    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "server": self.server,
            "answered": self.answered,
            "why": self.why,
            "records": self.records,
            "whole": self.answered and not self.flaws,
            "flaws": self.flaws,
            "records_of": sorted(self.others),
            "timeoff_s": self.timeoff,
        }


def gather(args: argparse.Namespace, sieve: Sieve) -> list[ServerLog]:
    """The logs of all servers, this one first; RoamctlError if nobody can be asked."""
    config = load_config(args.config)
    told = parse_status(ask(socket_path(args), "servers"))
    if "error" in told:
        raise RoamctlError("hostd is older than roamctl: restart it")
    try:
        tls = client_context(config)
    except IdentityError as error:
        raise RoamctlError(str(error)) from error
    secrets = load_secrets(config.group_dir, owner_uid=uid_of(config.host_user))

    def of_other(told: Mapping[str, Any]) -> ServerLog:
        server = Asked(told["host"], told["addresses"], told["port"])
        log = _of_other(server, config, tls, secrets, sieve)
        log.timeoff = told["timeoff"]
        return log

    own = _own(config, sieve)  # as hostd's user, so before there are threads
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [own, *pool.map(of_other, told["servers"])]


def _of_other(
    server: Asked, config: ServerConfig, tls: ssl.SSLContext, secrets: GroupSecrets, sieve: Sieve
) -> ServerLog:
    log = ServerLog(server.host)
    names = {"host": config.host, "by": roamctl_note.who(), "since": sieve.since}
    try:
        with read_log(server, tls, secrets, **names) as lines:
            log.read(lines, sieve)
    except NoAnswerError as error:
        log.why = str(error)
    return log


def _own(config: ServerConfig, sieve: Sieve) -> ServerLog:
    log = ServerLog(config.host)
    with contextlib.ExitStack() as stack:
        with as_owner(config.state_dir):
            opened = open_files(config.audit_path, sieve.since)
        files = [stack.enter_context(file) for file, _ in opened]
        log.read(itertools.chain.from_iterable(map(_texts, files)), sieve)
    return log


def _texts(file: BinaryIO) -> Iterator[str]:
    return (line.decode("utf-8", "replace").removesuffix("\n") for line in file)
