"""The process that holds a lab: switch, ports, power of the nodes. Ends, and nothing is left.

Started by Lab.up: `python -m roamtools.lab.keeper LAB_DIR [--tie FD]`. What runs inside a node is
the business of its init. Every process of the lab dies with this one, however it ends.
"""

import argparse
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roamtools.lab import dhcp, kernel, plan, switch
from roamtools.lab.mounts import remove_tree
from roamtools.lab.rpc import OrderServer, Refusal, run_ready

# A program that changes its privileges, as dnsmasq does, loses the order to die with its parent
# (prctl(2), PR_SET_PDEATHSIG). The shell keeps it, and takes its namespace along.
_IN_OWN_PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", '"$@"; :', "sh"]
PATIENCE_S = 5.0  # for a namespace to end, or for a node's init to listen


@dataclass
class Node:
    """A server or a desk: its port, which outlives it, and the PID of its init (0: powered off)."""

    name: str
    kind: str
    number: int
    address: str
    port: switch.Port
    init: int = 0

    def report(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "number": self.number,
            "address": self.address,
            "power": self.init != 0,
            "link": self.port.connected,
            "init": self.init,
        }


class Keeper:
    """Follows the orders of Lab; single-threaded, which the namespace calls need."""

    def __init__(self, lab_dir: Path, untie: Callable[[], None], ipv6_only: bool) -> None:
        self._lab_dir = lab_dir
        self._ipv6_only = ipv6_only
        self._untie = untie
        self._nodes: dict[str, Node] = {}
        self._dhcp_server: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def handle(self, order: dict[str, Any]) -> dict[str, Any]:
        handlers = {
            "add": lambda: self._add(order),
            "power_on": lambda: self._power_on(self._node(order)),
            "kill": lambda: self._kill(self._node(order)),
            "cut": lambda: self._connect(order, False),
            "heal": lambda: self._connect(order, True),
            "plug": lambda: self._node(order).port.plug(order["plugged"]),
            "forget": lambda: self._forget(self._node(order)),
            "dhcp": lambda: self._dhcp(order),
            "state": lambda: None,
            "untie": self._untie,
            "stop": self._stop,
        }
        if order.get("op") not in handlers:
            raise Refusal(f"unknown order {order.get('op')!r}")
        before = time.monotonic()
        handlers[order["op"]]()
        return {
            "at": before,
            "done": time.monotonic(),
            "pid": os.getpid(),
            "dhcp": self._dhcp_server is not None and self._dhcp_server.poll() is None,
            "ipv6_only": self._ipv6_only,
            "nodes": [node.report() for node in self._nodes.values()],
        }

    def _node(self, order: dict[str, Any]) -> Node:
        node = self._nodes.get(order["name"])
        if node is None:
            names = ", ".join(self._nodes) or "none yet"
            raise Refusal(f"there is no {order['name']!r} in this lab; there are: {names}")
        return node

    def _add(self, order: dict[str, Any]) -> None:
        name, kind, number = plan.check_name(order["name"]), order["kind"], int(order["number"])
        if name in self._nodes:
            raise Refusal(f"{name} exists already")
        address = str(plan.server_address(number, self._ipv6_only)) if kind == "server" else ""
        port = switch.Port(name, plan.hardware_address(kind, number), address or None)
        self._nodes[name] = Node(name, kind, number, address, port)

    def _power_on(self, node: Node) -> None:
        if node.init:
            raise Refusal(f"{node.name} is on already")
        node_dir = self._lab_dir / "nodes" / node.name
        (node_dir / "init.sock").unlink(missing_ok=True)
        node.init = kernel.fork_into_pid_namespace()
        if node.init == 0:
            _become_init(node, node_dir)
        deadline = time.monotonic() + PATIENCE_S
        while not (node_dir / "init.sock").exists():
            self.reap()
            if not node.init or time.monotonic() > deadline:
                raise Refusal(f"{node.name} did not start; see {node_dir / 'logs' / 'init.log'}")
            time.sleep(0.005)

    def _kill(self, node: Node) -> None:
        """SIGKILL to PID 1 of the namespace: the kernel kills every other process in it too."""
        if node.init:
            os.kill(node.init, signal.SIGKILL)
            self._await_end(node)

    def _await_end(self, node: Node) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while node.init:
            self.reap()
            if time.monotonic() > deadline:
                raise Refusal(f"{node.name} does not end")
            time.sleep(0.002)

    def _connect(self, order: dict[str, Any], connected: bool) -> None:
        port = self._node(order).port
        if connected:
            port.heal()
        else:
            port.cut()

    def _forget(self, node: Node) -> None:
        self._kill(node)
        node.port.forget()
        del self._nodes[node.name]

    def _dhcp(self, order: dict[str, Any]) -> None:
        if self._dhcp_server is not None:
            self._dhcp_server.kill()
            self._dhcp_server.wait()
            self._dhcp_server = None
        if order["on"]:
            told = dhcp.DhcpOptions(**order["told"])
            command, environment = dhcp.command(self._lab_dir, told, self._ipv6_only)
            with (self._lab_dir / f"{told.server}.log").open("ab") as log:
                self._dhcp_server = subprocess.Popen(
                    [*_IN_OWN_PID_NAMESPACE, *command],
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=_die_with_keeper,  # noqa: PLW1509 (there is one thread)
                )

    def _stop(self) -> None:
        self.stopping = True

    def reap(self) -> None:
        """Notice nodes whose init has ended."""
        for node in self._nodes.values():
            if node.init and os.waitpid(node.init, os.WNOHANG)[0]:
                node.init = 0

    def end(self) -> None:
        """Kill everything, remove the lab's directory."""
        for node in self._nodes.values():
            if node.init:
                os.kill(node.init, signal.SIGKILL)
        for node in self._nodes.values():
            if node.init:
                os.waitpid(node.init, 0)
        if self._dhcp_server is not None:
            self._dhcp_server.kill()
            self._dhcp_server.wait()
        remove_tree(self._lab_dir)
        try:
            self._lab_dir.parent.rmdir()
        except OSError:
            pass  # another lab is in it


