"""roamctl audit: reads the audit logs of one server or of several, filters, and looks for gaps.

Also puts into the log what an administrator does with roamctl itself, under the Unix user's name.
"""

import argparse
import datetime
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from roamwire.errors import RemoteProtocolError
from roamwire.settings import SettingsError
from roamwire.tokens import Token
from sessionhost.adapters.audit_log import AuditLog, files_of
from sessionhost.adapters.keyfiles import AUDIT_KEY_NAME, KeyFileError, load_secret
from sessionhost.adapters.users import user_name
from sessionhost.app.config import ServerConfig, load_config
from sessionhost.app.roamctl_answer import Answer, RoamctlError
from sessionhost.core.audit import Chain, Record, card_name, parse, verify

MAX_FLAWS = 100
"""A file that is no log has one in each line."""

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
        "--verify", action="store_true", help="look for removed, changed or moved records"
    )
    parser.set_defaults(run=_run)


_FILES_HELP = "logs of any servers, merged by time; those of one server the oldest first"


def _run(args: argparse.Namespace) -> Answer:
    files: list[Path] = args.files or files_of(load_config(args.config).audit_path)
    if not files:
        raise RoamctlError("there is no audit log yet: hostd writes it")
    if args.verify:
        return _verify(files)
    wanted = _wanted(args)
    since = _since(args.since, datetime.datetime.now(datetime.UTC)) if args.since else ""
    found = [
        entry
        for entry in _entries(files)
        if entry["when"] >= since
        and all(entry.get(key) in values for key, values in wanted.items())
    ]
    found.sort(key=lambda entry: (entry["when"], entry["host"], entry["n"]))
    lines = [" ".join(str(e.get(key, "-")) for key in _SHOWN) for e in found]
    return Answer({"records": found}, lines or ["no such records"])


def _wanted(args: argparse.Namespace) -> dict[str, set[str]]:
    named = {key: getattr(args, key) for key in _FILTERS}
    wanted = {key: {value} for key, value in named.items() if value}
    if "user" in wanted:
        wanted["who"] = wanted.pop("user")
    if args.card:
        wanted["card"] = {args.card, card_name(_key(args), _token(args.card))}
    return wanted


def _key(args: argparse.Namespace) -> bytes:
    path = args.key or load_config(args.config).group_dir / AUDIT_KEY_NAME
    if not path.exists():
        raise RoamctlError(
            f"{path} is missing, without which a card cannot be found in the log: make it with "
            "'roamctl group audit-key' in the group's folder and export that to the servers, or "
            "name a copy with --key"
        )
    return load_secret(path)


def _token(text: str) -> Token:
    try:
        return Token.parse(text)
    except RemoteProtocolError as error:
        raise RoamctlError(f"{text!r} is not a token; one looks like uid:04a1b2c3") from error


def _since(text: str, now: datetime.datetime) -> str:
    ago = _AGO.match(text)
    if ago:
        moment = now - datetime.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return f"{moment:%Y-%m-%dT%H:%M:%S}"
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise RoamctlError(f"{text!r} is no time: write 2026-11-24T08:00, or 8h") from error
    return text


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines()


def _entries(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in files:
        for line in _lines(path):
            if (entry := parse(line)) is not None:
                yield entry


def _verify(files: list[Path]) -> Answer:
    chains: dict[str, Chain] = {}
    flaws: list[str] = []
    told: list[dict[str, Any]] = []
    for path in files:
        lines = _lines(path)
        first = next((entry for line in lines if (entry := parse(line)) is not None), None)
        host = "" if first is None else first["host"]
        chain = chains.setdefault(host, Chain())
        flaws += [f"{path} line {each.line}: {each.words}" for each in verify(lines, chain)]
        told.append({"file": str(path), "host": host, "records": len(lines), "last": chain.n})
    if flaws:
        more = [f"and {len(flaws) - MAX_FLAWS} more"] if len(flaws) > MAX_FLAWS else []
        raise RoamctlError("\n".join(["the log is not whole:", *flaws[:MAX_FLAWS], *more]))
    lines = [f"{e['file']}: {e['records']} records of {e['host']}, whole" for e in told]
    return Answer({"files": told, "whole": True}, lines)


def note(args: argparse.Namespace) -> None:
    """What this command has changed, for the log of this server, if there is one here.

    A command that changes something says so with `act`; what goes through hostd is noted there.
    """
    if not getattr(args, "act", "") or args.registry is not None:
        return
    try:
        config: ServerConfig = load_config(args.config)
        key_path = config.group_dir / AUDIT_KEY_NAME
        key = load_secret(key_path) if key_path.exists() else None
    except (SettingsError, KeyFileError):
        return  # no server: an administrator's own machine
    token = _token(args.token) if getattr(args, "token", None) else None
    log = AuditLog(config.audit_path, config.host, key)
    dtu, user = getattr(args, "dtu", ""), getattr(args, "user", "")
    log.write(Record("admin", args.act, _by(), token, dtu, reason=f"of {user}" if user else ""))
    log.close()


def _by() -> str:
    """Who it is, and whom sudo says that it was."""
    user, behind = user_name(os.getuid()), os.environ.get("SUDO_USER", "")
    return f"{user} ({behind})" if behind.isprintable() and behind else user
