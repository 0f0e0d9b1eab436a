"""The lab's network: a bridge in its own namespace, and a port for each node; DHCP: dhcp.py."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from roamtools.lab import kernel, plan
from roamtools.lab.rpc import Refusal

BRIDGE = "br0"


def _ip(lines: Sequence[str], descriptors: Sequence[int] = ()) -> None:
    """Run one batch of iproute2 commands in the caller's network namespace."""
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(lines) + "\n",
        text=True,
        capture_output=True,
        pass_fds=descriptors,
        check=False,
    )
    if done.returncode:
        raise Refusal(f"ip: {done.stderr.strip()}")


def make_bridge(ipv6_only: bool) -> None:
    """Make the bridge in the caller's network namespace."""
    address = f"{plan.SWITCH_ADDRESS}/{plan.NETWORK.prefixlen} brd +"
    if ipv6_only:
        address = f"{plan.SWITCH_ADDRESS6}/{plan.NETWORK6.prefixlen} nodad"
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")  # it is the router
    _ip(
        [
            "link set lo up",
            # Without snooping and delays, as a plain switch: a port forwards from its first packet.
            f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
            f"address add {address} dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ]
    )


class Port:
    """A node's connection to the switch; lives as long as the switch, whatever the node does."""

    def __init__(self, name: str, hardware_address: str, address: str | None) -> None:
        self.name = name
        self.connected = True
        self.namespace = kernel.new_network_namespace()
        _ip(
            [
                f"link add {name} type veth peer name eth0 address {hardware_address} "
                f"netns /proc/self/fd/{self.namespace}",
                f"link set {name} master {BRIDGE} up",
            ],
            [self.namespace],
        )
        inside = ["link set lo up", "link set eth0 up"]
        if address and ":" in address:
            inside.append(f"address add {address}/{plan.NETWORK6.prefixlen} nodad dev eth0")
            inside.append(f"route add default via {plan.SWITCH_ADDRESS6}")
        elif address:
            inside.append(f"address add {address}/{plan.NETWORK.prefixlen} brd + dev eth0")
            inside.append(f"route add default via {plan.SWITCH_ADDRESS}")
        self._ip_inside(inside)

    def _ip_inside(self, lines: Sequence[str]) -> None:
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            kernel.setns(self.namespace, kernel.CLONE_NEWNET)
            try:
                _ip(lines)
            finally:
                kernel.setns(own, kernel.CLONE_NEWNET)
        finally:
            os.close(own)

    def cut(self) -> None:
        """The cable carries nothing any more, and neither end is told: carrier stays."""
        _ip([f"link set {self.name} nomaster"])
        self.connected = False

    def heal(self) -> None:
        _ip([f"link set {self.name} master {BRIDGE}"])
        self.connected = True

    def plug(self, plugged: bool) -> None:
        """Put the cable in or pull it: the node's end loses its carrier."""
        _ip([f"link set {self.name} {'up' if plugged else 'down'}"])

    def forget(self) -> None:
        """Take the port away, when its node has no process left."""
        _ip([f"link delete {self.name}"])
        os.close(self.namespace)
