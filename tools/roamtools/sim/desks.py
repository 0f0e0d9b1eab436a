"""One simulated desk: the real Terminal, with its reader, its screen and its connections played."""

import random
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from dtu.core import actions, timing
from dtu.core.events import CardEvent, CardPresented, CardRemoved, CardUnreadable
from dtu.core.finder import Finder
from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import Addresses, Answer, Heard, Neighbours
from dtu.core.states import State
from dtu.core.terminal import Terminal
from roamtools.sim.cards import SimCard
from roamtools.sim.clock import Alarm
from roamtools.sim.hosts import CONTROL_PORT, FRAME
from roamtools.sim.plan import CARD_S
from roamtools.sim.stream import Stream
from roamwire.control import (
    Attach,
    Challenge,
    Insert,
    Line,
    Response,
    Server,
    encode_line,
    parse_line,
)
from roamwire.tokens import Token

if TYPE_CHECKING:
    from roamtools.sim.world import World

READER = "reader 0"
MDNS_WORKS = 0.5
"""Share of questions by multicast DNS that are answered at all."""


@dataclass
class Frame:
    """What is on the screen of a session; not `live` once its connection is closed (dimmed)."""

    session: str
    epoch: int
    live: bool = True


class DisplayEnd:
    """The desk's side of one display connection; it goes silent when it is replaced."""

    def __init__(self, desk: "DeskNode", order: actions.OpenDisplay) -> None:
        self.desk = desk
        self.order = order
        self.stream: Stream | None = None
        self.seen = False

    @property
    def current(self) -> bool:
        """Whether the desk still wants this connection."""
        return self.desk.display is self

    def opened(self, stream: Stream) -> None:
        """Show the ticket."""
        stream.send_up(encode_line(Attach(self.order.ticket)))

    def failed(self, stream: Stream, reason: str) -> None:
        """The connection could not be opened."""
        self.desk.display_lost(self, reason)

    def heard(self, stream: Stream, line: bytes) -> None:
        """`attached`, then the first frame."""
        if line == FRAME and self.current:
            self.seen = True
            self.desk.first_frame(self)

    def closed(self, stream: Stream, reason: str) -> None:
        """The gateway has ended it."""
        self.desk.display_lost(self, reason)

    def timed_out(self, _: None) -> None:
        """Neither picture nor refusal in time."""
        if self.current and not self.seen:
            self.desk.display_lost(self, "no frame in time")


