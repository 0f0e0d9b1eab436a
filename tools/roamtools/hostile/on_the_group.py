"""Attacks by datagrams on UDP 7009: forged, recorded, and very many."""

import random
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from roamtools.hostile.attack import attack
from roamtools.hostile.stage import EVIL, GUESS, SERVERS, Stage
from roamtools.lab import plan
from roamwire.datagrams import (
    Datagram,
    Host,
    Interface,
    TokenQ,
    encode_datagram,
)
from roamwire.tokens import Token

PORT = 7009
FAKE_HOSTS = 100_000
FAKE_NAMES = 256
"""As many hosts as a group may have (`limits.MAX_HOSTS`)."""

SETTLE_S = 1.5
"""A host message has been heard by everybody, and a terminal would have moved."""


def bound() -> socket.socket:
    """A socket at the group's port, in the network that we are in."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    link.bind(("", PORT))
    return link


def speak(stage: Stage, *datagrams: bytes, to: str = "") -> None:
    """Send datagrams from the attacker's terminal to all servers, or to one address."""
    targets = [to] if to else [stage.address(server) for server in SERVERS]

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            for data in datagrams:
                for target in targets:
                    link.sendto(data, (target, PORT))

    stage.evil(send)


def listen(stage: Stage, wanted: Callable[[bytes], bool], seconds: float = 5.0) -> bytes:
    """The first datagram on the group's port that is wanted, as broadcast brings it."""

    def hear() -> bytes:
        with bound() as link:
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                link.settimeout(left)
                data = link.recv(4096)
                if wanted(data):
                    return data
        raise TimeoutError("nothing was heard")

    return stage.evil(hear)


def _is_for_all(data: bytes) -> bool:
    """Whether broadcast brings it to everybody: announcements, and news of blocks."""
    return data.startswith(b"host=") or (data.startswith(b"block=") and b" asked=" not in data)


def ask(stage: Stage, server: str, *asked: bytes, seconds: float = 1.0) -> list[bytes]:
    """All that a server sends to the attacker alone within that time after these datagrams.

    Servers answer servers at the group's port, so the attacker asks from there too.
    """

    def exchange() -> list[bytes]:
        answers = []
        with bound() as link:
            for data in asked:
                link.sendto(data, (stage.address(server), PORT))
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                link.settimeout(left)
                try:
                    answer = link.recv(4096)
                except TimeoutError:
                    break
                if not _is_for_all(answer):
                    answers.append(answer)
        return answers

    return stage.evil(exchange)


def host(name: str, address: str, **fields: object) -> Host:
    """A host message as a server of that name and address would send it."""
    ip = IPv4Address(address)
    mask, bcast = plan.NETWORK.netmask, plan.NETWORK.broadcast_address
    interface = Interface("eth0", ip, mask, bcast)
    plain = {"boot": "00000000deadbeef", "seq": 1, "cpus": 64, "interfaces": (interface,)}
    return Host(name, ip, int(time.time()), **(plain | fields))  # type: ignore[arg-type]


def _trusted(stage: Stage, server: str, about: str) -> dict[str, Any]:
    """What a server holds for true of another; unsigned messages are listed beside it."""
    hosts = stage.status(server)["topology"]
    found: dict[str, Any] = next(h for h in hosts if h["host"] == about and h["trusted"])
    return found


def _trusted_hosts(stage: Stage) -> set[str]:
    found = set()
    for server in SERVERS:
        hosts = stage.status(server)["topology"]
        found |= {each["host"] for each in hosts if each["trusted"]}
    return found


def _new_trusted(stage: Stage, *datagrams: bytes) -> str:
    """Send; whether a server trusts somebody whom it should not."""
    speak(stage, *datagrams)
    time.sleep(SETTLE_S)
    strangers = _trusted_hosts(stage) - set(SERVERS)
    return f"servers trust {', '.join(sorted(strangers))}" if strangers else ""


def _unsigned(message: Datagram) -> bytes:
    return encode_datagram(message)


@attack("host-unsigned")
def host_unsigned(stage: Stage) -> str:
    """A host message without signature, of an idle server with 64 processors."""
    return _new_trusted(stage, _unsigned(host("server9", stage.address(EVIL))))


@attack("host-signed-with-a-guess")
def host_guessed(stage: Stage) -> str:
    """A host message signed with a secret that is not the group's."""
    return _new_trusted(stage, GUESS.sign(_unsigned(host("server9", stage.address(EVIL)))))


@attack("host-signed-with-sha1")
def host_classic(stage: Stage) -> str:
    """A host message with a tag as long as the patent's keyed SHA-1, which nobody switched on."""
    body = _unsigned(host("server9", stage.address(EVIL)))
    return _new_trusted(stage, body + b" sig=" + b"0" * 40)


@attack("host-with-an-empty-signature")
def host_empty(stage: Stage) -> str:
    """A host message whose signature is empty, short, or there twice."""
    body = _unsigned(host("server9", stage.address(EVIL)))
    zeros = b" sig=" + b"0" * 64
    return _new_trusted(stage, body + b" sig=", body + b" sig=00", body + zeros + zeros)


@attack("host-recorded")
def host_recorded(stage: Stage) -> str:
    """A true host message of server2, again and again from the attacker's address."""
    recorded = listen(stage, lambda data: data.startswith(b"host=server2"))
    speak(stage, *[recorded] * 50, to=stage.address("server1"))
    time.sleep(SETTLE_S)
    place = _trusted(stage, "server1", "server2")["addr"]
    expected = f"{int(IPv4Address(stage.address('server2'))):08x}"
    return "" if place == expected else f"server2 is believed to be at {place}"


