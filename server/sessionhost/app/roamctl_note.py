"""What an administrator does with roamctl, for this server's audit log: who, what, and how it went.

A command that changes something says so with `act`. What goes through hostd has `told` instead:
hostd notes it, and only a failure is noted here.
"""

import argparse
import logging
import os

from roamwire.errors import RemoteProtocolError
from roamwire.fields import encode_value
from roamwire.limits import MAX_NAME_CHARS
from roamwire.settings import SettingsError
from roamwire.tokens import Token
from sessionhost.adapters.audit_log import AuditLog
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.keyfiles import AUDIT_KEY_NAME, KeyFileError, load_secret
from sessionhost.adapters.users import person_behind, uid_of, user_name
from sessionhost.app.config import ServerConfig, load_config
from sessionhost.core.audit import Record

_LOG = logging.getLogger(__name__)

_OF_TERMINALS = ("dtu ", "reader ")
"""Commands whose NAME is a terminal's."""

_FLAGS = ("prepare", "finish", "offline", "force", "pin")
"""Options that are worth a word in the log."""


def note(args: argparse.Namespace, *, failed: bool = False) -> None:
    """One record about this command, if it is one that changes something and a server is here."""
    act = getattr(args, "act", "") or (getattr(args, "told", "") if failed else "")
    if not act or args.registry is not None:
        return
    try:
        config = load_config(args.config)
    except SettingsError:
        return  # no server: an administrator's own machine
    if not os.access(config.state_dir, os.W_OK):
        return  # nobody who can have changed anything
    told, key = record(args, act, failed=failed), _key(config)
    try:
        with as_owner(config.state_dir):
            log = AuditLog(config.audit_path, config.host, key)
            log.write(told)
            log.close()
    except OSError as error:
        _LOG.error("this command stands in no audit log: %s", error)


def record(args: argparse.Namespace, act: str, *, failed: bool) -> Record:
    """What is written: `reason` has what the command was about, or that it failed.

    Not why it failed: the words may hold a card's number, which the log does not.
    """
    given = vars(args)
    dtu, name = given.get("dtu") or given.get("desk") or "", given.get("name") or ""
    if act.startswith(_OF_TERMINALS):
        dtu, name = dtu or name, ""
    elif act.startswith("token "):
        name = ""
    about = [f"of {given['user']}"] if given.get("user") else []
    about += [name] if name else []
    about += [flag for flag in _FLAGS if given.get(flag) is True]
    about += [f"to {given['out']}"] if given.get("out") else []
    reason = "failed" if failed else ", ".join(about)
    return Record("admin", act, who(), _token(args), dtu, reason)


def by() -> str:
    """The end of a question to hostd that says who the person is."""
    person = person_behind(os.getuid())
    return f" by={encode_value(person)}" if person else ""


def who() -> str:
    """The Unix user, and the person who has become that user."""
    user, person = user_name(os.getuid()), person_behind(os.getuid())
    return f"{user} ({person})"[:MAX_NAME_CHARS] if person else user


def _key(config: ServerConfig) -> bytes | None:
    """Without a key that can be read the record is still worth having."""
    path = config.group_dir / AUDIT_KEY_NAME
    try:
        return load_secret(path, uid_of(config.host_user)) if path.exists() else None
    except KeyFileError:
        return None


def _token(args: argparse.Namespace) -> Token | None:
    text = getattr(args, "token", None)
    try:
        return Token.parse(text) if text else None
    except RemoteProtocolError:
        return None  # the command has failed for it
