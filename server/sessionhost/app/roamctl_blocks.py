"""roamctl token lost and found, dtu revoke and restore: in the whole group, within two seconds.

hostd does it and tells the others. Where it does not run, the block is written to its file, holds
when it starts, and reaches the other servers then.
"""

import argparse
from pathlib import Path
from typing import Any

from roamwire.blocks import dtu_key, token_key
from roamwire.errors import RemoteProtocolError
from roamwire.identity import name_problem
from roamwire.tokens import Token
from sessionhost.adapters.block_file import BlockFile
from sessionhost.adapters.folder_owner import as_owner
from sessionhost.app.config import ServerConfig, load_config
from sessionhost.app.roamctl_answer import Answer, RoamctlError
from sessionhost.app.roamctl_note import by
from sessionhost.app.roamctl_status import HostdAwayError, ask, parse_status
from sessionhost.core.blocks import BlockSet, BlocksFullError

_WORDS = {
    ("token", True): "{name} is lost: it is on no screen any more and opens nothing",
    ("token", False): "{name} may open sessions again",
    ("dtu", True): "terminal {name} is revoked: no server lets it in",
    ("dtu", False): "terminal {name} may connect again",
}


def add_token_verbs(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `token lost` and `token found`."""
    _add(verbs, common, "lost", ("token", True), "cut a lost card's sessions, in the whole group")
    _add(verbs, common, "found", ("token", False), "let a lost card open sessions again")


def add_dtu_verbs(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `dtu revoke` and `dtu restore`."""
    _add(verbs, common, "revoke", ("dtu", True), "turn a terminal off, in the whole group")
    _add(verbs, common, "restore", ("dtu", False), "let a revoked terminal connect again")


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    verb: str,
    act: tuple[str, bool],
    words: str,
) -> None:
    parser = verbs.add_parser(verb, parents=[common], help=words)
    parser.add_argument("name", metavar="TOKEN" if act[0] == "token" else "NAME")
    parser.add_argument("--socket", type=Path, help="hostd's admin socket instead of the config's")
    told = f"{act[0]} {'block' if act[1] else 'allow'}"
    parser.set_defaults(run=_run, block=act, told=told)


def _run(args: argparse.Namespace) -> Answer:
    kind, blocked = args.block
    key = _key(kind, args.name)
    config = load_config(args.config)
    question = f"{'block' if blocked else 'allow'} {kind} {args.name}{by()}"
    try:
        told = parse_status(ask(args.socket or config.run_dir / "admin.sock", question))
    except HostdAwayError:
        # For the audit log: hostd, which notes it otherwise, does not run.
        args.act, args.token = args.told, args.name if kind == "token" else None
        return _write(config, key, args.name, args.block)
    if "error" in told:
        raise RoamctlError(str(told["error"]))
    servers: list[Any] = told.get("told", [])
    others = f"told to {len(servers)} other servers: {', '.join(servers)}" if servers else ""
    lines = [_WORDS[args.block].format(name=args.name), others or "no other server is up"]
    if not blocked and not told.get("before"):
        lines.append(
            "this server did not know it as blocked: if another one is cut off and does, say it "
            "again when that is back"
        )
    return Answer(told, lines)


def _key(kind: str, name: str) -> str:
    if kind == "token":
        try:
            return token_key(Token.parse(name))
        except RemoteProtocolError as error:
            raise RoamctlError(f"{name!r} is not a token; one looks like uid:04a1b2c3") from error
    problem = name_problem(name)
    if problem:
        raise RoamctlError(f"the terminal {problem}")
    return dtu_key(name)


def _write(config: ServerConfig, key: str, name: str, act: tuple[str, bool]) -> Answer:
    kind, blocked = act
    blocks, file = BlockSet(), BlockFile(config.block_path)
    try:
        with as_owner(config.state_dir):
            file.load(blocks)
            file.append((blocks.put(key, blocked, config.host),))
    except BlocksFullError as error:
        raise RoamctlError(str(error)) from error
    except OSError as error:
        raise RoamctlError(
            f"hostd is not running here, and {config.block_path} cannot be changed: "
            f"{error.strerror}; do it on a server that runs"
        ) from error
    note = (
        "hostd does not run here: the others learn it when it starts; better do it on one of them"
    )
    data = {kind: name, "blocked": blocked, "told": [], "written": str(config.block_path)}
    return Answer(data, [_WORDS[act].format(name=name), note])
