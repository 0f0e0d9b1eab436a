"""An attacker on the wire without the group's secret, and a rogue desk with a good certificate."""

import dataclasses
import random
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from dtu.core import actions as dtu_actions
from roamtools.sim.plan import Plan
from roamwire import tickets
from roamwire.control import Cause, Insert, encode_line, parse_line
from roamwire.datagrams import (
    Claim,
    Host,
    Interface,
    ServerQ,
    ServerR,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
)
from roamwire.signing import GroupSecrets
from sessionhost.core.gateway import Admitted

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.hosts import HostNode
    from roamtools.sim.world import World

MAX_OVERHEARD = 400
"""Recorded datagrams, old and new: replays of either are tried."""


FLOOD = 80
"""More than the table of unsigned hosts holds."""


class Attacker:
    """Sends what is forged, unsigned, garbled, replayed; never more than a listener could know."""

    NAME = "evil"
    ADDRESS = IPv4Address("10.0.200.66")
    BOOT = "e" * 16

    def __init__(self, world: "World", plan: Plan, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._heard: list[bytes] = []
        self._other = GroupSecrets(b"not the secret of this group")
        self._tickets: dict[str, list[str]] = {}
        self._displays: list[tuple[DeskNode, dtu_actions.OpenDisplay]] = []
        self._last: dict[str, bytes] = {}
        self._seq = 0

    def start(self) -> None:
        """Begin."""
        self._world.clock.after(1.0, self._strike)

    # What it learns

    def overheard(self, sender: str, data: bytes) -> None:
        """A datagram on the wire."""
        if data.startswith(b"host="):
            self._last[sender] = data
        if len(self._heard) < MAX_OVERHEARD:
            self._heard.append(data)
        elif self._rng.random() < 0.1:
            self._heard[self._rng.randrange(MAX_OVERHEARD)] = data

    def asked(self, desk: "DeskNode", data: bytes) -> None:
        """A desk's serverQ reaches everybody: the attacker knows its nonce."""
        message = parse_datagram(data)
        if isinstance(message, ServerQ) and self._rng.random() < 0.3:
            answer = ServerR(message.serverQ, self.NAME, self.ADDRESS, load=0)
            self._to_desk(desk, encode_datagram(answer))

    def ticket_seen(self, desk: "DeskNode", order: dtu_actions.OpenDisplay) -> None:
        """A rogue desk hands the ticket that it was given to another desk."""
        if desk.rogue and self._rng.random() < 0.1:
            self._steal(order, self._rng.choice([d for d in self._world.desks if d is not desk]))

    def ticket_used(self, desk: "DeskNode", order: dtu_actions.OpenDisplay) -> None:
        """A rogue desk keeps the ticket that it has used."""
        if desk.rogue:
            self._displays.append((desk, order))
            del self._displays[:-20]

    def questioned(self, host: "HostNode", data: bytes) -> None:
        """A server asks the address that the attacker gave as its own: it gets its answer."""
        if not data.startswith(b"tokenQ="):
            return  # an answer to a serverQ that the attacker has sent on
        question = parse_datagram(data.rpartition(b" sig=")[0])
        if isinstance(question, TokenQ):
            self._seq += 1
            claims = (Claim("1" * 16, 0, 99, attached=True),) if question.token else ()
            answer = TokenR(
                question.tokenQ, self.NAME, self.BOOT, self._seq, question.boot, "2" * 24,
                claims=claims,
            )  # fmt: skip
            self._to_host(host, encode_datagram(answer))

    # The rogue desk's control lines

    def tampered(self, desk: "DeskNode", line: bytes) -> bytes:
        """An insert that claims to be a redirect, with a ticket that is used or made up."""
        message = parse_line(line)
        if not isinstance(message, Insert):
            return line
        kept = self._tickets.setdefault(f"{desk.name} {message.token}", [])
        if message.cause is Cause.REDIRECT:
            kept.append(message.ticket)
            del kept[:-8]
            return line
        if message.cause is Cause.INSERT and self._rng.random() < 0.8:
            text = self._rng.choice(kept) if kept and self._rng.random() < 0.6 else ""
            text = text or self._made_up(desk)
            message = dataclasses.replace(message, cause=Cause.REDIRECT, ticket=text)
        return encode_line(message)

    def _made_up(self, desk: "DeskNode") -> str:
        token = desk.card
        if token is None or desk.control is None:
            return "garbage"
        registered = self._world.registry.get(token)
        user = registered.user if registered is not None else ""
        digest = self._world.secrets.owner_digest(token, user)
        ticket = tickets.RedirectTicket(
            "s1", desk.name, digest, desk.control.peer, self._rng.choice(["0", "f" * 24]), 0,
            user=user,
        )  # fmt: skip
        return tickets.issue(ticket, self._other)

    # Datagrams

    def _strike(self, _: None) -> None:
        blows = (self._replay, self._replay, self._forge, self._garble, self._hint, self._claim)
        for _number in range(self._rng.randrange(1, 5)):
            self._rng.choice(blows)(self._rng.choice(self._world.hosts))
        if self._rng.random() < 0.02:
            self._flood(self._rng.choice(self._world.hosts))
        if self._rng.random() < 0.5:
            self._raise_the_dead()
        if self._displays and self._rng.random() < 0.5:
            owner, order = self._rng.choice(self._displays)
            self._steal(order, self._rng.choice([owner, self._rng.choice(self._world.desks)]))
        self._world.clock.after(self._rng.uniform(0.2, 1.5), self._strike)

    def _to_host(self, host: "HostNode", data: bytes, *, spoof: "HostNode | None" = None) -> None:
        source = (str(spoof.ip) if spoof else str(self.ADDRESS), 7009)
        net = self._world.net
        net.datagram(self.NAME, host.name, host.datagram, (data, source, "unicast"))

    def _to_desk(self, desk: "DeskNode", data: bytes) -> None:
        packet = (data, (str(self.ADDRESS), 7009), "unicast")
        self._world.net.datagram(self.NAME, desk.name, desk.datagram, packet)

    def _replay(self, host: "HostNode") -> None:
        if self._heard:
            data = self._rng.choice(self._heard)
            spoof = self._rng.choice([None, self._rng.choice(self._world.hosts)])
            self._world.clock.after(
                self._rng.uniform(0.05, 2.0),
                lambda _: self._to_host(host, data, spoof=spoof),
            )

    def _raise_the_dead(self) -> None:
        """The last words of hosts that say nothing any more, to everybody, under their address."""
        for host in self._world.hosts:
            if not host.up and host.name in self._last:
                for other in self._world.hosts:
                    self._to_host(other, self._last[host.name], spoof=host)

    def _forge(self, host: "HostNode") -> None:
        """A host message with no signature, a wrong one, or a true one over other bytes."""
        name = self._rng.choice([self.NAME, self._rng.choice(self._world.hosts).name])
        mask, bcast = IPv4Address("255.255.0.0"), IPv4Address("10.0.255.255")
        self._seq += 1
        body = encode_datagram(
            Host(
                name, self.ADDRESS, int(self._world.clock.now), boot=self.BOOT, seq=self._seq,
                interfaces=(Interface("eth0", self.ADDRESS, mask, bcast),),
            )
        )  # fmt: skip
        kind = self._rng.randrange(3)
        if kind == 1:
            body = self._other.sign(body)
        elif kind == 2 and self._heard:
            signature = self._rng.choice(self._heard).rpartition(b" sig=")[2]
            body += b" sig=" + signature
        self._to_host(host, body)

    def _flood(self, host: "HostNode") -> None:
        """More unsigned hosts than anybody would remember."""
        for number in range(FLOOD):
            name = f"{self.NAME}{number}"
            body = encode_datagram(Host(name, self.ADDRESS, 0, boot=self.BOOT, seq=1))
            self._to_host(host, body)

    def _claim(self, host: "HostNode") -> None:
        """An unsigned question about a token."""
        question = TokenQ("0" * 16, self.NAME, "1" * 16, 1, "ab" * 32, self.ADDRESS)
        self._to_host(host, encode_datagram(question))

    def _garble(self, host: "HostNode") -> None:
        if not self._heard:
            return
        data = bytearray(self._rng.choice(self._heard))
        for _ in range(self._rng.randrange(1, 4)):
            data[self._rng.randrange(len(data))] = self._rng.randrange(256)
        cut = self._rng.randrange(len(data)) if self._rng.random() < 0.3 else len(data)
        self._to_host(host, bytes(data[:cut]) * self._rng.choice([1, 1, 3]))

    def _hint(self, host: "HostNode") -> None:
        """A serverR that nobody has asked for."""
        desk = self._rng.choice(self._world.desks)
        self._to_desk(desk, encode_datagram(ServerR("0" * 16, self.NAME, self.ADDRESS)))

    def _steal(self, order: dtu_actions.OpenDisplay, desk: "DeskNode") -> None:
        """A display ticket that is used, or another desk's."""
        host = self._world.by_address[order.address]
        verdict = host.display.gate.attach(order.ticket, desk.name, self._world.clock.now)
        if isinstance(verdict, Admitted):
            self._world.checks.fail("proof", f"{desk.name} got in with a ticket that is not for it")
