"""What a lab that is up consists of, and orders to its nodes; starting and ending is in lab.py."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dtu.core.ip6 import parse_ip6
from roamtools.lab import daemons, plan
from roamtools.lab.desk_bench import DeskBench, Trace
from roamtools.lab.rpc import Refusal, call

READY_S = 20.0
POLL_S = 0.02
_PORTS = {"hostd": 7009, "displayd": 7010, "enrold": 7011}

Progress = Callable[[str], None]


class LabNodes:
    """The nodes of a lab, seen from any process; raises Refusal if there is no such lab or node."""

    def __init__(self, name: str = plan.DEFAULT_NAME, progress: Progress | None = None) -> None:
        self.name = plan.check_name(name)
        self.directory = plan.lab_root() / self.name
        self._progress: Progress = progress or (lambda _text: None)

    def exists(self) -> bool:
        return self.directory.exists()

    def _must_be(self, name: str, kind: str) -> None:
        node = self.node(name)
        if node["kind"] != kind:
            raise Refusal(f"{name} is no {kind}")

    def _order(self, **order: Any) -> dict[str, Any]:
        if not self.exists():
            raise Refusal(f"no lab {self.name!r} is up: 'lab up' starts one")
        return call(self.directory / "keeper.sock", order)

    def node_dir(self, name: str) -> Path:
        return self.directory / "nodes" / name

    @property
    def cards(self) -> Path:
        """The folder of PIV cards that every desk sees: a card is the same at the next desk."""
        return self.directory / "cards"

    def node(self, name: str) -> dict[str, Any]:
        """What the keeper knows of one node."""
        for node in self._order(op="state")["nodes"]:
            if node["name"] == name:
                return dict(node)
        raise Refusal(f"there is no {name!r} in lab {self.name!r}")

    def servers(self) -> list[str]:
        return self._names("server")

    def desks(self) -> list[str]:
        return self._names("desk")

    def _names(self, kind: str) -> list[str]:
        return [n["name"] for n in self._order(op="state")["nodes"] if n["kind"] == kind]

    def wait_ready(self, *names: str, timeout_s: float = READY_S) -> None:
        """Wait until servers accept terminals and desks have what they need; else Refusal.

        A desk needs an address only if there is a DHCP server to give it one.
        """
        deadline = time.monotonic() + timeout_s
        waiting = set(names)
        while True:
            state = self._order(op="state")
            nodes = {node["name"]: node for node in state["nodes"]}
            waiting = waiting or set(nodes)
            for name in sorted(waiting):
                lacking = self._lacking(nodes[name], state["dhcp"])
                if not lacking:
                    waiting.discard(name)
                    self._progress(f"{name} is ready")
                elif time.monotonic() > deadline:
                    logs = self.logs(name)[-3000:]
                    raise Refusal(f"{name} is not ready: {lacking}; its logs:\n{logs}")
            if not waiting:
                return
            time.sleep(POLL_S)

    def _lacking(self, node: dict[str, Any], dhcp: bool) -> str:
        """What a node still lacks, in words; empty when it is ready."""
        wanted = {process["name"] for process in self._processes(node)}
        root = self.node_root(node)
        sockets: dict[str, Path]
        if node["kind"] == "server":
            sockets = {"launcherd": root / "run/roamdesk/launcher.sock"}
            ports = _listening_ports(root.parent)
            silent = [name for name, port in _PORTS.items() if name in wanted and port not in ports]
        else:
            directory = self.node_dir(node["name"])
            sockets = {
                "pcscd": root / "run/pcscd/pcscd.comm",
                "card": directory / daemons.CARD_SOCKET,
                "dtu": directory / daemons.BENCH_SOCKET,
            }
            silent = []
        silent += [name for name in wanted & set(sockets) if not sockets[name].exists()]
        if silent:
            return f"{', '.join(sorted(silent))} does not listen"
        if dhcp and node["kind"] == "desk" and not self._desk_address(node):
            return "no address from DHCP or router"
        return ""

    def node_root(self, node: dict[str, Any]) -> Path:
        """A running node's own file tree, seen from outside."""
        if not node["power"]:
            raise Refusal(f"{node['name']} is off")
        return Path(f"/proc/{node['init']}/root")

    def lease_text(self, name: str) -> str:
        """What the DHCP hook wrote on a desk; empty before the first lease."""
        path = self.node_root(self.node(name)) / "run/roamdesk-dtu/lease-eth0"
        try:
            return path.read_text()
        except OSError:
            return ""

    def _desk_address(self, node: dict[str, Any]) -> str:
        """Leased, or in a network without IPv4 what a router gave."""
        if not node["power"]:
            return ""
        for line in self.lease_text(node["name"]).splitlines():
            if line.startswith("address="):
                return line.removeprefix("address=")
        table = (self.node_root(node).parent / "net/if_inet6").read_text()
        return next(iter(parse_ip6("eth0", table, "").addresses), "")

    def run(
        self, name: str, argv: Sequence[str], user: str = "root", timeout_s: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside a node and give its output."""
        return subprocess.run(
            self.command(name, argv, user),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def command(self, name: str, argv: Sequence[str], user: str = "root") -> list[str]:
        """The command line that runs `argv` inside a node."""
        command = ["nsenter", "-t", str(self._init_pid(name)), "-m", "-u", "-i", "-n", "-p"]
        command += ["--wdns=/", "--"]
        if user != "root":
            command += ["runuser", "-u", user, "--"]
        return [*command, *argv]

    def _init_pid(self, name: str) -> int:
        node = self.node(name)
        if not node["power"]:
            raise Refusal(f"{name} is off")
        return int(node["init"])

    def start_process(self, name: str, process: str, env: dict[str, str] | None = None) -> None:
        """Start a stopped process of a node again, with these variables in its environment."""
        for order in json.loads((self.node_dir(name) / "jobs.json").read_text()):
            if order["process"]["name"] == process:
                order["process"]["env"] |= env or {}
                call(self.node_dir(name) / "init.sock", order)
                return
        raise Refusal(f"{name} has no process {process!r}")

    def stop_process(self, name: str, process: str, hard: bool = False) -> None:
        """Stop a process of a node and leave it stopped."""
        how = signal.SIGKILL if hard else signal.SIGTERM
        call(
            self.node_dir(name) / "init.sock",
            {"op": "stop", "names": [process], "signal": int(how)},
        )

    def reload(self, server: str) -> None:
        """SIGHUP to a server's daemons: they read certificates and secrets again."""
        self._must_be(server, "server")
        names = [each["name"] for each in self._processes(self.node(server))]
        order = {"op": "signal", "names": [name for name in names if name in _PORTS]}
        call(self.node_dir(server) / "init.sock", {**order, "signal": int(signal.SIGHUP)})

    def roamctl(self, server: str, *words: str) -> Any:
        """What `roamctl --json` answers on a server, run by root there; Refusal if it fails."""
        program = [sys.executable, "-m", "sessionhost.app.roamctl"]
        done = self.run(server, [*program, *words, "--json"])
        if done.returncode:
            why = done.stdout.strip() or done.stderr.strip()
            raise Refusal(f"roamctl {' '.join(words)}: {why}")
        return json.loads(done.stdout)

    def logs(self, name: str, process: str | None = None) -> str:
        """All logs of a node, or that of one process (`init` is the node's own)."""
        if name == "switch":
            files = sorted(self.directory.glob("*.log"))
        else:
            self.node(name)
            files = sorted((self.node_dir(name) / "logs").glob(f"{process or '*'}.log"))
        parts = [f"==> {f.stem} <==\n{f.read_text(errors='replace')}" for f in files]
        return "\n".join(parts)

    def bench(self, desk: str) -> DeskBench:
        """A connection to the desk's bench channel."""
        return DeskBench(self._bench_path(desk))

    def trace(self, desk: str, since: float | None = None) -> Trace:
        """The stream of what happens at a desk from now on (or from `since`)."""
        return Trace(self._bench_path(desk), since)

    def _bench_path(self, desk: str) -> Path:
        self._must_be(desk, "desk")
        return self.node_dir(desk) / daemons.BENCH_SOCKET

    def desk_state(self, desk: str) -> dict[str, Any]:
        """What the terminal says of itself."""
        with self.bench(desk) as bench:
            return bench.order(op="state")

    def status(self, deep: bool = False) -> dict[str, Any]:
        """Nodes with power, link and processes; `deep` asks servers and desks themselves too."""
        state = self._order(op="state")
        for node in state["nodes"]:
            node["processes"] = self._processes(node)
            if node["kind"] == "desk" and not node["address"]:
                node["address"] = self._desk_address(node)
            if deep and node["power"]:
                node["tells"] = self._ask(node)
        return {"lab": self.name, "directory": str(self.directory), **state}

    def _processes(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        if not node["power"]:
            return []
        try:
            answer = call(self.node_dir(node["name"]) / "init.sock", {"op": "list"})
        except (OSError, Refusal):
            return []  # killed at this moment
        processes: list[dict[str, Any]] = answer["processes"]
        return processes

    def _ask(self, node: dict[str, Any]) -> Any:
        try:
            if node["kind"] == "desk":
                return self.desk_state(node["name"])
            done = self.run(
                node["name"],
                [sys.executable, "-m", "sessionhost.app.roamctl", "status", "--json"],
                user="roamdesk",
            )
            if done.returncode:
                return {"error": done.stderr.strip() or done.stdout.strip()}
            return json.loads(done.stdout)
        except (OSError, Refusal, ValueError) as error:
            return {"error": str(error)}


def _listening_ports(process: Path) -> set[int]:
    """TCP ports that are open in the network namespace of /proc/PID."""
    ports = set()
    for table in ("net/tcp", "net/tcp6"):
        for line in (process / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":  # TCP_LISTEN
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
