"""The configuration of the lab's DHCP servers: dnsmasq (with DNS) and Kea. Starts neither."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roamtools.lab import plan
from roamtools.lab.rpc import Refusal
from roamtools.lab.switch import BRIDGE

DOMAIN = "roamdesk.lab"


@dataclass(frozen=True)
class DhcpOptions:
    """What DHCP and DNS tell terminals; `more` are lines of dnsmasq.conf as they are.

    `server` is `dnsmasq`, or `kea` for DHCP alone.
    """

    auth: Sequence[str] = ()
    alt: Sequence[str] = ()
    listed: str = ""
    dns: str = str(plan.SWITCH_ADDRESS)
    lease_s: int = 3600
    leases: tuple[int, int] = (plan.FIRST_LEASE, plan.LAST_LEASE)
    more: Sequence[str] = ()
    server: str = "dnsmasq"


DHCP_OPTIONS = DhcpOptions(
    auth=[str(plan.server_address(number)) for number in (1, 2)],
    alt=[str(plan.server_address(3))],
    listed=",".join(str(plan.server_address(number)) for number in (1, 2)),
)
"""What a lab tells its terminals if nothing else is said."""


def dnsmasq_config(lab_dir: Path, told: DhcpOptions, ipv6_only: bool) -> str:
    """dnsmasq.conf as an administrator would write it for terminals.

    A file, because on the command line dnsmasq takes quotation marks for part of the text.
    """
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
        f"domain={DOMAIN}",
        f"local=/{DOMAIN}/",
        f"dhcp-leasefile={lab_dir / 'dnsmasq.leases'}",
        f"pid-file={lab_dir / 'dnsmasq.pid'}",
        *(_ip6_lines() if ipv6_only else _ip4_lines(told)),
        *told.more,
    ]
    return "\n".join(lines) + "\n"


def _ip4_lines(told: DhcpOptions) -> list[str]:
    vendor = "vendor:roamdesk.dtu"
    first, last = (plan.NETWORK[number] for number in told.leases)
    lines = [
        "dhcp-authoritative",
        f"dhcp-range={first},{last},{told.lease_s}",
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
    return lines


def _ip6_lines() -> list[str]:
    """Addresses by SLAAC, name server and domain by router advertisements (RFC 8106)."""
    return [
        "enable-ra",
        f"dhcp-range=::,constructor:{BRIDGE},ra-only",
        f"dhcp-option=option6:dns-server,[{plan.SWITCH_ADDRESS6}]",
        f"dhcp-option=option6:domain-search,{DOMAIN}",
    ]


def kea_config(told: DhcpOptions) -> str:
    """kea-dhcp4.conf as an administrator would write it for terminals (docs/network.md)."""
    first, last = (plan.NETWORK[number] for number in told.leases)
    options = [
        {"name": "auth-servers", "space": "roamdesk", "data": ", ".join(told.auth)},
        {"name": "alt-servers", "space": "roamdesk", "data": ", ".join(told.alt)},
        {"name": "roamdesk-servers", "data": told.listed.replace(",", "\\,")},
    ]
    terminals: dict[str, Any] = {
        "name": "roamdesk",
        "test": "option[60].text == 'roamdesk.dtu'",
        "option-def": [
            {
                "name": "vendor-encapsulated-options",
                "code": 43,
                "type": "empty",
                "encapsulate": "roamdesk",
            }
        ],
        "option-data": [
            {"name": "vendor-encapsulated-options"},
            *(option for option in options if option["data"]),
        ],
    }
    addresses = {"space": "roamdesk", "type": "ipv4-address", "array": True}
    subnet = {
        "id": 1,
        "subnet": str(plan.NETWORK),
        "pools": [{"pool": f"{first} - {last}"}],
        "option-data": [
            {"name": "routers", "data": str(plan.SWITCH_ADDRESS)},
            {"name": "domain-name-servers", "data": told.dns},
            {"name": "domain-name", "data": DOMAIN},
        ],
    }
    config = {
        "interfaces-config": {"interfaces": [BRIDGE]},
        "lease-database": {"type": "memfile", "persist": False},
        "authoritative": True,
        "valid-lifetime": told.lease_s,
        "option-def": [
            {"name": "auth-servers", "code": 21, **addresses},
            {"name": "alt-servers", "code": 35, **addresses},
            {"name": "roamdesk-servers", "code": 224, "space": "dhcp4", "type": "string"},
        ],
        "client-classes": [terminals],
        "subnet4": [subnet],
        "loggers": [
            {"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}
        ],
    }
    return json.dumps({"Dhcp4": config}, indent=2) + "\n"


def command(lab_dir: Path, told: DhcpOptions, ipv6_only: bool) -> tuple[list[str], dict[str, str]]:
    """Writes the configuration; the command that runs the server, and its environment."""
    if told.server == "dnsmasq":
        config = lab_dir / "dnsmasq.conf"
        config.write_text(dnsmasq_config(lab_dir, told, ipv6_only))
        return ["dnsmasq", "--keep-in-foreground", f"--conf-file={config}"], {}
    installed = shutil.which("kea-dhcp4", path="/usr/sbin:/usr/bin")
    if installed is None:
        raise Refusal("kea-dhcp4 is not installed: run 'make install' first")
    # A copy: Debian's AppArmor profile, which goes by the path, allows files in /etc/kea only.
    program = lab_dir / "kea-dhcp4"
    if not program.exists():
        shutil.copy(installed, program)
    for left in lab_dir.glob("kea-dhcp4.*.pid"):
        left.unlink()  # it was killed; in the new namespace somebody else has its number
    config = lab_dir / "kea-dhcp4.conf"
    config.write_text(kea_config(told))
    places = {"KEA_PIDFILE_DIR": str(lab_dir), "KEA_LOCKFILE_DIR": str(lab_dir)}
    return [str(program), "-c", str(config)], places
