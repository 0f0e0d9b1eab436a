"""The command line of the lab; what the commands do is in lab.py."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roamtools.card.cards import CARD_MAKERS
from roamtools.lab import plan
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal

Answer = dict[str, Any]
Command = Callable[[Lab, argparse.Namespace], Answer]


def _up(lab: Lab, options: argparse.Namespace) -> Answer:
    lab.up(
        options.servers,
        options.desks,
        with_daemons=not options.bare,
        ipv6_only=options.ipv6_only,
        enrol=options.enrol,
    )
    return lab.status()


def _status(lab: Lab, _options: argparse.Namespace) -> Answer:
    return lab.status(deep=True)


def _insert(lab: Lab, options: argparse.Namespace) -> Answer:
    at = lab.insert(options.desk, options.card, options.mode, piv=options.piv)
    return {"desk": options.desk, "card": plan.card_number(options.card), "at": at}


def _remove(lab: Lab, options: argparse.Namespace) -> Answer:
    return {"desk": options.desk, "at": lab.remove(options.desk)}


def _type(lab: Lab, options: argparse.Namespace) -> Answer:
    lab.type(options.desk, options.text)
    return {"desk": options.desk, "typed": options.text}


def _click(lab: Lab, options: argparse.Namespace) -> Answer:
    lab.click(options.desk, options.x, options.y)
    return {"desk": options.desk, "x": options.x, "y": options.y}


def _screenshot(lab: Lab, options: argparse.Namespace) -> Answer:
    file = lab.screenshot(options.desk, options.file)
    return {"desk": options.desk, "file": str(file)}


def _kill(lab: Lab, options: argparse.Namespace) -> Answer:
    return {"server": options.server, "at": lab.kill(options.server)}


def _cut(lab: Lab, options: argparse.Namespace) -> Answer:
    return {"server": options.server, "at": lab.cut(options.server)}


def _heal(lab: Lab, options: argparse.Namespace) -> Answer:
    lab.heal(options.server)
    return {"server": options.server, "at": time.monotonic()}


def _restart(lab: Lab, options: argparse.Namespace) -> Answer:
    lab.restart(options.server, hard=options.hard)
    return {"server": options.server, "at": time.monotonic()}


def _add_server(lab: Lab, options: argparse.Namespace) -> Answer:
    name = lab.add_server(wrong_secret=options.wrong_secret)
    return {"server": name, "address": lab.node(name)["address"]}


def _logs(lab: Lab, options: argparse.Namespace) -> Answer:
    return {"node": options.node, "text": lab.logs(options.node, options.process)}


def _run(lab: Lab, options: argparse.Namespace) -> Answer:
    if not options.command:
        raise Refusal(f"say which command: lab run {options.node} -- COMMAND")
    done = lab.run(options.node, options.command, user=options.user)
    return {"status": done.returncode, "text": done.stdout, "errors": done.stderr}


def _down(lab: Lab, _options: argparse.Namespace) -> Answer:
    lab.down()
    return {"lab": lab.name}


def _show_status(answer: Answer) -> str:
    lines = [f"lab {answer['lab']} in {answer['directory']}, DHCP {_on(answer['dhcp'])}"]
    for node in answer["nodes"]:
        parts = [f"{node['name']:<10}", f"{node['address'] or 'no address':<13}"]
        parts.append(f"power {_on(node['power'])}, link {'up' if node['link'] else 'cut'}")
        stopped = [p["name"] for p in node["processes"] if not p["running"]]
        if stopped:
            parts.append(f"not running: {', '.join(stopped)}")
        parts.append(_tells(node.get("tells")))
        lines.append("  ".join(part for part in parts if part))
    return "\n".join(lines)


def _tells(told: Any) -> str:
    """What a server or desk says of itself, on one line."""
    if not isinstance(told, dict):
        return ""
    if "error" in told:
        return str(told["error"])
    if "topology" in told:
        sessions = [_session(session) for session in told.get("sessions", [])]
        parts = [f"sessions: {', '.join(sessions) or 'none'}"]
        strangers = [host["host"] for host in told["topology"] if not host["trusted"]]
        if strangers:
            parts.append(f"not TRUSTED: {', '.join(strangers)}")
        return "; ".join(parts)
    parts = [str(told.get("state", ""))]
    if told.get("server"):
        parts.append(f"to {told['server']}")
    parts.append(f"session {told['session']}" if told.get("session") else f"({told.get('title')})")
    return " ".join(parts)


def _session(session: dict[str, Any]) -> str:
    place = f" at {session['dtu']}" if session.get("dtu") else ""
    return f"{session.get('user')}{place}"


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default=plan.DEFAULT_NAME, help="which lab (default: lab)")
    common.add_argument("--json", action="store_true", help="print one JSON object")
    parser = argparse.ArgumentParser(
        prog="lab", description="Servers and desks on this machine, in network namespaces."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Command, text: str, *arguments: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        for argument in arguments:
            command.add_argument(argument)
        command.set_defaults(run=run, command_name=name)
        return command

    up = add("up", _up, "start a lab")
    up.add_argument("--servers", type=int, default=3, help="default: 3")
    up.add_argument("--desks", type=int, default=2, help="default: 2")
    up.add_argument("--bare", action="store_true", help="network, DHCP and card readers only")
    up.add_argument("--ipv6-only", action="store_true", help="a network without IPv4")
    up.add_argument(
        "--enrol",
        choices=("open", "approve", "preregistered"),
        default="",
        help="desks have no certificates: lab run server1 -- $PWD/.venv/bin/roamctl dtu list",
    )
    add("status", _status, "what is up, and what it says of itself")
    insert = add("insert", _insert, "put a card into a desk's reader", "desk")
    insert.add_argument("card", help=f"{', '.join(plan.CARDS)}, or a number in hexadecimal")
    insert.add_argument("--mode", choices=list(CARD_MAKERS), default="normal")
    insert.add_argument(
        "--piv", default="", help="file in the lab's folder 'cards': a PIV card too"
    )
    add("remove", _remove, "pull the card out of a desk's reader", "desk")
    add("type", _type, "type a text at a desk; <ctrl-s> is a combination", "desk", "text")
    click = add("click", _click, "click at a place of a desk's screen", "desk")
    click.add_argument("x", type=int)
    click.add_argument("y", type=int)
    shot = add("screenshot", _screenshot, "write what a desk shows as PNG", "desk")
    shot.add_argument("file", type=Path)
    add("kill", _kill, "SIGKILL to all of a server's processes, its sessions too", "server")
    add("cut", _cut, "make a server's link silent; nothing is closed", "server")
    add("heal", _heal, "give a server its link back, and power if it has none", "server")
    restart = add("restart", _restart, "restart a server's daemons, not its sessions", "server")
    restart.add_argument("--hard", action="store_true", help="with SIGKILL")
    late = add("add-server", _add_server, "power one more server on")
    late.add_argument("--wrong-secret", action="store_true", help="with another group's secret")
    logs = add("logs", _logs, "logs of a server, a desk or the switch", "node")
    logs.add_argument("process", nargs="?", help="only of this process")
    run = add("run", _run, "run a command on a server or desk: lab run server1 -- id", "node")
    run.add_argument("--user", default="root")
    run.epilog = "The command comes last, after --"
    add("down", _down, "end a lab; nothing is left of it")
    return parser


_DONE = {
    "insert": "card {card} is in {desk}",
    "remove": "the card is out of {desk}",
    "kill": "{server} is killed: all its processes, its sessions too; 'lab heal' starts it again",
    "cut": "the link of {server} is silent, nothing was closed; 'lab heal' gives it back",
    "heal": "{server} has its link and its power",
    "restart": "the daemons of {server} have restarted, its sessions live",
    "down": "lab {lab} is down, nothing of it is left",
}


def _show(name: str, answer: Answer) -> str:
    if name in ("up", "status"):
        return _show_status(answer)
    if name in _DONE:
        return _DONE[name].format_map(answer)
    if name in ("logs", "run"):
        return (str(answer["text"]) + str(answer.get("errors", ""))).rstrip("\n")
    return ", ".join(f"{key} {value}" for key, value in answer.items() if key != "at")


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    # argparse would take options behind a free-form command for parts of it.
    end = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:end])
    options.command = words[end + 1 :]
    started = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - started:6.2f} s  {text}", file=sys.stderr, flush=True)

    # SIGTERM is to end `up` as Ctrl-C does, with everything taken down again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        answer = options.run(Lab(options.name, progress), options)
    except (Refusal, ValueError) as error:
        return _fail(options.json, str(error), 1)
    except OSError as error:
        return _fail(options.json, f"{options.command_name}: {error}", 1)
    except KeyboardInterrupt:
        return _fail(options.json, "interrupted", 130)
    print(json.dumps(answer) if options.json else _show(options.command_name, answer))
    return int(answer.get("status", 0)) if options.command_name == "run" else 0


def _fail(as_json: bool, text: str, status: int) -> int:
    if as_json:
        print(json.dumps({"error": text}))
    print(f"lab: {text}", file=sys.stderr)
    return status