class DeskNode:
    """One desk; `card` is the token in its reader, `card_at` when it came."""

    def __init__(self, world: "World", number: int, rng: random.Random) -> None:
        self.world = world
        self.clock = world.clock
        self.name = f"d{number}"
        self.ip = IPv4Address(f"10.0.{1 + number // 250}.{1 + number % 250}")
        self.rng = rng
        self.card: Token | None = None
        self.card_at = 0.0
        self.card_events = 0
        self.control: Stream | None = None
        self.display: DisplayEnd | None = None
        self.screen: Frame | None = None
        self.words = 0
        self.rogue = False
        self.chip: SimCard | None = None
        self.forged_seqs: set[int] = set()
        self._overheard: dict[Token, list[Response]] = {}
        self.last_line = b""
        self.unattached_since = self.clock.now
        self.no_picture_since = self.clock.now
        self.kept: tuple[Server, ...] = ()
        self._alarm = Alarm(self.clock, self._wake)
        self._leased = number % 3 != 0
        self.terminal = self._new_terminal()

    def _new_terminal(self) -> Terminal:
        """With the server list of the last run."""
        dns, mdns = self.rng.random() < 0.5, self.rng.random() < 0.5
        finder = Finder(self.name, self.rng, port=CONTROL_PORT, dns=dns, mdns=mdns)
        finder.remember(self.kept)
        return Terminal(self.name, (1280, 800), finder, self.rng)

    # Life

    def power_up(self, _: None = None) -> None:
        """Start; DHCP answers after a while."""
        self.clock.after(self.rng.uniform(0.05, 0.5), self.leased)
        if self.card is not None:
            self.reader(CardPresented(self.card, READER, self.clock.now))
        self.pump()

    def power_cycle(self) -> None:
        """The plug is pulled and put back: nothing is said to anybody."""
        if self.control is not None:
            self.control.vanish_desk()
        if self.display is not None and self.display.stream is not None:
            self.display.stream.vanish_desk()
        self.control = self.display = self.screen = None
        self.forged_seqs.clear()
        self.words = 0
        self._alarm = Alarm(self.clock, self._wake)
        self.terminal = self._new_terminal()
        self.power_up()

    def leased(self, _: None = None) -> None:
        """DHCP has an address, for some desks with the names of two servers."""
        chosen = self.rng.sample(self.world.hosts, min(2, len(self.world.hosts)))
        servers = tuple(str(host.ip) for host in chosen) if self._leased else ()
        lease = Lease("eth0", str(self.ip), 16, auth_servers=servers)
        self.terminal.address(lease, self.clock.now)
        self.pump()

    def lost_lease(self) -> None:
        """DHCP has taken the address back."""
        self.terminal.address(NoLease("eth0", "nak"), self.clock.now)
        self.pump()

    # Reader

    @property
    def forged(self) -> bool:
        """Whether the card that is in claims to be one whose key it has not."""
        return self.chip is not None and self.chip.forged

    def insert(self, chip: SimCard) -> None:
        """A card goes in."""
        token = chip.token
        self.chip, self.card, self.card_at = chip, token, self.clock.now
        self.card_events += 1
        self.no_picture_since = self.clock.now
        self.world.note(self.name, f"card {token} in")
        self.reader(CardPresented(token, READER, self.clock.now))

    def remove(self) -> None:
        """The card goes out: whatever was on the screen is gone when this returns."""
        self.card = self.chip = None
        self.card_events += 1
        self.world.note(self.name, "card out")
        self.reader(CardRemoved(READER, self.clock.now))

    def misread(self, reason: str) -> None:
        """A card that gives no number."""
        self.card = self.chip = None
        self.card_events += 1
        self.reader(CardUnreadable(READER, reason, self.clock.now))

    def reader(self, event: CardEvent) -> None:
        """Something happened at the reader."""
        self.terminal.card(event, self.clock.now)
        self.pump()

    # Control connection

    def _connect(self, action: actions.Connect) -> None:
        if self.control is not None and self.control.desk_open:
            self.world.checks.fail("one server", f"{self.name} connects to a second server")
        self.control = None
        host = self.world.by_address.get(action.server.address)
        if host is None:
            self.world.checks.stray(self, action.server)
            return
        self.control = Stream(self.world.net, self.name, self, host.control, action.attempt)
        self.control.connect()

    def _look_up(self, action: actions.Lookup) -> None:
        """DNS knows nothing; multicast DNS may know some hosts, whether they still run or not."""
        if not isinstance(action.question, Neighbours):
            self.clock.after(0.002, self._looked_up, (action.number, Addresses()))
        elif self.rng.random() < MDNS_WORKS:
            heard = [host for host in self.world.hosts if self.rng.random() < 0.5]
            answer = Heard(tuple(Server(h.name, str(h.ip), CONTROL_PORT) for h in heard))
            self.clock.after(self.rng.uniform(0.02, 0.3), self._looked_up, (action.number, answer))

    def _looked_up(self, told: tuple[int, Answer]) -> None:
        self.terminal.looked_up(*told, self.clock.now)
        self.pump()

    def opened(self, stream: Stream) -> None:
        """The control connection stands."""
        self.terminal.link_opened(stream.tag, stream.peer)
        self.pump()

    def failed(self, stream: Stream, reason: str) -> None:
        """The control connection could not be opened."""
        self.closed(stream, reason)

    def heard(self, stream: Stream, line: bytes) -> None:
        """A line of the server; an `alive` changes no deadline, so it ends here."""
        self.last_line = line
        if line.startswith(b"challenge"):
            delay = self.rng.uniform(CARD_S / 10, CARD_S)
            self.clock.after(delay, self._sign, (stream, parse_line(line), self.chip))
            return
        self.terminal.receive_line(stream.tag, line, self.clock.now)
        if not line.startswith(b"alive"):
            self.pump()

    def _sign(self, order: tuple[Stream, Line, SimCard | None]) -> None:
        """The card has thought about a challenge; it may be out meanwhile, and another one in."""
        stream, challenge, chip = order
        if chip is None or not isinstance(challenge, Challenge) or stream is not self.control:
            return
        kept = self._overheard.setdefault(chip.token, [])
        answer = chip.answer(challenge, stream.peer, self.name, kept, self.rng)
        if stream.desk_open:
            stream.send_up(encode_line(answer))

    def closed(self, stream: Stream, reason: str) -> None:
        """The control connection is gone."""
        if stream is self.control:
            self.control = None
        self.terminal.link_closed(stream.tag, reason, self.clock.now)
        self.pump()

    def datagram(self, packet: tuple[bytes, tuple[str, int], str]) -> None:
        """A datagram to this desk."""
        self.terminal.receive_datagram(packet[0], packet[1], self.clock.now)
        self.pump()

    # Display connection

    def _open_display(self, order: actions.OpenDisplay) -> None:
        self._close_display()
        self.world.checks.opening(self, order.session)
        end = self.display = DisplayEnd(self, order)
        host = self.world.by_address.get(order.address)
        if host is None:
            self.world.checks.fail("unsigned", f"{self.name} opens a display at {order.address}")
            return
        end.stream = Stream(self.world.net, self.name, end, host.display, order.epoch)
        end.stream.connect()
        self.clock.after(timing.DISPLAY_CONNECT_S, end.timed_out)
        self.world.attacker.ticket_seen(self, order)

    def _close_display(self) -> None:
        if self.display is not None and self.display.stream is not None:
            self.display.stream.leave()
        self.display = None
        if self.screen is not None:
            self.screen.live = False

    def first_frame(self, end: DisplayEnd) -> None:
        """The session's picture is on the screen."""
        self.screen = Frame(end.order.session, end.order.epoch)
        self.words = 0
        self.terminal.first_frame(end.order.session, end.order.epoch)
        self.world.checks.shown(self)
        self.world.attacker.ticket_used(self, end.order)
        self.pump()

    def display_lost(self, end: DisplayEnd, reason: str) -> None:
        """The display connection broke; one that is not wanted any more is not talked of."""
        if self.display is end:
            self._close_display()
            order = end.order
            self.terminal.display_lost(order.session, order.epoch, reason, self.clock.now)
            self.pump()

    # Out

    def _wake(self) -> None:
        self.terminal.handle_deadline(self.clock.now)
        self.pump()

    def pump(self) -> None:
        """Carry out what the terminal wants, then check it and set the alarm."""
        terminal = self.terminal
        checked = True
        while (action := terminal.next_action()) is not None:
            if isinstance(action, actions.SendLine):
                self._send(action)
            else:
                self._act(action)
                checked = False
        if not checked:
            self.world.checks.desk_step(self)
        self._alarm.set(terminal.next_deadline())

    def _send(self, action: actions.SendLine) -> None:
        stream = self.control
        if stream is None or stream.tag != action.attempt or not stream.desk_open:
            return
        line = action.line
        if self.forged and line.startswith(b"insert"):
            insert = parse_line(line)
            self.forged_seqs |= {insert.seq} if isinstance(insert, Insert) else set()
        if self.rogue and line.startswith(b"insert"):
            line = self.world.attacker.tampered(self, line)
        stream.send_up(line)

    def _act(self, action: actions.Action) -> None:
        if isinstance(action, actions.Connect):
            self._connect(action)
        elif isinstance(action, actions.Hangup):
            if self.control is not None and self.control.tag == action.attempt:
                self.world.checks.leaving(self, self.control)
                self.control.leave()
                self.control = None
        elif isinstance(action, actions.OpenDisplay):
            self._open_display(action)
        elif isinstance(action, actions.CloseDisplay):
            self._close_display()
        elif isinstance(action, actions.Blank):
            self.screen = None
        elif isinstance(action, actions.Show):
            self.words = action.message.code
        elif isinstance(action, actions.RememberServers):
            self.kept = action.servers
        elif isinstance(action, actions.Broadcast):
            self._broadcast(action.data)
        elif isinstance(action, actions.Lookup):
            self._look_up(action)
        elif isinstance(action, actions.Report):
            self.world.note(self.name, action.text)

    def _broadcast(self, data: bytes) -> None:
        source = (str(self.ip), 40000)
        for host in self.world.hosts:
            self.world.net.datagram(
                self.name, host.name, host.datagram, (data, source, "broadcast")
            )
        self.world.attacker.asked(self, data)

    # What others want to know

    @property
    def attached(self) -> bool:
        """Whether a living server has this desk, and the desk knows it."""
        stream = self.control
        return stream is not None and stream.host_open and self.terminal.state is State.CONNECTED

    @property
    def live(self) -> Frame | None:
        """The session that is moving on the screen."""
        return self.screen if self.screen is not None and self.screen.live else None
