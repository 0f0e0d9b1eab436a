"""roamctl audit: reads the audit logs of one server or of several, filters, and looks for gaps.

How the other servers are asked for theirs is in `roamctl_audit_group`, how this server's own is
verified in `roamctl_audit_verify`.
"""

import argparse
import datetime
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roamwire.errors import RemoteProtocolError
from roamwire.tokens import Token
from sessionhost.adapters.audit_log import files_of
from sessionhost.adapters.folder_owner import as_owner, open_plain
from sessionhost.adapters.keyfiles import AUDIT_KEY_NAME, load_secret
from sessionhost.adapters.users import uid_of
from sessionhost.app import roamctl_audit_group
from sessionhost.app.config import load_config
from sessionhost.app.roamctl_answer import Answer, RoamctlError
from sessionhost.app.roamctl_audit_group import Sieve
from sessionhost.app.roamctl_audit_verify import CHAIN_ALONE, not_whole, verify_own
from sessionhost.core.audit import Chain, card_name, parse, verify

_AGO = re.compile(r"([0-9]{1,6})([smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FILTERS = ("user", "dtu", "what", "session")
_SHOWN = ("when", "host", "what", "decision", "who", "card", "dtu", "session", "reason")


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `audit`."""
    parser = commands.add_parser(
        "audit", parents=[common], help="who did what where, from the audit log"
    )
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help=_FILES_HELP)
    parser.add_argument("--card", help="a token (uid:04a1b2c3), or as it stands in the log")
    parser.add_argument("--user", help="only records about this user")
    parser.add_argument("--dtu", help="only records about this terminal")
    parser.add_argument("--what", help="terminal, insert, redirect, session, card, block or admin")
    parser.add_argument("--session", help="only records about this session")
    parser.add_argument("--since", help="2026-11-24, 2026-11-24T08:00 (UTC), or 30m, 8h, 7d ago")
    parser.add_argument("--key", type=Path, help="the group's audit.key instead of the config's")
    parser.add_argument(
        "--group", action="store_true", help="ask all servers of the group; needs root"
    )
    parser.add_argument("--socket", type=Path, help="hostd's admin socket instead of the config's")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="look for removed, changed or moved records; this server's own log is also compared "
        "with the journal, by root",
    )
    parser.set_defaults(run=_run)


GROUP_CHAINS = "only the chains were looked at: --verify on a server compares with its journal too"

_FILES_HELP = "logs of any servers, merged by time; those of one server the oldest first"


def _run(args: argparse.Namespace) -> Answer:
    if args.group and args.files:
        raise RoamctlError("--group asks the servers themselves: name no files with it")
    since = _since(args.since) if args.since else ""
    if args.verify and args.files:
        return _verify(args.files)
    if args.verify and not args.group:
        return verify_own(load_config(args.config), since)
    sieve = Sieve(_wanted(args), since)
    if args.group:
        return _of_group(args, sieve)
    named = bool(args.files)
    found = [entry for path in _files(args) for entry in _sifted(_lines(path, named), sieve)]
    return Answer({"records": _in_order(found)}, _told(found) or ["no such records"])


def _files(args: argparse.Namespace) -> list[Path]:
    files: list[Path] = args.files or files_of(load_config(args.config).audit_path)
    if not files:
        raise RoamctlError("there is no audit log yet: hostd writes it")
    return files


def _of_group(args: argparse.Namespace, sieve: Sieve) -> Answer:
    """The records of all servers, and plainly which of them did not answer."""
    logs = roamctl_audit_group.gather(args, sieve)
    words = [each.words() for each in logs]
    whole = all(each.answered and not each.flaws for each in logs)
    if args.verify and not whole:
        raise RoamctlError("\n".join(["not every log is there and whole:", *words]))
    found = _in_order([entry for each in logs for entry in each.found])
    lines = [] if args.verify else [*(_told(found) or ["no such records"]), ""]
    words += [GROUP_CHAINS] if args.verify else []
    data = {
        "records": [] if args.verify else found,
        "servers": [each.data() for each in logs],
        "complete": all(each.answered for each in logs),
        "whole": whole,
    }
    return Answer(data, [*lines, *words])


def _sifted(lines: list[str], sieve: Sieve) -> Iterator[dict[str, Any]]:
    return (e for line in lines if (e := parse(line)) is not None and sieve.lets(e))


def _in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found.sort(key=lambda entry: (entry["when"], entry["host"], entry["n"]))
    return found


def _told(found: list[dict[str, Any]]) -> list[str]:
    return [" ".join(str(each.get(key, "-")) for key in _SHOWN) for each in found]


def _wanted(args: argparse.Namespace) -> dict[str, set[str]]:
    named = {key: getattr(args, key) for key in _FILTERS}
    wanted = {key: {value} for key, value in named.items() if value}
    if "user" in wanted:
        wanted["who"] = wanted.pop("user")
    if args.card:
        wanted["card"] = {args.card, card_name(_key(args), _token(args.card))}
    return wanted


def _key(args: argparse.Namespace) -> bytes:
    if args.key:
        return load_secret(args.key)
    config = load_config(args.config)
    path = config.group_dir / AUDIT_KEY_NAME
    if not path.exists():
        raise RoamctlError(
            f"{path} is missing, without which a card cannot be found in the log: make it with "
            "'roamctl group audit-key' in the group's folder and export that to the servers, or "
            "name a copy with --key"
        )
    return load_secret(path, uid_of(config.host_user))


def _token(text: str) -> Token:
    try:
        return Token.parse(text)
    except RemoteProtocolError as error:
        raise RoamctlError(f"{text!r} is not a token; one looks like uid:04a1b2c3") from error


def _since(text: str) -> str:
    ago = _AGO.match(text)
    if ago:
        now = datetime.datetime.now(datetime.UTC)
        moment = now - datetime.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return f"{moment:%Y-%m-%dT%H:%M:%S}"
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise RoamctlError(f"{text!r} is no time: write 2026-11-24T08:00, or 8h") from error
    return text


def _lines(path: Path, named: bool) -> list[str]:
    """Of a file that a person named, or of one that stands in hostd's folder."""
    if named:
        return path.read_text("utf-8", "replace").splitlines()
    with as_owner(path.parent), os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        return file.read().decode("utf-8", "replace").splitlines()


def _verify(files: list[Path]) -> Answer:
    chains: dict[str, Chain] = {}
    flaws: list[str] = []
    told: list[dict[str, Any]] = []
    for path in files:
        lines = _lines(path, named=True)
        first = next((entry for line in lines if (entry := parse(line)) is not None), None)
        host = "" if first is None else first["host"]
        chain = chains.setdefault(host, Chain())
        flaws += [f"{path} line {each.line}: {each.words}" for each in verify(lines, chain)]
        told.append({"file": str(path), "host": host, "records": len(lines), "last": chain.n})
    if flaws:
        raise RoamctlError(not_whole(flaws))
    lines = [f"{e['file']}: {e['records']} records of {e['host']}, whole" for e in told]
    return Answer({"files": told, "whole": True, "journal": None}, [*lines, CHAIN_ALONE])
