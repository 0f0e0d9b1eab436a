"""A terminal on a bench: its actions are carried out on paper, its clock jumps."""

import random
from ipaddress import IPv4Address

from dtu.core.actions import Broadcast, Connect, Hangup, OpenDisplay, SendLine, Show
from dtu.core.events import CardPresented, CardRemoved
from dtu.core.finder import Finder
from dtu.core.lease import Lease, NoLease
from dtu.core.states import State
from dtu.core.terminal import Terminal
from roamwire import control
from roamwire.control import Server, encode_line, parse_line
from roamwire.datagrams import ServerR, encode_datagram, parse_datagram
from roamwire.tokens import Token

ALICE, BOB = Token("uid", "04a1"), Token("uid", "04b0")
READER = "reader 0"
MAX_CALLS = 100  # at one moment; more is a busy loop


class Bench:
    """One terminal; `done` is everything it wanted done since it was last cleared."""

    def __init__(self, seed=1, terminal=Terminal, dns=False):
        self.now = 100.0
        self.finder = Finder("desk1", random.Random(seed), port=7009, dns=dns, mdns=False)
        self.terminal = terminal("desk1", (1280, 800), self.finder, random.Random(seed))
        self.attempt = 0
        self.seq = 0
        self.done = []
        self.words = None
        self.act()

    def act(self):
        """Take the terminal's actions; returns the new ones."""
        fresh = []
        while (action := self.terminal.next_action()) is not None:
            fresh.append(action)
            if isinstance(action, Connect):
                self.attempt = action.attempt
            if isinstance(action, Show):
                self.words = action.message.code
            if isinstance(action, SendLine):
                line = parse_line(action.line)
                self.seq = getattr(line, "seq", self.seq)
        self.done += fresh
        return fresh

    def of(self, kind):
        """Actions of that class since `done` was cleared."""
        return [action for action in self.done if isinstance(action, kind)]

    def said(self, kind):
        """Lines of that class that it sent since `done` was cleared."""
        lines = [parse_line(action.line) for action in self.of(SendLine)]
        return [line for line in lines if isinstance(line, kind)]

    @property
    def state(self):
        """Where the terminal is."""
        return self.terminal.state

    # What happens to it

    def lease(self, *servers):
        """DHCP gives an address and names servers."""
        self.terminal.address(
            Lease("eth0", "10.0.0.99", 24, listed_servers=tuple(servers)), self.now
        )
        return self.act()

    def no_lease(self):
        """DHCP takes the address away."""
        self.terminal.address(NoLease("eth0", "deconfig"), self.now)
        return self.act()

    def opened(self, attempt=None):
        """The control connection stands."""
        self.terminal.link_opened(self.attempt if attempt is None else attempt, "s1")
        return self.act()

    def closed(self, reason="reset", attempt=None):
        """The control connection is gone, or was refused."""
        attempt = self.attempt if attempt is None else attempt
        self.terminal.link_closed(attempt, reason, self.now)
        return self.act()

    def server_dies(self):
        """All connections to the server break at once."""
        self.closed("reset by peer")
        self.terminal.display_lost(self.terminal.session, self.terminal.epoch, "reset", self.now)
        return self.act()

    def hear(self, message, attempt=None):
        """The server says that."""
        return self.hear_bytes(encode_line(message).rstrip(b"\n"), attempt)

    def hear_bytes(self, data, attempt=None):
        """The server says these bytes."""
        attempt = self.attempt if attempt is None else attempt
        self.terminal.receive_line(attempt, data, self.now)
        return self.act()

    def welcome(self, host="s1", *servers):
        """The connection stands and the server says welcome."""
        self.opened()
        return self.hear(control.Welcome(host, 500, 1500, tuple(servers)))

    def card_in(self, token=ALICE):
        """A card goes in."""
        return self.card(CardPresented(token, READER, self.now))

    def card_out(self):
        """The card comes out."""
        return self.card(CardRemoved(READER, self.now))

    def card(self, event):
        """Something happens at the reader."""
        self.terminal.card(event, self.now)
        return self.act()

    def picture(self):
        """The session that was opened last shows its first frame."""
        opened = self.of(OpenDisplay)[-1]
        self.terminal.first_frame(opened.session, opened.epoch)
        return self.act()

    def due(self):
        """Jump to the next deadline and handle it; returns what it led to."""
        self.now = max(self.now, self.terminal.next_deadline())
        self.terminal.handle_deadline(self.now)
        return self.act()

    def run(self, seconds):
        """Let time pass."""
        end, calls, at = self.now + seconds, 0, None
        while (due := self.terminal.next_deadline()) is not None and due <= end:
            calls = calls + 1 if at == due else 0
            assert calls < MAX_CALLS, "busy for nothing"
            at = due
            self.due()
        self.now = end

    def alive(self, seconds):
        """Let time pass while the server answers."""
        end = self.now + seconds
        while (due := self.terminal.next_deadline()) is not None and due <= end:
            self.due()
            self.hear(control.Alive(1))
        self.now = end


S1, S2, S3 = (Server(f"s{n}", f"10.0.0.{n}", 7009) for n in (1, 2, 3))


def bench_at(state, card=None, **options):
    """A terminal in that state, with a card in if one is named; `done` is empty."""
    bench = Bench(**options)
    if card is not None:
        bench.card_in(card)
    if state is not State.NO_ADDRESS:
        bench.lease(*(() if state is State.SEEKING else ["10.0.0.1"]))
        bench.due()
    if state in (State.CONNECTED, State.RETURNING):
        bench.welcome("s1", S1, S2)
    if state is State.RETURNING:
        bench.hear(control.Disconnect(bench.seq, "restarting", 5000))
    assert bench.state is state
    bench.done.clear()
    return bench


def in_session(card=ALICE, **options):
    """A terminal that shows Alice's session `a1`, epoch 1, at s1."""
    bench = bench_at(State.CONNECTED, card, **options)
    bench.hear(control.Connect(bench.seq, "a1", 1, "t1", 7010, "alice"))
    bench.picture()
    bench.done.clear()
    return bench


def open_links(actions):
    """Attempts that were begun and neither hung up nor replaced."""
    begun = set()
    for action in actions:
        if isinstance(action, Connect):
            begun.add(action.attempt)
        elif isinstance(action, Hangup):
            begun.discard(action.attempt)
    return begun


def targets(bench):
    return [action.server.address for action in bench.of(Connect)]


def answer(bench, address="10.0.0.7", **more):
    """A server answers the last serverQ."""
    question = parse_datagram(bench.of(Broadcast)[-1].data)
    message = ServerR(question.serverQ, "s7", IPv4Address(address), **more)
    bench.terminal.receive_datagram(encode_datagram(message), (address, 7009), bench.now)
    return bench.act()
