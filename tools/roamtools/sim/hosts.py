"""One simulated session host: the real ServerCore and DisplayGate, everything around them played.

The machine, its launcher, its display daemon and its host daemon can die one by one or together.
"""

import random
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from roamtools.sim.cards import verify
from roamtools.sim.clock import Alarm
from roamtools.sim.launcher import Job, Launcher
from roamtools.sim.plan import SLOW_LOOKUP_S
from roamtools.sim.stream import Mark, Stream
from roamwire.control import Attach, Attached, encode_line, parse_line
from roamwire.datagrams import BlockEntry, Interface
from roamwire.errors import RemoteProtocolError
from roamwire.notices import DisconnectReason
from sessionhost.core import actions, gateway
from sessionhost.core.announcing import Standing
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import Outgoing
from sessionhost.core.replies import Verified
from sessionhost.core.server import ServerCore
from sessionhost.core.sessions import Session
from sessionhost.core.timing import PROFILES

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.world import World

CONTROL_PORT = 7009
DISPLAY_PORT = 7010
FRAME = b"frame"
"""Stands for a whole first picture on a display connection."""

MASK = IPv4Address("255.255.0.0")
BROADCAST = "10.0.255.255"
LOOKUP_S = (0.0003, 0.003)
VERIFY_S = (0.0001, 0.002)
SLOW_CYCLE_S = 50.0
"""A tenth of this time the registry's disk is busy, at each host in turn."""

LOOKUP_FAILS = 0.05
"""Share of look-ups on a busy disk that fail."""


class ControlPort:
    """TCP 7009 of a host."""

    def __init__(self, host: "HostNode") -> None:
        self._host = host

    @property
    def node(self) -> str:
        """The host's name in the network."""
        return self._host.name

    @property
    def generation(self) -> int:
        """Number of the host daemon's process."""
        return self._host.daemon if self._host.powered else -1

    def accepted(self, stream: Stream) -> None:
        """A desk has connected."""
        self._host.link_opened(stream)

    def heard(self, stream: Stream, line: bytes) -> None:
        """A control line."""
        self._host.line(stream, line)

    def closed(self, stream: Stream) -> None:
        """The desk is gone."""
        self._host.link_closed(stream)


class DisplayPort:
    """TCP 7010 of a host: the display daemon with the real gate."""

    def __init__(self, host: "HostNode") -> None:
        self._host = host
        self._streams: dict[int, Stream] = {}
        self.shown: dict[int, str] = {}
        self.gate = gateway.DisplayGate()
        self.generation_number = 1

    @property
    def node(self) -> str:
        """The host's name in the network."""
        return self._host.name

    @property
    def generation(self) -> int:
        """Number of the display daemon's process."""
        return self.generation_number if self._host.powered else -1

    def accepted(self, stream: Stream) -> None:
        """A desk has connected; its ticket comes next."""

    def heard(self, stream: Stream, line: bytes) -> None:
        """The ticket: real gate, real answer."""
        now = self._host.clock.now
        attach = parse_line(line)
        if not isinstance(attach, Attach):
            raise RemoteProtocolError("state", "no ticket")
        verdict = self.gate.attach(attach.ticket, stream.node, now)
        if isinstance(verdict, gateway.Refused):
            self._host.world.note("refused", f"{stream.node} at {self.node}: {verdict.reason}")
            stream.hang_up()
            return
        self.close(verdict.close)
        stream.link = verdict.connection
        self._streams[verdict.connection] = stream
        self.shown[verdict.connection] = verdict.session
        stream.send_down(encode_line(Attached(verdict.session, verdict.epoch)))
        stream.send_down(FRAME)
        self._host.world.checks.admitted(self._host, stream.node, verdict.session, verdict.epoch)

    def closed(self, stream: Stream) -> None:
        """The desk has closed its display."""
        self._streams.pop(stream.link, None)
        self.shown.pop(stream.link, None)
        self.gate.closed(stream.link)

    def close(self, closing: tuple[gateway.Close, ...]) -> None:
        """What the gate wants closed."""
        for each in closing:
            stream = self._streams.pop(each.connection, None)
            self.shown.pop(each.connection, None)
            if stream is not None:
                stream.hang_up()

    def screens(self) -> list[tuple[str, str]]:
        """Desk and session of every open display."""
        shown = [(s.node, self.shown.get(number, "")) for number, s in self._streams.items()]
        return [(desk, session) for desk, session in shown if session]

    def die(self, end: Callable[[Stream], None]) -> None:
        """The process is gone."""
        for stream in self._streams.values():
            end(stream)
        self._streams.clear()
        self.shown.clear()
        self.gate = gateway.DisplayGate()
        self.generation_number += 1


