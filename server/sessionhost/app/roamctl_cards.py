"""roamctl's commands on cards: enrolled at a reader desk or from a certificate's file, seen tokens.

What is put in at a reader desk is known to the hostd that the desk is connected to: these commands
run on that server.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from roamwire.fields import encode_value
from roamwire.identity import name_problem
from roamwire.proof import card_token, key_hash
from sessionhost.adapters.card_verify import card_key, public_bytes, read_certificate
from sessionhost.app.roamctl_answer import Answer, RoamctlError, day, table
from sessionhost.app.roamctl_registry import check_label, check_user, open_editor
from sessionhost.app.roamctl_status import ask, parse_status, socket_path

POLL_S = 0.3
"""How often a person's wait for a card is looked at."""

_SEEN = ("TOKEN", "DESK", "PROVEN", "SEEN (UTC)", "CERTIFICATE")


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    token: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    """Declares `card`, `reader` and `token seen`."""
    card = commands.add_parser("card", help="register cards that prove themselves")
    verbs = card.add_subparsers(required=True, metavar="VERB")
    enrol = verbs.add_parser(
        "enrol", parents=[common], help="give the next card at a reader desk to a user"
    )
    enrol.add_argument("--desk", required=True, help="the reader desk ('roamctl reader add')")
    enrol.add_argument("--user", required=True, help="the Unix user whose sessions it opens")
    enrol.add_argument("--label", default="", help="words to know the card by")
    enrol.add_argument(
        "--pin", action="store_true", help="let the person type the PIN, and register key 9A too"
    )
    enrol.add_argument("--socket", type=Path, help="hostd's admin socket instead of the config's")
    enrol.set_defaults(run=_enrol, act="card enrol")
    add = verbs.add_parser(
        "add", parents=[common], help="give the card of a certificate's file to a user"
    )
    add.add_argument("--certificate", type=Path, required=True, help="of key 9E, PEM or DER")
    add.add_argument("--person-certificate", type=Path, help="of key 9A, for PINs by policy")
    add.add_argument("--user", required=True, help="the Unix user whose sessions it opens")
    add.add_argument("--label", default="", help="words to know the card by")
    add.set_defaults(run=_add, act="card add")
    seen = token.add_parser("seen", parents=[common], help="what was put in at reader desks")
    seen.add_argument("--socket", type=Path, help="hostd's admin socket instead of the config's")
    seen.set_defaults(run=_seen)
    reader = commands.add_parser("reader", help="terminals that read cards for you")
    reader_verbs = reader.add_subparsers(required=True, metavar="VERB")
    for verb, run, words in (
        ("add", _add_reader, "let a terminal open no session and only read cards"),
        ("remove", _remove_reader, "make it a desk again"),
    ):
        parser = reader_verbs.add_parser(verb, parents=[common], help=words)
        parser.add_argument("name", metavar="NAME", help="the name in the terminal's certificate")
        parser.set_defaults(run=run, act=f"reader {verb}")
    listing = reader_verbs.add_parser("list", parents=[common], help="all reader desks")
    listing.set_defaults(run=_list_readers)


def _enrol(args: argparse.Namespace) -> Answer:
    check_user(args.user)
    check_label(args.label)
    if problem := name_problem(args.desk):
        raise RoamctlError(f"the desk {problem}")
    path = socket_path(args)
    words = ["enrol", args.desk, args.user, "pin" if args.pin else "card", encode_value(args.label)]
    first = _asked(path, " ".join(words).rstrip())
    if not args.json:
        print(f"put the card in at {args.desk}, within {first['seconds']} s (Ctrl-C: not now)")
    try:
        token, outcome = _wait_for_card(lambda: _asked(path, f"enrolment {args.desk}"))
    except BaseException:
        _asked(path, f"enrol-cancel {args.desk}")
        raise
    if outcome != "registered":
        raise RoamctlError(f"{token} was not registered: {outcome}")
    args.token = token  # for the audit log
    return Answer(
        {"token": token, "user": args.user, "enabled": True},
        [f"{token} opens sessions of {args.user}"],
    )


def _wait_for_card(look: Callable[[], dict[str, str]]) -> tuple[str, str]:
    while True:
        answer = look()
        if answer["outcome"]:
            return answer["token"], answer["outcome"]
        time.sleep(POLL_S)


def _asked(path: Path, question: str) -> dict[str, str]:
    answer = parse_status(ask(path, question))
    if "error" in answer:
        raise RoamctlError(str(answer["error"]))
    return answer


def _add(args: argparse.Namespace) -> Answer:
    check_user(args.user)
    check_label(args.label)
    token = card_token(_public_key(args.certificate))
    args.token = str(token)  # for the audit log
    person = args.person_certificate
    person_key = key_hash(_public_key(person)) if person else ""
    with open_editor(args) as editor:
        now_ms = time.time_ns() // 1_000_000
        editor.add(token, args.user, now_ms, args.label, person_key=person_key)
    return Answer(
        {"token": str(token), "user": args.user, "enabled": True},
        [f"{token} opens sessions of {args.user}"],
    )


def _public_key(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if data.lstrip().startswith(b"-----"):
            data = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        key = card_key(read_certificate(data))
    except ValueError as error:
        raise RoamctlError(f"{path} holds no certificate (PEM or DER): {error}") from error
    if key is None:
        raise RoamctlError(
            f"{path}: its key is none of a PIV card (RSA 2048 and more, P-256, P-384)"
        )
    return public_bytes(key)


def _seen(args: argparse.Namespace) -> Answer:
    found = json.loads(ask(socket_path(args), "seen"))
    rows = [
        (
            each["token"],
            each["dtu"],
            "yes" if each["proven"] else "no",
            day(each["at_ms"]),
            each["subject"],
        )
        for each in found["seen"]
    ]
    return Answer(found, table(_SEEN, rows, "no card was put in at a reader desk of this server"))


def _add_reader(args: argparse.Namespace) -> Answer:
    return _set_reader(args, reader=True)


def _remove_reader(args: argparse.Namespace) -> Answer:
    return _set_reader(args, reader=False)


def _set_reader(args: argparse.Namespace, *, reader: bool) -> Answer:
    if problem := name_problem(args.name):
        raise RoamctlError(f"the terminal {problem}")
    with open_editor(args) as editor:
        editor.set_reader(args.name, reader, time.time_ns() // 1_000_000)
    words = "reads cards and opens no session" if reader else "is a desk again"
    return Answer({"dtu": args.name, "reader": reader}, [f"{args.name} {words}"])


def _list_readers(args: argparse.Namespace) -> Answer:
    with open_editor(args) as editor:
        entries = editor.readers()
    rows = [(entry.dtu, day(entry.registered_ms)) for entry in entries]
    data = [{"dtu": entry.dtu, "registered_ms": entry.registered_ms} for entry in entries]
    heads = ("DESK", "REGISTERED (UTC)")
    return Answer({"readers": data}, table(heads, rows, "no terminal is a reader"))
