"""Names, addresses, users and cards of a lab: all that is fixed. Nothing is made here."""

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

# The lab's network exists only inside its own namespaces, so every lab has the same one.
NETWORK = IPv4Network("10.77.0.0/24")
SWITCH_ADDRESS = NETWORK[1]  # dnsmasq lives here: DHCP and names
NETWORK6 = IPv6Network("fd77::/64")  # of a lab that has no IPv4
SWITCH_ADDRESS6 = NETWORK6[1]
FIRST_SERVER = 10  # server1 is .11
FIRST_LEASE, LAST_LEASE = 100, 199
MAX_SERVERS = 64

GROUP_NAME = "lab"
DEFAULT_NAME = "lab"
DEFAULT_ROOT = Path("/run/roamdesk-lab")
SCREEN = (1280, 800)
NODE_DIR = Path("/run/lab")  # where a node sees its own directory of the lab


@dataclass(frozen=True)
class User:
    """An account of every server in the lab; it does not exist on the real machine."""

    name: str
    uid: int
    home: str
    shell: str = "/bin/bash"


DAEMON_USERS = (
    User("roamdesk", 61001, "/var/lib/roamdesk", "/usr/sbin/nologin"),
    User("roamdesk-display", 61002, "/nonexistent", "/usr/sbin/nologin"),
    User("roamdesk-enrol", 61003, "/nonexistent", "/usr/sbin/nologin"),
)
PEOPLE = (
    User("alice", 62001, "/home/alice"),
    User("bob", 62002, "/home/bob"),
    User("carol", 62003, "/home/carol"),
)
KEY_READERS_GID = 61010  # group of the daemons that show the server's certificate
PASSWORD = "only in the lab"
PASSWORD_HASH = (  # openssl passwd -6 -salt roamdesklab
    "$6$roamdesklab$CNp5TXCkcPYYSDGvp9GFcsQxN2qWeJZqidgL3gZcVMfVfX78IuEsse"
    "AYp.cuz5hLhhDpl7BkO3OdwYIik6Qi5."
)


@dataclass(frozen=True)
class LabCard:
    """A card that everybody in the lab knows by its letter."""

    name: str
    number: str
    owner: str

    @property
    def token(self) -> str:
        return f"uid:{self.number}"


CARDS = {
    card.name: card
    for card in (
        LabCard("A", "04a1000000000a", "alice"),
        LabCard("B", "04b2000000000b", "bob"),
        LabCard("C", "04c3000000000c", "carol"),
    )
}

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_NUMBER = re.compile(r"([0-9a-f]{2}){4,16}")


def check_name(name: str) -> str:
    """The name of a lab or a node, or ValueError: it becomes part of paths and host names."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: up to 20 of a-z, 0-9 and '-', a letter first")
    return name


def card_number(card: str) -> str:
    """Number of a card given by its letter, or of any other card given as hexadecimal number."""
    known = CARDS.get(card.upper())
    if known is not None:
        return known.number
    if not _NUMBER.fullmatch(card.lower()):
        names = ", ".join(CARDS)
        raise ValueError(f"no card {card!r}: say {names} or a number of 8 to 32 hex digits")
    return card.lower()


def server_name(number: int) -> str:
    return f"server{number}"


def desk_name(number: int) -> str:
    return f"desk{number}"


def server_address(number: int, ipv6_only: bool = False) -> IPv4Address | IPv6Address:
    """Fixed address of server `number` (from 1)."""
    if not 1 <= number <= MAX_SERVERS:
        raise ValueError(f"servers are numbered 1 to {MAX_SERVERS}, not {number}")
    return NETWORK6[0x10 + number] if ipv6_only else NETWORK[FIRST_SERVER + number]


def hardware_address(kind: str, number: int) -> str:
    """Ethernet address, the same at each start, so that a desk keeps its lease."""
    return f"02:77:00:00:{'01' if kind == 'server' else '02'}:{number:02x}"


def lab_root() -> Path:
    """Directory of all labs of this machine; ROAMDESK_LAB_ROOT moves it."""
    return Path(os.environ.get("ROAMDESK_LAB_ROOT", str(DEFAULT_ROOT)))


def project_root() -> Path:
    """The project's own tree."""
    return Path(__file__).resolve().parents[3]


def passwd_file() -> str:
    """Accounts of a node: the system's own that programs expect, ours, and nobody else's."""
    lines = ["root:x:0:0:root:/root:/bin/bash", "daemon:x:1:1::/:/usr/sbin/nologin"]
    lines += ["messagebus:x:100:102::/nonexistent:/usr/sbin/nologin"]
    for user in DAEMON_USERS + PEOPLE:
        lines.append(f"{user.name}:x:{user.uid}:{user.uid}::{user.home}:{user.shell}")
    lines.append("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
    return "\n".join(lines) + "\n"


def group_file() -> str:
    """Groups to go with `passwd_file`; the system's low numbers keep their names."""
    lines = ["root:x:0:", "daemon:x:1:", "tty:x:5:", "shadow:x:42:", "video:x:44:"]
    lines += ["utmp:x:43:", "messagebus:x:102:"]
    lines += [f"{user.name}:x:{user.uid}:" for user in DAEMON_USERS + PEOPLE]
    # displayd makes its socket in the run directory, which is the group's of hostd's user.
    lines = [line + "roamdesk-display" * line.startswith("roamdesk:") for line in lines]
    members = ",".join(user.name for user in DAEMON_USERS)
    lines.append(f"roamdesk-keys:x:{KEY_READERS_GID}:{members}")
    lines.append("nogroup:x:65534:")
    return "\n".join(lines) + "\n"


def shadow_file() -> str:
    """People have one password; other accounts have none, and all are valid."""
    hashes = {user.name: PASSWORD_HASH for user in PEOPLE}
    names = ["root", *(user.name for user in DAEMON_USERS), *hashes]
    return "".join(f"{name}:{hashes.get(name, '!')}:19000:0:99999:7:::\n" for name in names)
