"""roamctl status and session stop: asks hostd over its admin socket. Knows what hostd tells it.

The question is one line, the answer one JSON object on one line, for `status`:
`host` (this server's name), `topology` (list of HostView as JSON), `sessions` (list with session,
token, user, recipe, epoch, dtu), `dtus` (list with dtu, address), and any other plain values, which
are printed as they are.
"""

import argparse
import dataclasses
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sessionhost.app.config import load_config
from sessionhost.app.roamctl_answer import Answer, RoamctlError, table
from sessionhost.app.roamctl_note import by
from sessionhost.core.topology import HostView, InterfaceView

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""256 hosts with 32 interfaces each are some 1.2 MB of JSON."""

ANSWER_TIMEOUT_S = 5.0
"""hostd answers from memory, within milliseconds."""

_PRINTED_AS_TABLES = ("topology", "sessions", "dtus")
_SESSION = ("SESSION", "USER", "TOKEN", "RECIPE", "EPOCH", "DTU")
_DTU = ("DTU", "ADDRESS")


class HostdAwayError(RoamctlError):
    """hostd does not run on this machine."""


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Declares `status` and `session stop`."""
    status = commands.add_parser(
        "status", parents=[common], help="the group and the sessions, as this server sees"
    )
    status.add_argument("--socket", type=Path, help="hostd's admin socket instead of the config's")
    status.set_defaults(run=_status)
    session = commands.add_parser("session", help="end sessions")
    verbs = session.add_subparsers(required=True, metavar="COMMAND")
    stop = verbs.add_parser("stop", parents=[common], help="end a session and all its programs")
    stop.add_argument("session", metavar="SESSION", help="its name, as in 'roamctl status'")
    stop.add_argument("--socket", type=Path, help="hostd's admin socket instead of the config's")
    stop.set_defaults(run=_stop, told="session stop")


def socket_path(args: argparse.Namespace) -> Path:
    """Where hostd's admin socket is."""
    path: Path = args.socket or load_config(args.config).run_dir / "admin.sock"
    return path


def _stop(args: argparse.Namespace) -> Answer:
    if not args.session.isalnum():
        raise RoamctlError(f"{args.session!r} is not a session's name")
    answer = parse_status(ask(socket_path(args), f"stop {args.session}{by()}"))
    if "error" in answer:
        raise RoamctlError(str(answer["error"]))
    return Answer(answer, [f"session {args.session} is being ended"])


def _status(args: argparse.Namespace) -> Answer:
    status = parse_status(ask(socket_path(args), "status"))
    return Answer(status, list(status_lines(status)))


def ask(path: Path, question: str) -> bytes:
    """hostd's answer to a question; RoamctlError when it does not give one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            connection.connect(str(path))
            connection.sendall(question.encode("ascii") + b"\n")
            return _read_line(connection)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise HostdAwayError(f"hostd is not running here (no answer at {path})") from error
        except TimeoutError as error:
            raise RoamctlError(f"hostd did not answer in {ANSWER_TIMEOUT_S:g} s") from error
        except OSError as error:
            raise RoamctlError(f"cannot ask hostd at {path}: {error.strerror or error}") from error


def parse_status(line: bytes) -> dict[str, Any]:
    """hostd's line as an object; RoamctlError when it is none."""
    try:
        status = json.loads(line)
    except ValueError as error:
        raise RoamctlError("hostd's answer was cut off or is not JSON") from error
    if not isinstance(status, dict):
        raise RoamctlError("hostd's answer is not an object")
    return status


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The status for a person: plain values, the topology as in the patent's Table A, sessions."""
    for key, value in status.items():
        if key not in _PRINTED_AS_TABLES and value not in ("", None, [], {}):
            yield f"{key} {value if isinstance(value, str | int | float) else json.dumps(value)}"
    hosts = status.get("topology", [])
    yield ""
    if not hosts:
        yield "no other server has been heard"
    for host in hosts:
        yield from _host_view(host).lines()
    yield ""
    yield from table(_SESSION, _rows(status.get("sessions", []), _SESSION), "no sessions")
    yield ""
    yield from table(_DTU, _rows(status.get("dtus", []), _DTU), "no terminals are connected")


def _rows(entries: list[Mapping[str, Any]], heads: tuple[str, ...]) -> Iterator[list[object]]:
    for entry in entries:
        values = [entry.get(head.lower()) for head in heads]
        yield ["-" if value in ("", None) else value for value in values]


def _host_view(host: Mapping[str, Any]) -> HostView:
    """A host of the answer; fields that this version does not know are left out."""
    try:
        interfaces = tuple(InterfaceView(**_known(InterfaceView, i)) for i in host["interfaces"])
        return HostView(**{**_known(HostView, host), "interfaces": interfaces})
    except (KeyError, TypeError) as error:
        raise RoamctlError(f"hostd's answer is of another version ({error}); restart it") from error


def _known(kind: type[HostView] | type[InterfaceView], given: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in given.items() if key in names}


def _read_line(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        part = connection.recv(65536)
        parts.append(part)
        size += len(part)
        if not part or part.endswith(b"\n"):
            return b"".join(parts)
        if size > MAX_ANSWER_BYTES:
            raise RoamctlError(f"hostd's answer is longer than {MAX_ANSWER_BYTES} bytes")
