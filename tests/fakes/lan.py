"""Servers and desks on one Ethernet in memory, on a clock that jumps. No socket, no real time.

A machine is anything with the five methods of DESIGN section 3: a GroupManager or a ServerCore.
"""

import random
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from roamtools.sim.cards import verify
from roamwire.control import (
    Answer,
    Ask,
    Cause,
    Challenge,
    Hello,
    Insert,
    Redirect,
    encode_line,
    parse_line,
)
from roamwire.datagrams import Interface, parse_datagram
from roamwire.signing import GroupSecrets
from roamwire.tokens import Token
from sessionhost.core.actions import (
    CheckPassword,
    Close,
    Lookup,
    PasswordResult,
    Register,
    Send,
    StartSession,
    Verify,
)
from sessionhost.core.announcing import Standing
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import TokenAsked
from sessionhost.core.registration import Registration
from sessionhost.core.replies import PasswordChecked, Registered, Verified
from sessionhost.core.server import DEFAULT_POLICY, ServerCore
from sessionhost.core.timing import PROFILES

SECRETS = GroupSecrets(b"0123456789abcdef")
STRANGER = GroupSecrets(b"not the group's secret")
ALICE, BOB = Token("uid", "04a1"), Token("uid", "04b0")
GROUP_PORT = 7009
MAX_CALLS = 200  # of one machine at one moment; more is a busy loop


def interface(address, name="eth0", bits=24):
    """An interface with that address in a network of so many bits."""
    mask = 2**32 - 2 ** (32 - bits)
    ip = IPv4Address(address)
    return Interface(name, ip, IPv4Address(mask), IPv4Address(int(ip) | ~mask & 2**32 - 1))


class Talker(GroupManager):
    """A group manager whose program answers proofs ("are you this boot?") by itself."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.kept = []

    def answer_proofs(self):
        """Answer proofs, keep all other events."""
        while (event := self.next_event()) is not None:
            if isinstance(event, TokenAsked) and not event.digest:
                self.answer(event, (), "", pending=False, home="")
            else:
                self.kept.append(event)


def manager(name, address, secrets=SECRETS, profile="fast", seed=None, **options):
    """A group manager with one interface."""
    standing = Standing(name, cpus=4, interfaces=(interface(address),))
    rng = random.Random(f"{name} {seed}")
    return Talker(standing, secrets, PROFILES[profile], rng, **options)


@dataclass
class Node:
    """A machine on the network; `cut`: its link is silent; `up` False: it is not running."""

    name: str
    address: str
    machine: object
    up: bool = True
    cut: bool = False


class Lan:
    """Carries datagrams at once; `lose(sender, receiver, data)` may say that one is lost."""

    def __init__(self, now=1000.0):
        self.now = now
        self.nodes = {}
        self.sent = []
        self.lose = lambda _sender, _receiver, _data: False
        self.refuse = False  # whether the kernel of a host that does not run refuses datagrams

    def join(self, name, machine, address):
        """Plug a machine in (again: a new start of that host)."""
        self.nodes[name] = Node(name, address, machine)
        return machine

    def manager(self, name, **options):
        """Plug in a group manager; its address follows from its number."""
        address = f"10.0.0.{name.lstrip('s')}"
        return self.join(name, manager(name, address, **options), address)

    def deliver(self):
        """Carry what is to be carried, and what follows from it, at this moment."""
        moved = True
        while moved:
            moved = False
            for node in self._running():
                self.after(node)
                for out in node.machine.datagrams_to_send(self.now):
                    self.sent.append((self.now, node.name, out))
                    moved = True
                    if not node.cut:
                        self._carry(node, out)
        for node in self._running():
            self.after(node)

    def _carry(self, sender, out):
        broadcast = out.address.endswith(".255")
        for node in self._running():
            if node is sender and not broadcast:
                continue
            if not broadcast and node.address != out.address:
                continue
            if not node.cut and not self.lose(sender.name, node.name, out.data):
                way = "broadcast" if broadcast else "unicast"
                source = (sender.address, GROUP_PORT)
                node.machine.receive_datagram(out.data, source, "eth0", self.now, way)
                self.after(node)
        for node in self.nodes.values():
            if node.address == out.address and not node.up and self.refuse:
                sender.machine.refused(out.address, self.now)

    def after(self, node):
        """What the program does with a machine's events (for servers: with its actions)."""
        node.machine.answer_proofs()

    def _running(self):
        return [node for node in self.nodes.values() if node.up]

    def due(self):
        """When something is to happen next."""
        return min(node.machine.next_deadline() for node in self._running())

    def happen(self):
        """Let everything happen that is due at this moment."""
        for node in self._running():
            calls = 0
            while node.machine.next_deadline() <= self.now:
                node.machine.handle_deadline(self.now)
                calls += 1
                assert calls < MAX_CALLS, f"{node.name} is busy for nothing"
                self.deliver()
        self.deliver()

    def run(self, seconds):
        """Let time pass, from deadline to deadline."""
        end = self.now + seconds
        self.happen()
        while (due := self.due()) <= end:
            self.now = max(self.now, due)
            self.happen()
        self.now = end

    def datagrams(self, kind, since=0.0):
        """Messages of that class sent by anyone: (time, sender, message)."""
        found = []
        for at, sender, out in self.sent:
            message = parse_datagram(SECRETS.verify(out.data).body)
            if isinstance(message, kind) and at >= since:
                found.append((at, sender, message))
        return found


