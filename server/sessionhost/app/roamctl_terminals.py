"""roamctl's commands on terminals: who waits, who is let in. enrold sees a change at once."""

import argparse
import base64
import contextlib
import os
import time
from collections.abc import Iterator

from roamwire.enrolment import fingerprint
from roamwire.identity import name_problem
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.terminal_store import Listed, TerminalStore, make_folder
from sessionhost.app.config import ServerConfig, load_config
from sessionhost.app.daemon import unix_user
from sessionhost.app.enrold import code_hash
from sessionhost.app.roamctl_answer import Answer, RoamctlError, day, table

CODE_BYTES = 10
"""80 bits: 16 letters and digits, which a person can type into a settings file."""

CODE_DAYS = 30


def add_verbs(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares the verbs of `dtu` that change what enrold knows."""
    listed = verbs.add_parser("list", parents=[common], help="terminals that wait or are known")
    listed.set_defaults(run=_list)
    approve = verbs.add_parser("approve", parents=[common], help="let a terminal in that waits")
    approve.add_argument("name", metavar="NAME")
    approve.add_argument(
        "--key", default="", help="as on the terminal's screen; its beginning is enough"
    )
    approve.set_defaults(run=_approve, act="dtu approve")
    deny = verbs.add_parser("deny", parents=[common], help="turn away who waits, or stop renewals")
    deny.add_argument("name", metavar="NAME")
    deny.set_defaults(run=_deny, act="dtu deny")
    announce = verbs.add_parser(
        "preregister", parents=[common], help="make a one-time code for a terminal that will come"
    )
    announce.add_argument("name", metavar="NAME")
    announce.add_argument("--days", type=int, default=CODE_DAYS, help=f"default: {CODE_DAYS}")
    announce.set_defaults(run=_preregister, act="dtu preregister")
    forget = verbs.add_parser("forget", parents=[common], help="the name is free again")
    forget.add_argument("name", metavar="NAME")
    forget.set_defaults(run=_forget, act="dtu forget")


def _list(args: argparse.Namespace) -> Answer:
    with _store(args) as store:
        found = store.listed()
    data = [
        {
            "name": each.name,
            "state": each.state,
            "fingerprint": each.fingerprint,
            "address": each.address,
            "model": each.model,
            "seen_ms": each.seen_ms,
        }
        for each in found
    ]
    heads = ("NAME", "STATE", "KEY", "ADDRESS", "LAST SEEN", "MODEL")
    return Answer(data, table(heads, map(_row, found), "no terminal is known or waits"))


def _row(each: Listed) -> tuple[str, ...]:
    return (
        *(each.name, each.state, each.fingerprint or "-", each.address or "-"),
        *(day(each.seen_ms), each.model),
    )


def _approve(args: argparse.Namespace) -> Answer:
    with _store(args) as store:
        found = store.approve(args.name, args.key, _now_ms())
    words = f"{args.name} with key {fingerprint(found.key)} is let in when it asks next"
    return Answer({"name": args.name, "fingerprint": fingerprint(found.key)}, [words])


def _deny(args: argparse.Namespace) -> Answer:
    with _store(args) as store:
        which = store.deny(args.name)
    words = f"{args.name} is turned away"
    if which == "known":
        words = f"{args.name} gets no other certificate; the one that it has is good until it ends"
    return Answer({"name": args.name, "denied": which}, [words])


def _preregister(args: argparse.Namespace) -> Answer:
    if problem := name_problem(args.name):
        raise RoamctlError(f"{args.name} {problem}")
    if args.days < 1:
        raise RoamctlError("--days must be at least 1")
    plain = base64.b32encode(os.urandom(CODE_BYTES)).decode("ascii").lower()
    code = "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))
    now = _now_ms()
    with _store(args) as store:
        store.preregister(args.name, code_hash(code), now + args.days * 86_400_000, now)
    return Answer(
        {"name": args.name, "code": code},
        [code, f"set enrol_code to this on {args.name}; it is good once, for {args.days} days"],
    )


def _forget(args: argparse.Namespace) -> Answer:
    with _store(args) as store:
        store.forget(args.name)
    return Answer({"name": args.name, "forgotten": True}, [f"{args.name} is forgotten"])


@contextlib.contextmanager
def _store(args: argparse.Namespace) -> Iterator[TerminalStore]:
    """What enrold knows, as enrold's user: the folder is enrold's."""
    config = load_config(args.config)
    prepare_enrol_dir(config)
    with as_owner(config.enrol_dir), TerminalStore(config.enrol_dir) as store:
        yield store


def prepare_enrol_dir(config: ServerConfig) -> None:
    """Makes enrold's folder, if root comes before enrold."""
    if not config.enrol_dir.exists():
        make_folder(config.enrol_dir, unix_user(config.enrol_user, "enrol_user"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