def _die_with_keeper() -> None:
    kernel.die_with_parent(signal.SIGKILL)


def _become_init(node: Node, node_dir: Path) -> None:
    """In the child, PID 1 of its namespace: never returns."""
    try:
        _die_with_keeper()
        os.setsid()
        kernel.setns(node.port.namespace, kernel.CLONE_NEWNET)
        log = os.open(node_dir / "logs" / "init.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 256)
        signal.set_wakeup_fd(-1)
        command = [sys.executable, "-m", "roamtools.lab.init", str(node_dir / "view.json")]
        os.execv(sys.executable, command)
    except BaseException as error:
        os.write(2, f"init of {node.name}: {error}\n".encode())
    os._exit(127)


def main() -> None:
    parser = argparse.ArgumentParser(prog="roamtools.lab.keeper")
    parser.add_argument("lab_dir", type=Path)
    parser.add_argument("--ipv6-only", action="store_true")
    parser.add_argument("--tie", type=int, help="descriptor whose end ends the lab")
    options = parser.parse_args()
    selector = selectors.DefaultSelector()

    def untie() -> None:
        if options.tie in selector.get_map():
            selector.unregister(options.tie)

    keeper = Keeper(options.lab_dir, untie, options.ipv6_only)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.handle({"op": "stop"}))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector.register(woken, selectors.EVENT_READ, lambda: os.read(woken, 4096))
    if options.tie is not None:
        os.set_inheritable(options.tie, False)
        selector.register(options.tie, selectors.EVENT_READ, lambda: keeper.handle({"op": "stop"}))
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
        switch.make_bridge(options.ipv6_only)
        OrderServer(options.lab_dir / "keeper.sock", selector, keeper.handle)
        while not keeper.stopping:
            keeper.reap()
            run_ready(selector, None)
    finally:
        keeper.end()


if __name__ == "__main__":
    main()