def events(machine):
    """All events that wait in a group manager, but for proofs: those are answered."""
    machine.answer_proofs()
    found, machine.kept = machine.kept, []
    return found


def live(machine):
    """Names of the trusted hosts that are up."""
    return [record.host for record in machine.topology.live()]


@dataclass
class Desk:
    """A terminal that does what the test says; `lines` is all that it was told."""

    site: "Site"
    name: str
    address: str
    server: str = ""
    link: int = 0
    seq: int = 0
    lines: list = field(default_factory=list)
    closed: bool = False

    def connect(self, server, hello=True):
        """Connect to that server and say hello; what was connected before is closed."""
        self.hang_up()
        self.server, self.closed = server, False
        self.link = self.site.new_link(self)
        core = self.site.core(server)
        core.link_opened(self.link, self.name, IPv4Address(self.address), self.site.now)
        self.site.deliver()
        if hello:
            self.say(Hello(self.name, width=1280, height=800))

    def hang_up(self):
        """Close the connection."""
        if self.link and self.site.nodes[self.server].up:
            self.site.core(self.server).link_closed(self.link, self.site.now)
        self.link = 0
        self.site.deliver()

    def say(self, message):
        """Send a line."""
        self.say_bytes(encode_line(message).rstrip(b"\n"))

    def say_bytes(self, data):
        """Send bytes as a line."""
        self.site.core(self.server).receive_line(self.link, data, self.site.now)
        self.site.deliver()

    def sign(self, card, **changes):
        """Let that card answer the last challenge, with some fields of the answer changed."""
        challenge = self.told(Challenge)[-1]
        answer = card.answer(challenge, self.server, self.name, [], random.Random(1))
        self.say(replace(answer, **changes))

    def type(self, password, user="", **fields):
        """Let the person answer the last question."""
        self.say(Answer(self.told(Ask)[-1].seq, user, password, **fields))

    def insert(self, token=ALICE, cause=Cause.INSERT, ticket="", lost=""):
        """Put a card in; returns the number of this event."""
        self.seq += 1
        self.say(Insert(token, cause, self.seq, ticket, lost))
        return self.seq

    def told(self, kind):
        """All lines of that class."""
        return [line for line in self.lines if isinstance(line, kind)]

    def follow(self, token=ALICE):
        """Do what the last redirect says."""
        to = self.told(Redirect)[-1]
        self.lines.clear()
        self.connect(to.host)
        return self.insert(token, Cause.REDIRECT, to.ticket)


