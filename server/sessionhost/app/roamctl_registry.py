"""roamctl's commands on the registry: tokens and users. hostd sees a change at the next card."""

import argparse
import contextlib
import dataclasses
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_NAME_CHARS
from roamwire.tokens import Token
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.registry_editor import RegistryEditor
from sessionhost.app import roamctl_blocks
from sessionhost.app.config import SETTINGS, load_config
from sessionhost.app.roamctl_answer import Answer, RoamctlError, day, table
from sessionhost.core.hours import EXAMPLE, hours_problem

MAX_LABEL_CHARS = 200
"""One line of the token list."""


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Declares `token` and `user`; returns `token`, to which others add."""
    token = commands.add_parser("token", help="who has which card")
    verbs = token.add_subparsers(required=True, metavar="VERB")
    add = verbs.add_parser("add", parents=[common], help="give a token to a user")
    add.add_argument("token", metavar="TOKEN", help="as on the terminal's screen: uid:04a1b2c3")
    add.add_argument("user", metavar="USER", help="the Unix user whose sessions it opens")
    add.add_argument("--label", default="", help="words to know the card by")
    add.add_argument("--recipe", help="recipe of its sessions instead of the server's")
    add.set_defaults(run=_add, act="token add")
    for verb, run, words in (
        ("remove", _remove, "forget a token"),
        ("disable", _disable, "keep a token, but let it open nothing"),
        ("enable", _enable, "let a disabled token open sessions again"),
    ):
        parser = verbs.add_parser(verb, parents=[common], help=words)
        parser.add_argument("token", metavar="TOKEN")
        parser.set_defaults(run=run, act=f"token {verb}")
    roamctl_blocks.add_token_verbs(verbs, common)
    alias = verbs.add_parser(
        "alias", parents=[common], help="let a token open the sessions of another one"
    )
    alias.add_argument("token", metavar="TOKEN")
    target = alias.add_mutually_exclusive_group(required=True)
    target.add_argument("--of", metavar="TOKEN", help="of the same user; user:NAME: of the login")
    target.add_argument("--none", action="store_true", help="its own ones again")
    alias.set_defaults(run=_alias, act="token alias")
    window = verbs.add_parser("window", parents=[common], help="when a token opens a session")
    window.add_argument("token", metavar="TOKEN")
    window.add_argument("hours", metavar="HOURS", help=f"{EXAMPLE!r}, '' for always")
    window.set_defaults(run=_window, act="token window")
    verbs.add_parser("list", parents=[common], help="all tokens").set_defaults(run=_list_tokens)
    user = commands.add_parser("user", help="users of the registry")
    user_verbs = user.add_subparsers(required=True, metavar="VERB")
    user_verbs.add_parser("list", parents=[common], help="all users").set_defaults(run=_list_users)
    return verbs


def _add(args: argparse.Namespace) -> Answer:
    token = _token(args.token)
    if token.kind == "user":
        raise RoamctlError(f"{token} is nothing that can be presented; policy.toml has 'login'")
    if args.recipe is not None:
        _check_text("recipe", args.recipe, str(SETTINGS.settings["recipe"].default))
    check_label(args.label)
    lines = [f"{token} opens sessions of {args.user}", *check_user(args.user)]
    with open_editor(args) as editor:
        editor.add(token, args.user, time.time_ns() // 1_000_000, args.label, args.recipe)
    return Answer({"token": str(token), "user": args.user, "enabled": True}, lines)


def check_label(label: str) -> None:
    """RoamctlError if these are no words to know a card by."""
    if len(label) > MAX_LABEL_CHARS or not label.isprintable():
        raise RoamctlError(f"a label is one line of at most {MAX_LABEL_CHARS} characters")


def check_user(user: str) -> list[str]:
    """A note if this machine does not know the user; RoamctlError if no card may open theirs."""
    _check_text("user", user, str(SETTINGS.settings["host_user"].default))
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return [f"note: this machine has no user {user}: make it on every server"]
    if entry.pw_uid == 0:
        raise RoamctlError(f"{user} is root; a card must not open a session of root")
    return []


def _remove(args: argparse.Namespace) -> Answer:
    token = _token(args.token)
    with open_editor(args) as editor:
        editor.remove(token)
    return Answer({"token": str(token), "removed": True}, [f"{token} is forgotten"])


def _disable(args: argparse.Namespace) -> Answer:
    return _set_enabled(args, enabled=False)


def _enable(args: argparse.Namespace) -> Answer:
    return _set_enabled(args, enabled=True)


def _set_enabled(args: argparse.Namespace, enabled: bool) -> Answer:
    token = _token(args.token)
    with open_editor(args) as editor:
        editor.set_enabled(token, enabled)
    word = "enabled" if enabled else "disabled"
    return Answer({"token": str(token), "enabled": enabled}, [f"{token} is {word}"])


def _alias(args: argparse.Namespace) -> Answer:
    token = _token(args.token)
    other = None if args.none else _token(args.of)
    with open_editor(args) as editor:
        editor.set_alias(token, other)
    words = f"opens the sessions of {other}" if other else "opens its own sessions"
    data = {"token": str(token), "alias_of": str(other) if other else None}
    return Answer(data, [f"{token} {words}"])


def _window(args: argparse.Namespace) -> Answer:
    token = _token(args.token)
    if problem := hours_problem(args.hours):
        raise RoamctlError(f"the text {problem}")
    with open_editor(args) as editor:
        editor.set_hours(token, args.hours.strip())
    words = f"opens a session {args.hours}" if args.hours.strip() else "opens a session at any time"
    return Answer({"token": str(token), "hours": args.hours.strip()}, [f"{token} {words}"])


def _list_tokens(args: argparse.Namespace) -> Answer:
    with open_editor(args) as editor:
        entries = editor.tokens()
    rows = [
        (
            entry.token,
            entry.user,
            entry.state,
            entry.alias_of or "-",
            entry.hours or "-",
            day(entry.registered_ms),
            f"{day(entry.seen_ms)} {entry.seen_at}" if entry.seen_ms else "-",
            entry.recipe or "-",
            entry.label,
        )
        for entry in entries
    ]
    heads = (
        *("TOKEN", "USER", "STATE", "ALIAS OF", "HOURS"),
        *("REGISTERED (UTC)", "SEEN HERE (UTC)", "RECIPE", "LABEL"),
    )
    data = [dataclasses.asdict(entry) for entry in entries]
    return Answer({"tokens": data}, table(heads, rows, "no tokens are registered"))


def _list_users(args: argparse.Namespace) -> Answer:
    with open_editor(args) as editor:
        entries = editor.users()
    rows = [(entry.name, entry.tokens, day(entry.registered_ms)) for entry in entries]
    data = [dataclasses.asdict(entry) for entry in entries]
    heads = ("USER", "TOKENS", "REGISTERED (UTC)")
    return Answer({"users": data}, table(heads, rows, "no users are registered"))


@contextlib.contextmanager
def open_editor(args: argparse.Namespace) -> Iterator[RegistryEditor]:
    """The registry that a command is about, as its folder's owner; RoamctlError if that is missing.

    SQLite opens files when it needs them, so all is done as the owner.
    """
    path: Path = args.registry or load_config(args.config).registry_path
    if not path.parent.is_dir():
        raise RoamctlError(
            f"{path.parent} is not there; start the server once, or name the file with --registry"
        )
    with as_owner(path.parent), RegistryEditor(path) as editor:
        yield editor


def _token(text: str) -> Token:
    try:
        return Token.parse(text)
    except RemoteProtocolError as error:
        raise RoamctlError(
            f"{text!r} is not a token; it looks like uid:04a1b2c3 (at most {MAX_NAME_CHARS} "
            "characters after the colon)"
        ) from error


def _check_text(name: str, text: str, example: str) -> None:
    setting = SETTINGS.settings["host_user" if name == "user" else name]
    problem = setting.check(text) if setting.check else None
    if problem:
        raise RoamctlError(f"the {name} {problem}; an example is {example}")
