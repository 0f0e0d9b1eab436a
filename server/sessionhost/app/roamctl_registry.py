"""roamctl's commands on the registry: tokens and users. hostd sees a change at the next card."""

import argparse
import dataclasses
import pwd
import time
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_NAME_CHARS
from roamwire.tokens import Token
from sessionhost.adapters.registry_editor import RegistryEditor
from sessionhost.app import roamctl_blocks
from sessionhost.app.config import SETTINGS, load_config
from sessionhost.app.roamctl_answer import Answer, RoamctlError, day, table

MAX_LABEL_CHARS = 200
"""One line of the token list."""


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `token` and `user`."""
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
    verbs.add_parser("list", parents=[common], help="all tokens").set_defaults(run=_list_tokens)
    user = commands.add_parser("user", help="users of the registry")
    user_verbs = user.add_subparsers(required=True, metavar="VERB")
    user_verbs.add_parser("list", parents=[common], help="all users").set_defaults(run=_list_users)


def _add(args: argparse.Namespace) -> Answer:
    token = _token(args.token)
    _check_text("user", args.user, str(SETTINGS.settings["host_user"].default))
    if args.recipe is not None:
        _check_text("recipe", args.recipe, str(SETTINGS.settings["recipe"].default))
    if len(args.label) > MAX_LABEL_CHARS or not args.label.isprintable():
        raise RoamctlError(f"a label is one line of at most {MAX_LABEL_CHARS} characters")
    lines = [f"{token} opens sessions of {args.user}"]
    try:
        entry = pwd.getpwnam(args.user)
    except KeyError:
        lines.append(f"note: this machine has no user {args.user}: make it on every server")
    else:
        if entry.pw_uid == 0:
            raise RoamctlError(f"{args.user} is root; a card must not open a session of root")
    with _editor(args) as editor:
        editor.add(token, args.user, time.time_ns() // 1_000_000, args.label, args.recipe)
    return Answer({"token": str(token), "user": args.user, "enabled": True}, lines)


def _remove(args: argparse.Namespace) -> Answer:
    token = _token(args.token)
    with _editor(args) as editor:
        editor.remove(token)
    return Answer({"token": str(token), "removed": True}, [f"{token} is forgotten"])


def _disable(args: argparse.Namespace) -> Answer:
    return _set_enabled(args, enabled=False)


def _enable(args: argparse.Namespace) -> Answer:
    return _set_enabled(args, enabled=True)


def _set_enabled(args: argparse.Namespace, enabled: bool) -> Answer:
    token = _token(args.token)
    with _editor(args) as editor:
        editor.set_enabled(token, enabled)
    word = "enabled" if enabled else "disabled"
    return Answer({"token": str(token), "enabled": enabled}, [f"{token} is {word}"])


def _list_tokens(args: argparse.Namespace) -> Answer:
    with _editor(args) as editor:
        entries = editor.tokens()
    rows = [
        (
            entry.token,
            entry.user,
            "enabled" if entry.enabled else "disabled",
            day(entry.registered_ms),
            entry.recipe or "-",
            entry.label,
        )
        for entry in entries
    ]
    heads = ("TOKEN", "USER", "STATE", "REGISTERED (UTC)", "RECIPE", "LABEL")
    data = [dataclasses.asdict(entry) for entry in entries]
    return Answer({"tokens": data}, table(heads, rows, "no tokens are registered"))


def _list_users(args: argparse.Namespace) -> Answer:
    with _editor(args) as editor:
        entries = editor.users()
    rows = [(entry.name, entry.tokens, day(entry.registered_ms)) for entry in entries]
    data = [dataclasses.asdict(entry) for entry in entries]
    heads = ("USER", "TOKENS", "REGISTERED (UTC)")
    return Answer({"users": data}, table(heads, rows, "no users are registered"))


def _editor(args: argparse.Namespace) -> RegistryEditor:
    path: Path = args.registry or load_config(args.config).registry_path
    if not path.parent.is_dir():
        raise RoamctlError(
            f"{path.parent} is not there; start the server once, or name the file with --registry"
        )
    return RegistryEditor(path)


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