class Site(Lan):
    """A group of whole servers: registry and launcher answer, everything done is written down."""

    def __init__(self, *names, seed=1, start_s=0.2, policy=DEFAULT_POLICY):
        super().__init__()
        self.start_s = start_s
        self.policy = policy
        self.readers = set()
        self.passwords = {}
        self.facts = {}
        self.hold_replies = False
        self.replies = []
        self.seed = seed
        self.registry = {ALICE: Registration("alice", True), BOB: Registration("bob", True)}
        self.own_registries = {}  # of servers that have another one, by name
        self.hold_lookups = False
        self.registry_fails = False
        self.lookups = []
        self.done = []
        self._links = {}
        self._desks = 0
        self._starting = []
        for name in names:
            self.boot(name)

    def boot(self, name, secrets=SECRETS, **standing):
        """Start a server, or start it again after a crash."""
        self.seed += 1
        address = f"10.0.0.{name.lstrip('s')}"
        group = manager(name, address, secrets, seed=self.seed)
        for key, value in standing.items():
            setattr(group.standing, key, value)
        core = ServerCore(
            group,
            random.Random(f"{name}{self.seed}"),
            recipe="desktop",
            display_port=7010,
            policy=self.policy,
        )
        return self.join(name, core, address)

    def core(self, name):
        """The ServerCore of that name."""
        return self.nodes[name].machine

    def desk(self, server="", address=None):
        """A new desk, connected to that server."""
        self._desks += 1
        desk = Desk(self, f"desk{self._desks}", address or f"10.0.0.{100 + self._desks}")
        if server:
            desk.connect(server)
        return desk

    def new_link(self, desk):
        """A number for a desk's new connection."""
        number = len(self._links) + 1
        self._links[number] = desk
        return number

    def kill(self, name):
        """The server is gone without a word; its desks notice."""
        self.nodes[name].up = False
        for number, desk in self._links.items():
            if desk.link == number and desk.server == name:
                desk.link = 0

    def after(self, node):
        core = node.machine
        while (action := core.next_action()) is not None:
            self.done.append((node.name, action))
            if isinstance(action, Send):
                self._tell(action)
            elif isinstance(action, Close):
                self._links[action.link].closed = True
                if self._links[action.link].link == action.link:
                    self._links[action.link].link = 0
            elif isinstance(action, Lookup):
                self.lookups.append((core, action))
                if not self.hold_lookups:
                    self.answer_lookups()
            elif isinstance(action, Verify | CheckPassword | Register):
                self.replies.append((core, action.link, self._reply(action)))
                if not self.hold_replies:
                    self.answer_replies()
            elif isinstance(action, StartSession) and self.start_s is not None:
                self._starting.append((self.now + self.start_s, node.name, action.session))

    def _reply(self, action):
        """What the verifier, PAM or the registry says; `facts` are by public key, or the same."""
        if isinstance(action, Verify):
            facts = verify(action)
            return Verified(action.data, replace(facts, **self.facts.get(facts.key, {})))
        if isinstance(action, CheckPassword):
            result = self.passwords.get((action.user, action.password), PasswordResult.WRONG)
            return PasswordChecked(action.number, action.user, result)
        if action.token in self.registry:
            return Registered(action.seq, "it belongs to somebody already")
        self.registry[action.token] = Registration(action.user, True, person_key=action.person_key)
        return Registered(action.seq)

    def answer_replies(self):
        """What was held back comes in."""
        while self.replies:
            core, link, reply = self.replies.pop(0)
            core.replied(link, reply, self.now)

    def _tell(self, action):
        desk = self._links[action.link]
        if desk.link == action.link:
            desk.lines.append(parse_line(action.line))

    def answer_lookups(self):
        """The registry answers what it was asked."""
        while self.lookups:
            core, asked = self.lookups.pop(0)
            registry = self.own_registries.get(core.group.standing.host, self.registry)
            found = None if self.registry_fails else registry.get(asked.token)
            core.looked_up(
                asked.link,
                asked.seq,
                found,
                self.now,
                failed=self.registry_fails,
                reader=asked.dtu in self.readers,
            )

    def due(self):
        return min([super().due(), *(at for at, _, _ in self._starting)])

    def happen(self):
        for each in [each for each in self._starting if each[0] <= self.now]:
            self._starting.remove(each)
            if self.nodes[each[1]].up:
                self.core(each[1]).session_ready(each[2], f"/run/{each[2]}", self.now)
        super().happen()

    def actions(self, kind, server=None):
        """Actions of that class, of one server or of all."""
        return [
            action
            for name, action in self.done
            if isinstance(action, kind) and server in (None, name)
        ]

    def sessions(self):
        """(server, session, desk that shows it or None) of all servers."""
        return [
            (node.name, each.session, each.attachment.dtu if each.attachment else None)
            for node in self._running()
            for each in node.machine.sessions
        ]
