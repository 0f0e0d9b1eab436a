"""The lab's network: a bridge in its own namespace, a port for each node, and the DHCP server."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roamtools.lab import kernel, plan
from roamtools.lab.rpc import Refusal

BRIDGE = "br0"
DOMAIN = "roamdesk.lab"
LEASE_TIME = "1h"


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


def make_bridge() -> None:
    """Make the bridge in the caller's network namespace."""
    _ip(
        [
            "link set lo up",
            # Without snooping and delays, as a plain switch: a port forwards from its first packet.
            f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
            f"address add {plan.SWITCH_ADDRESS}/{plan.NETWORK.prefixlen} brd + dev {BRIDGE}",
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
        if address:
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


@dataclass(frozen=True)
class DhcpOptions:
    """What DHCP and DNS tell terminals; `more` are lines of dnsmasq.conf as they are."""

    auth: Sequence[str] = ()
    alt: Sequence[str] = ()
    listed: str = ""
    dns: str = str(plan.SWITCH_ADDRESS)
    lease_time: str = LEASE_TIME
    leases: tuple[int, int] = (plan.FIRST_LEASE, plan.LAST_LEASE)
    more: Sequence[str] = ()


DHCP_OPTIONS = DhcpOptions(
    auth=[str(plan.server_address(number)) for number in (1, 2)],
    alt=[str(plan.server_address(3))],
    listed=",".join(str(plan.server_address(number)) for number in (1, 2)),
)
"""What a lab tells its terminals if nothing else is said."""


def dnsmasq_config(lab_dir: Path, told: DhcpOptions) -> str:
    """dnsmasq.conf as an administrator would write it for terminals.

    A file, because on the command line dnsmasq takes quotation marks for part of the text.
    """
    vendor = "vendor:roamdesk.dtu"
    first, last = (plan.NETWORK[number] for number in told.leases)
    lines = [
        "user=root",
        "no-ping",  # its check for a used address costs 3 s a lease
        "no-resolv",
        "no-hosts",
        "bind-interfaces",
        f"interface={BRIDGE}",
        "except-interface=lo",
        "log-dhcp",
        "log-facility=-",
        "dhcp-authoritative",
        f"domain={DOMAIN}",
        f"local=/{DOMAIN}/",
        f"dhcp-leasefile={lab_dir / 'dnsmasq.leases'}",
        f"pid-file={lab_dir / 'dnsmasq.pid'}",
        f"dhcp-range={first},{last},{told.lease_time}",
        f"dhcp-option=option:dns-server,{told.dns}",
        f"dhcp-option=option:router,{plan.SWITCH_ADDRESS}",
        "dhcp-vendorclass=set:dtu,roamdesk.dtu",
    ]
    if told.auth:
        lines.append(f"dhcp-option=tag:dtu,{vendor},21,{','.join(told.auth)}")
    if told.alt:
        lines.append(f"dhcp-option=tag:dtu,{vendor},35,{','.join(told.alt)}")
    if told.listed:
        lines.append(f'dhcp-option=tag:dtu,224,"{told.listed}"')
    return "\n".join([*lines, *told.more]) + "\n"