@attack("host-recorded-in-an-earlier-boot")
def host_of_an_earlier_boot(stage: Stage) -> str:
    """A true host message from before a restart of a server's daemon, played after it."""
    server, other = stage.idle_server, str(stage.victim.server)
    recorded = listen(stage, lambda data: data.startswith(f"host={server} ".encode()))
    stage.lab.restart(server)
    stage.restarted(server)
    before = sum(stage.status(other)["dropped"].values())
    speak(stage, *[recorded] * 20, to=stage.address(other))
    time.sleep(SETTLE_S)
    dropped = sum(stage.status(other)["dropped"].values()) - before
    return "" if dropped >= 20 else f"{20 - dropped} of 20 recordings were taken"


@attack("host-recorded-for-a-dead-server")
def host_of_the_dead(stage: Stage) -> str:
    """A server's link is cut and its last true message repeated: it must not seem alive."""
    server, other = stage.idle_server, str(stage.victim.server)
    recorded = listen(stage, lambda data: data.startswith(f"host={server} ".encode()))
    stage.lab.cut(server)
    try:
        deadline = time.monotonic() + 7
        while time.monotonic() < deadline:
            speak(stage, recorded, to=stage.address(other))
            time.sleep(0.2)
        return (
            ""
            if _trusted(stage, other, server)["down"]
            else f"{other} still believes that {server} lives"
        )
    finally:
        stage.lab.heal(server)
        time.sleep(SETTLE_S)


@attack("host-says-drain")
def host_says_drain(stage: Stage) -> str:
    """server2 is said to be draining, and to be back in a minute, without signature."""
    name, address = "server2", stage.address("server2")
    forged = host(name, address, drain=True, back_ms=60_000, seq=10**9)
    speak(stage, _unsigned(forged), GUESS.sign(_unsigned(forged)))
    time.sleep(0.3)
    told = _trusted(stage, "server1", "server2")
    return "server1 believes that server2 drains" if told["drain"] else ""


@attack("host-with-a-server's-name")
def host_with_a_name(stage: Stage) -> str:
    """server2 is said to live at the attacker's address."""
    forged = host("server2", stage.address(EVIL), seq=10**9)
    speak(stage, *[_unsigned(forged), GUESS.sign(_unsigned(forged))] * 10)
    time.sleep(SETTLE_S)
    expected = f"{int(IPv4Address(stage.address('server2'))):08x}"
    place = _trusted(stage, "server1", "server2")["addr"]
    return "" if place == expected else "server2's address was replaced"


@attack("tokenq-unsigned")
def token_question_unsigned(stage: Stage) -> str:
    """Who has a session of bob's card? Asked without the group's secret."""
    digest = GUESS.owner_digest(Token.parse(plan.CARDS["B"].token), "bob")
    question = _unsigned(TokenQ("1", "server2", "00000000deadbeef", 1, token=digest))
    answers = ask(stage, "server1", question) + ask(stage, "server1", GUESS.sign(question))
    return f"answered with {answers[0]!r}" if answers else ""


@attack("serverq-amplified")
def server_question_amplified(stage: Stage) -> str:
    """Small questions that make servers send much to somebody else."""
    question = b"serverQ=00000000 dtu=x"
    answers = ask(stage, "server1", question)
    sent = sum(map(len, answers))
    # DNS resolvers with this factor or less are not worth misusing.
    return f"{sent} bytes for {len(question)}" if sent > 10 * len(question) else ""


@attack("datagrams-of-garbage", flood=True)
def garbage(stage: Stage) -> str:
    """Twenty thousand datagrams of random bytes, some with a beginning that looks right."""
    rng = random.Random(2)
    heads = (b"", b"host=", b"tokenQ=1 host=", b"tokenR=", b"serverQ=", b"host=a sig=")
    data = [rng.choice(heads) + rng.randbytes(rng.randrange(1200)) for _ in range(10_000)]
    speak(stage, *data)
    return _new_trusted(stage)


@attack("datagrams-oversized", flood=True)
def oversized(stage: Stage) -> str:
    """Datagrams of 60 kB with ten thousand fields."""
    fields = b" ".join(b"k%d=v" % number for number in range(9_000))[:60_000]
    return _new_trusted(stage, *[b"host=server9 " + fields] * 200)


@attack("hosts-100000", flood=True)
def fake_hosts(stage: Stage) -> str:
    """A hundred thousand different servers announce themselves."""
    before = _memory(stage)
    for first in range(0, FAKE_HOSTS, 1000):
        messages = [
            _unsigned(host(f"fake{number}", "10.77.0.250", seq=number))
            for number in range(first, first + 1000)
        ]
        speak(stage, *messages)
    time.sleep(SETTLE_S)
    listed = max(len(stage.status(server)["topology"]) for server in SERVERS)
    grown = _memory(stage) - before
    if listed > FAKE_NAMES + len(SERVERS):
        return f"{listed} hosts are kept"
    return f"hostd has grown by {grown / 1e6:.0f} MB" if grown > 32_000_000 else ""


def _memory(stage: Stage) -> int:
    """Resident bytes of the hostds together."""
    total = 0
    for server in SERVERS:
        script = "pid=$(pgrep -f sessionhost.app.hostd | head -1); grep VmRSS /proc/$pid/status"
        told = stage.run_as(server, "root", script).stdout.split()
        total += int(told[1]) * 1024
    return total
