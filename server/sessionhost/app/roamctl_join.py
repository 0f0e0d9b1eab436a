"""roamctl's commands with which servers join: an invitation, and what its token opens.

The CA's key stays in the group's folder, with the administrator: the envelope holds a certificate
that is made already.
"""

import argparse
import datetime
import grp
import os
import pwd
import sys
import tempfile
import time
from pathlib import Path

from roamwire.identity import Identity
from sessionhost.adapters import pki
from sessionhost.adapters.certificates import to_der
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.adapters.invitations import (
    MAX_TOKEN_CHARS,
    Invitations,
    new_token,
    parse_token,
    parts_of,
    seal,
    unseal,
)
from sessionhost.adapters.join_client import fetch
from sessionhost.adapters.keyfiles import write_private, write_public
from sessionhost.app.config import SETTINGS, load_config
from sessionhost.app.enrold import INVITATIONS
from sessionhost.app.roamctl_answer import Answer, RoamctlError
from sessionhost.app.roamctl_terminals import prepare_enrol_dir

KEYS_GROUP = "roamdesk-keys"
"""The daemons that show the server's certificate; made by roamdesk.sysusers.conf."""

DAYS = 7

_READERS = {
    "server.key": ("root", KEYS_GROUP),
    "group/desk-ca.key": ("root", "enrol_user"),
    "group/audit.key": ("host_user", "host_user"),
    "group/secret": ("host_user", "host_user"),
    "group/secret.previous": ("host_user", "host_user"),
}
"""Owner and group of what is not for everybody; a setting's name stands for its user."""


_TOKEN_HELP = (
    "what 'server invite' printed; without it a line is read, as everybody on this machine can see "
    "a command line"
)


def add_verbs(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `server invite` and `server join`."""
    invite = verbs.add_parser("invite", parents=[common], help="a one-time token for a new server")
    invite.add_argument("name", metavar="NAME", help="the new server's name")
    invite.add_argument("--group", type=Path, required=True, help="the group's folder")
    invite.add_argument("--at", required=True, help="address of the server that has the envelope")
    invite.add_argument("--out", type=Path, help="folder for the envelope, if not on that server")
    invite.add_argument("--days", type=int, default=DAYS, help=f"default: {DAYS}")
    invite.add_argument("--offline", action="store_true", help="without the key of the desk CA")
    invite.set_defaults(run=_invite, act="server invite")
    join = verbs.add_parser("join", parents=[common], help="become a server of the group")
    join.add_argument("token", metavar="TOKEN", nargs="?", help=_TOKEN_HELP)
    join.add_argument("--out", type=Path, help="where the files go (the folder of --config)")
    join.add_argument("--force", action="store_true", help="replace files that are there")
    join.set_defaults(run=_join, act="server join")


def _invite(args: argparse.Namespace) -> Answer:
    if args.out is None:
        config = load_config(args.config)
        prepare_enrol_dir(config)
        folder, port = config.enrol_dir / INVITATIONS, config.enrol_port
    else:
        folder, port = args.out, int(str(SETTINGS.settings["enrol_port"].default))
    ca = pki.load_ca(args.group)
    token = new_token(args.at, port, to_der(ca.certificate), os.urandom)
    issued = ca.issue(Identity("server", args.name), datetime.datetime.now(datetime.UTC))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        written = pki.export_group(args.group, out / "group", offline=args.offline)
        files = {str(path.relative_to(out)): path.read_bytes() for path in written}
    files |= {"server.crt": issued.certificate, "server.key": issued.key}
    files["host"] = args.name.encode("ascii")
    envelope = seal(token, files, os.urandom)
    parts_of(envelope)  # too large is told here, not to the new server
    until_ms = time.time_ns() // 1_000_000 + args.days * 86_400_000
    with as_owner(folder):
        path = Invitations(folder).put(token, envelope, until_ms)
    lines = [token.text, f"good once, for {args.days} days: roamctl server join, which asks for it"]
    if args.out is not None:
        lines.append(f"copy {path} to the {INVITATIONS} folder of enrold at {args.at}")
    return Answer({"token": token.text, "name": args.name, "envelope": str(path)}, lines)


def _join(args: argparse.Namespace) -> Answer:
    token = parse_token(args.token or _typed())
    out = args.out or args.config.parent
    # Before the envelope is fetched, which works only once.
    if (out / "server.key").exists() and not args.force:
        raise RoamctlError(f"{out / 'server.key'} is there already; say --force to replace it")
    files = unseal(token, fetch(token))
    name = files.pop("host", b"").decode("ascii", "replace")
    for relative in files:
        if Path(relative).is_absolute() or ".." in Path(relative).parts:
            raise RoamctlError(f"the envelope has a file that is none of the group's: {relative!r}")
    settings = out / args.config.name
    lines = []
    for relative, data in files.items():
        path = out / relative
        if relative in _READERS or relative.endswith(".key"):
            write_private(path, data)
            lines += _hand_over(path, relative)
        else:
            write_public(path, data)
    if not settings.exists():
        write_public(settings, f'host = "{name}"\n'.encode("ascii"))
    written = [str(out / relative) for relative in files]
    words = f"this machine is server {name}: start its daemons"
    return Answer({"host": name, "written": written}, [*lines, words])


def _typed() -> str:
    if sys.stdin.isatty():
        print("The token that 'server invite' printed: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline(MAX_TOKEN_CHARS).strip()


def _hand_over(path: Path, relative: str) -> list[str]:
    """Gives a private file to the daemon that reads it; a note if its user is not there yet."""
    owner, group = (_named(word) for word in _READERS.get(relative, ("root", "root")))
    try:
        os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
    except (KeyError, PermissionError):
        return [f"note: give {path} to user {owner} and group {group}: they are not here"]
    path.chmod(0o640 if owner == "root" else 0o600)
    return []


def _named(word: str) -> str:
    setting = SETTINGS.settings.get(word)
    return str(setting.default) if setting else word
