"""roamctl's commands on a group's folder: CA, secret, certificates. No server need run."""

import argparse
import datetime
import os
from pathlib import Path

from roamwire.identity import Identity, Role
from sessionhost.adapters import pki
from sessionhost.adapters.keyfiles import AUDIT_KEY_NAME, write_private, write_public
from sessionhost.adapters.policy_file import load_policy
from sessionhost.app import roamctl_blocks, roamctl_join, roamctl_terminals
from sessionhost.app.roamctl_answer import Answer, RoamctlError


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `group`, `server` and `dtu`."""
    group = commands.add_parser("group", help="make and change a failover group")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser(
        "create", parents=[common], help="make a group: its CA and its secret"
    )
    create.add_argument("--dir", type=Path, required=True, help="the new group's folder")
    create.add_argument("--name", required=True, help="the new group's name")
    create.set_defaults(run=_create, act="group create")
    rotate = verbs.add_parser(
        "rotate-secret", parents=[common], help="sign with a new secret, accept the last one"
    )
    rotate.add_argument("--dir", type=Path, required=True, help="the group's folder")
    rotate.add_argument(
        "--prepare",
        action="store_true",
        help="only make the next secret: export it to all servers, then rotate without --prepare",
    )
    rotate.set_defaults(run=_rotate, act="group rotate-secret")
    audit_key = verbs.add_parser(
        "audit-key",
        parents=[common],
        help="make the key of cards in the audit log, if it is missing",
    )
    audit_key.add_argument("--dir", type=Path, required=True, help="the group's folder")
    audit_key.set_defaults(run=_audit_key, act="group audit-key")
    export = verbs.add_parser(
        "export", parents=[common], help="write what every server needs (without the CA key)"
    )
    export.add_argument("--dir", type=Path, required=True, help="the group's folder")
    export.add_argument("--out", type=Path, required=True, help="a server's group_dir")
    export.add_argument("--offline", action="store_true", help=_OFFLINE)
    export.set_defaults(run=_export, act="group export")
    policy = verbs.add_parser(
        "policy", parents=[common], help="the policy in a group's folder, and its hash"
    )
    policy.add_argument("--dir", type=Path, required=True, help="the group's folder, or group_dir")
    policy.set_defaults(run=_policy)
    rotate_ca = verbs.add_parser(
        "rotate-ca", parents=[common], help="replace the group's CA: --prepare, then without, ..."
    )
    rotate_ca.add_argument("--dir", type=Path, required=True, help="the group's folder")
    step = rotate_ca.add_mutually_exclusive_group()
    step.add_argument("--prepare", action="store_true", help="make the next CA, to be trusted too")
    step.add_argument("--finish", action="store_true", help="trust the last CA no more")
    rotate_ca.set_defaults(run=_rotate_ca, act="group rotate-ca")
    roamctl_join.add_verbs(
        _add_issue(commands, common, "server", "servers and their certificates"), common
    )
    roamctl_terminals.add_verbs(
        _add_issue(commands, common, "dtu", "terminals and their certificates"), common
    )


_OFFLINE = "without the desk CA's key: this server lets no terminal in"


def _add_issue(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    role: Role,
    words: str,
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    verbs = commands.add_parser(role, help=words).add_subparsers(required=True, metavar="VERB")
    issue = verbs.add_parser("issue", parents=[common], help="make a key and a certificate")
    issue.add_argument("name", metavar="NAME", help="the name in the certificate")
    issue.add_argument("--group", type=Path, required=True, help="the group's folder")
    issue.add_argument("--out", type=Path, required=True, help="where the files go")
    issue.add_argument("--force", action="store_true", help="replace files that are there")
    issue.add_argument("--offline", action="store_true", help=_OFFLINE)
    issue.set_defaults(run=_issue, role=role, act=f"{role} issue")
    if role == "dtu":
        roamctl_blocks.add_dtu_verbs(verbs, common)
    return verbs


def _create(args: argparse.Namespace) -> Answer:
    pki.create_group(args.dir, args.name, _now(), os.urandom)
    return Answer(
        {"group": args.name, "dir": str(args.dir)},
        [
            f"group {args.name} is in {args.dir}",
            f"keep {args.dir / pki.CA_KEY_NAME} safe: who has it decides who belongs to the group",
        ],
    )


def _rotate(args: argparse.Namespace) -> Answer:
    if args.prepare:
        pki.prepare_secret(args.dir, os.urandom)
        words = "the next secret is ready: export it to every server, then rotate"
        return Answer({"dir": str(args.dir), "step": "prepared"}, [words])
    prepared = pki.rotate_secret(args.dir, os.urandom)
    words = "the secret is new: export it to every server and reload their hostd"
    if not prepared:
        words += "; until then they do not trust each other (--prepare avoids that)"
    return Answer({"dir": str(args.dir), "step": "rotated", "was_prepared": prepared}, [words])


def _audit_key(args: argparse.Namespace) -> Answer:
    pki.load_ca(args.dir)  # in another folder it would be another key
    pki.create_audit_key(args.dir, os.urandom)
    words = "the audit key is ready: export it to every server and restart their hostd"
    return Answer({"dir": str(args.dir), "made": AUDIT_KEY_NAME}, [words])


def _export(args: argparse.Namespace) -> Answer:
    return _written(pki.export_group(args.dir, args.out, offline=args.offline))


def _rotate_ca(args: argparse.Namespace) -> Answer:
    if args.prepare:
        pki.prepare_ca(args.dir, _now())
        step, words = "prepared", _AFTER_PREPARE
    elif args.finish:
        if not pki.finish_ca(args.dir):
            raise RoamctlError("there is no last CA: no rotation is under way")
        step, words = "finished", "the last CA is trusted no more: export to every server, reload"
    else:
        pki.rotate_ca(args.dir, _now())
        step, words = "rotated", _AFTER_ROTATION
    return Answer({"dir": str(args.dir), "step": step}, [words])


_AFTER_PREPARE = (
    "the next CA is ready: export to every server and reload its daemons; within an hour every "
    "terminal that is on knows it ('roamctl dtu list' says when each was seen); then rotate"
)
_AFTER_ROTATION = (
    "the CA is new: issue every server's certificate anew and export, reload; within an hour the "
    "terminals have new certificates; then --finish"
)


def _policy(args: argparse.Namespace) -> Answer:
    if not args.dir.is_dir():
        raise RoamctlError(f"there is no folder {args.dir}")
    loaded = load_policy(args.dir)
    lines = [f"# policy {loaded.digest}", "", *loaded.text.splitlines()]
    return Answer({"policy": loaded.digest, "toml": loaded.text}, lines)


def _issue(args: argparse.Namespace) -> Answer:
    role: Role = args.role
    certificate, key = args.out / f"{role}.crt", args.out / f"{role}.key"
    if key.exists() and not args.force:
        raise RoamctlError(f"{key} is there already; say --force to replace it")
    ca = pki.load_ca(args.group)
    if role == "dtu":  # as enrold does; a group of before it has no desk CA
        ca = pki.load_desk_ca(args.group) or ca
    issued = ca.issue(Identity(role, args.name), _now())
    if role == "server":
        written = pki.export_group(args.group, args.out / "group", offline=args.offline)
    else:
        # A terminal gets no secret: it must not be able to speak as a server.
        written = [args.out / pki.CA_CERT_NAME]
        write_public(written[0], (args.group / pki.CA_CERT_NAME).read_bytes())
    write_public(certificate, issued.certificate)
    write_private(key, issued.key)
    return _written([*written, certificate, key])


def _written(paths: list[Path]) -> Answer:
    names = [str(path) for path in paths]
    return Answer({"written": names}, [f"wrote {name}" for name in names])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