class HostNode:
    """One session host; `daemon` numbers the host daemon's process, 0 while there is none."""

    def __init__(self, world: "World", number: int, rng: random.Random) -> None:
        self.world = world
        self.clock = world.clock
        self.number = number
        self.name = f"s{number}"
        self.ip = IPv4Address(f"10.0.0.{number}")
        self.rng = rng
        self.powered = True
        self.daemon = 0
        self.starts = 0
        self.wall_offset = 1.7e9
        self.drain = False
        self.core: ServerCore | None = None
        self.launcher = Launcher(self.clock, rng, self._ready, self._gone)
        self.control = ControlPort(self)
        self.display = DisplayPort(self)
        self.links: dict[int, Stream] = {}
        self.remembered: dict[str, tuple[int, float]] = {}
        self.silent_since: float | None = None
        self.inherited: dict[str, int] = {}
        self.kept_blocks: list[BlockEntry] = []
        self.started_at = self.clock.now
        self._last_link = 0
        self._alarm = Alarm(self.clock, self._wake)

    @property
    def up(self) -> bool:
        """Whether its daemon runs."""
        return self.core is not None

    # Life

    def start_daemon(self) -> None:
        """Start the host daemon; it finds the sessions that are running."""
        now = self.clock.now
        standing = Standing(self.name, cpus=4, drain=self.drain)
        group = GroupManager(standing, self.world.secrets, PROFILES["fast"], self.rng)
        group.wall_offset = self.wall_offset
        group.blocks.merge(self.kept_blocks)
        self.core = ServerCore(group, self.rng, recipe="desktop", display_port=DISPLAY_PORT)
        self.starts += 1
        self.daemon = self.starts
        self.started_at = now
        self.silent_since = None
        self.display.gate.unban()
        for key in group.blocks.blocked_dtus():
            self.display.close(self.display.gate.ban(key))
        self.inherited = dict(self.display.gate.connections())
        interface = Interface("eth0", self.ip, MASK, IPv4Address(BROADCAST))
        group.set_interfaces((interface,), now)
        self._list_sessions(self.core)
        self.pump()

    def _list_sessions(self, core: ServerCore) -> None:
        """What the launcher lists: the sessions that are ready, with the epochs of our notes."""
        now = self.clock.now
        running = []
        for job in self.launcher.jobs.values():
            if job.ready:
                epoch, last = self.remembered.get(job.session, (0, now))
                socket = f"rfb:{job.session}"
                running.append(
                    Session(job.session, job.token, job.user, job.recipe, last, epoch, socket)
                )
        core.recover(running, now)

    def stop_daemon(self, *, polite: bool) -> None:
        """End the host daemon; `polite`: it tells DTUs and servers that it will be back."""
        if self.core is None:
            return
        if polite:
            self.core.begin_restart(self.clock.now)
            self.pump()
        self._end_daemon(lambda stream: stream.hang_up(Mark.END if polite else Mark.RESET))

    def _end_daemon(self, end: Callable[[Stream], None]) -> None:
        for stream in self.links.values():
            end(stream)
        self.links.clear()
        self.core = None
        self.daemon = 0
        self.silent_since = self.clock.now
        self.world.checks.daemon_died(self)

    def crash(self, *, power: bool) -> None:
        """All processes die; with `power`, the machine too, and no connection is reset."""
        end = Stream.vanish_host if power else lambda stream: stream.hang_up(Mark.RESET)
        self._end_daemon(end)
        self.display.die(end)
        self.launcher.die()
        self.remembered.clear()
        self.powered = not power
        self.world.checks.host_died(self)

    def power_on(self) -> None:
        """The machine boots and starts its daemons."""
        self.powered = True
        self.start_daemon()

    def set_drain(self, drain: bool) -> None:
        """The administrator drains the host or takes it back."""
        self.drain = drain
        if self.core is not None:
            self.core.group.standing.drain = drain
            self.core.group.announce_soon(self.clock.now)
            self.pump()

    def block(self, key: str, *, blocked: bool) -> None:
        """The administrator blocks a card or a terminal in the group, or allows it again."""
        if self.core is not None:
            self.core.block(key, self.clock.now, blocked=blocked)
            self.pump()

    def set_wall_offset(self, offset: float) -> None:
        """The wall clock jumps."""
        self.wall_offset = offset
        if self.core is not None:
            self.core.group.wall_offset = offset

    # In

    def link_opened(self, stream: Stream) -> None:
        """A desk's control connection."""
        if self.core is None:
            return
        self._last_link += 1
        stream.link = self._last_link
        self.links[stream.link] = stream
        address = self.world.desks_by_name[stream.node].ip
        self.core.link_opened(stream.link, stream.node, address, self.clock.now)
        self.pump()

    def line(self, stream: Stream, line: bytes) -> None:
        """A control line; keepalives change no deadline and no session, so they end here."""
        core = self.core
        if core is None:
            return
        core.receive_line(stream.link, line, self.clock.now)
        if line.startswith(b"keepalive"):
            while (action := core.next_action()) is not None:
                self._act(action)
            return
        self.world.checks.heard(stream, line)
        self.pump()

    def link_closed(self, stream: Stream) -> None:
        """A desk's control connection is gone."""
        self.links.pop(stream.link, None)
        if self.core is not None:
            self.core.link_closed(stream.link, self.clock.now)
            self.pump()

    def datagram(self, packet: tuple[bytes, tuple[str, int], str]) -> None:
        """A datagram to UDP 7009: bytes, source, way."""
        core = self.core
        data, source, way = packet
        if core is None:
            sender = self.world.by_address.get(source[0])
            if self.powered and way == "unicast" and sender is not None:
                self.world.net.datagram(self.name, sender.name, sender.refused, str(self.ip))
            return
        core.receive_datagram(data, source, "eth0", self.clock.now, way)
        self.pump()

    def refused(self, address: str) -> None:
        """The kernel there says that nobody listens."""
        if self.core is not None:
            self.core.refused(address, self.clock.now)
            self.pump()

    def _wake(self) -> None:
        if self.core is not None:
            self.core.handle_deadline(self.clock.now)
            self.pump()

    def _ready(self, session: str) -> None:
        core = self.core
        if core is None:
            return
        if core.sessions.get(session) is None:  # ordered by the daemon before this one
            self._list_sessions(core)
        else:
            core.session_ready(session, f"rfb:{session}", self.clock.now)
        self.pump()

    def _gone(self, job: Job, reason: DisconnectReason) -> None:
        self.world.checks.session_ended(job.session)
        self.display.close(self.display.gate.revoke(job.session, 1 << 30))
        if self.core is not None:
            self.core.session_gone(job.session, reason, self.clock.now)
            self.pump()

    # Out

    def pump(self) -> None:
        """Carry out what the core wants, then check it and set the alarm."""
        core = self.core
        if core is None:
            return
        acted = False
        while (action := core.next_action()) is not None:
            self._act(action)
            acted = True
        for out in core.datagrams_to_send(self.clock.now):
            self._send(out)
        if acted:
            self.world.checks.host_step(self, core)
        self._alarm.set(core.next_deadline())

    def _act(self, action: actions.Action) -> None:
        if isinstance(action, actions.Send):
            self._say(action)
        elif isinstance(action, actions.Lookup):
            slow = (self.clock.now / SLOW_CYCLE_S + self.number / 10) % 1 < 0.1
            delay = self.rng.uniform(*LOOKUP_S) + slow * self.rng.uniform(0, SLOW_LOOKUP_S)
            failed = slow and not self.launcher.reliable and self.rng.random() < LOOKUP_FAILS
            self.clock.after(delay, self._look_up, (self.daemon, action, failed))
        elif isinstance(action, actions.Verify):
            self.clock.after(self.rng.uniform(*VERIFY_S), self._verify, (self.daemon, action))
        elif isinstance(action, actions.Grant):
            self._grant(action)
        elif isinstance(action, actions.Revoke):
            self.display.close(self.display.gate.revoke(action.session, action.epoch))
        elif isinstance(action, actions.Remember):
            self.remembered[action.session] = (action.epoch, action.last_connected)
            self.world.checks.remembered(self, action)
        elif isinstance(action, actions.StartSession):
            self._order(action)
        elif isinstance(action, actions.StopSession):
            self.launcher.stop(action.session)
        elif isinstance(action, actions.Close):
            stream = self.links.pop(action.link, None)
            if stream is not None:
                stream.hang_up()
        else:
            self._act_on_words(action)

    def _act_on_words(self, action: actions.Action) -> None:
        if isinstance(action, actions.Ban) and action.banned:
            self.display.close(self.display.gate.ban(action.key))
        elif isinstance(action, actions.Ban):
            self.display.gate.unban(action.key)
        elif isinstance(action, actions.KeepBlocks):
            self.kept_blocks.extend(action.entries)
        elif isinstance(action, actions.Audit):
            self.world.checks.counts["audit"] += 1
        elif isinstance(action, actions.Report):
            self.world.note(self.name, action.text)

    def _say(self, action: actions.Send) -> None:
        stream = self.links.get(action.link)
        if stream is not None:
            if not action.line.startswith(b"alive"):
                self.world.checks.sent(self, stream, action.line)
            stream.send_down(action.line)

    def _order(self, action: actions.StartSession) -> None:
        if action.session not in self.launcher.jobs:  # else it is asked for once more
            self.world.checks.starting(self, action)
            self.launcher.start(action)

    def _grant(self, action: actions.Grant) -> None:
        now = self.clock.now
        self.world.checks.granted(self, action)
        verdict = self.display.gate.grant(
            gateway.Grant(
                action.session, action.epoch, action.ticket, action.dtu, action.rfb_socket,
                now + action.ttl_ms / 1000,
            ),
            now,
        )  # fmt: skip
        if isinstance(verdict, gateway.Refused):
            self.world.note(self.name, f"the gate refused a grant: {verdict.reason}")
        else:
            self.display.close(verdict.close)

    def _verify(self, question: tuple[int, actions.Verify]) -> None:
        daemon, asked = question
        if self.core is not None and daemon == self.daemon:
            reply = Verified(asked.data, verify(asked))
            self.core.replied(asked.link, reply, self.clock.now)
            self.pump()

    def _look_up(self, question: tuple[int, actions.Lookup, bool]) -> None:
        daemon, lookup, failed = question
        if self.core is None or daemon != self.daemon:
            return
        found = None if failed else self.world.registry.get(lookup.token)
        self.core.looked_up(lookup.link, lookup.seq, found, self.clock.now, failed=failed)
        self.world.checks.looked_up(self.core, lookup.link)
        self.world.checks.believed(self, self.core, lookup.link)
        self.pump()

    def _send(self, out: Outgoing) -> None:
        net, world = self.world.net, self.world
        source = (str(self.ip), CONTROL_PORT)
        if out.interface:
            world.attacker.overheard(self.name, out.data)
            packet = (out.data, source, "broadcast")
            for other in world.hosts:
                if other is not self:
                    net.datagram(self.name, other.name, other.datagram, packet)
            return
        target: HostNode | DeskNode | None
        target = world.by_address.get(out.address) or world.desks_by_address.get(out.address)
        if target is not None:
            world.attacker.overheard(self.name, out.data)
            net.datagram(self.name, target.name, target.datagram, (out.data, source, "unicast"))
        elif out.address == str(world.attacker.ADDRESS):
            world.attacker.questioned(self, out.data)
