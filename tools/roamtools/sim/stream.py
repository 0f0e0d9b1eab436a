"""A TCP-like connection between a desk and a port of a host: in order, reliable, silent when cut.

Up is from desk to host. What passes is whole lines; TLS costs time only. A process that dies resets
its connections, a machine that loses power does not.
"""

import enum
from typing import Protocol

from roamtools.sim.network import Network

TLS_S = 0.004
"""Processor time of a handshake on both sides together."""


class Mark(enum.Enum):
    """What passes besides lines."""

    OPEN = "open"
    END = "end"
    RESET = "reset"


Payload = bytes | Mark


class DeskEnd(Protocol):
    """The desk's side of a connection."""

    def opened(self, stream: "Stream") -> None:
        """The handshake is done."""

    def failed(self, stream: "Stream", reason: str) -> None:
        """The connection could not be opened."""

    def heard(self, stream: "Stream", line: bytes) -> None:
        """A line has come."""

    def closed(self, stream: "Stream", reason: str) -> None:
        """The other side has ended or reset it."""


class HostEnd(Protocol):
    """The side of a listening process; `generation` changes with every start of it."""

    @property
    def node(self) -> str:
        """The host's name in the network."""

    @property
    def generation(self) -> int:
        """Number of the process that listens now; 0: none, -1: the machine has no power."""

    def accepted(self, stream: "Stream") -> None:
        """A desk has connected."""

    def heard(self, stream: "Stream", line: bytes) -> None:
        """A line has come."""

    def closed(self, stream: "Stream") -> None:
        """The desk has ended the connection, or it was reset."""


class Stream:
    """One connection; `tag` is the desk's own number for it, `link` the host's."""

    __slots__ = (
        "desk", "desk_open", "generation", "host", "host_open", "last_down", "last_up", "left_at",
        "link", "net", "node", "peer", "tag", "waiting_down", "waiting_up",
    )  # fmt: skip

    def __init__(self, net: Network, node: str, desk: DeskEnd, host: HostEnd, tag: int) -> None:
        self.net = net
        self.node = node
        self.desk = desk
        self.host = host
        self.peer = host.node
        self.tag = tag
        self.link = 0
        self.generation = 0
        self.desk_open = True
        self.host_open = False
        self.left_at: float | None = None
        self.last_up = self.last_down = 0.0
        self.waiting_up: list[Payload] = []
        self.waiting_down: list[Payload] = []

    # Opening

    def connect(self) -> None:
        """Start the handshake; nothing at all happens if the path is closed or a packet lost."""
        net = self.net
        if not net.both_ways(self.node, self.peer) or net.lost(self.node, self.peer):
            return
        net.clock.after(net.poor_delay(self.node, self.peer), self._called)

    def _called(self, _: None) -> None:
        net = self.net
        generation = self.host.generation
        if generation < 0 or not net.both_ways(self.node, self.peer):
            return
        back = net.poor_delay(self.peer, self.node)
        if generation == 0:
            net.clock.after(back, self._refused)
            return
        self.generation = generation
        there = net.stream_delay(self.node, self.peer)
        net.clock.after(back + there + net.delay() + TLS_S, self._established)

    def _refused(self, _: None) -> None:
        if self.desk_open:
            self.desk_open = False
            self.desk.failed(self, "refused")

    def _established(self, _: None) -> None:
        if not self.desk_open or not self.net.both_ways(self.node, self.peer):
            return
        if self.host.generation != self.generation:
            if self.host.generation >= 0:
                self._refused(None)
            return
        self.send_up(Mark.OPEN)
        self.desk.opened(self)

    # Desk to host

    def send_up(self, payload: Payload) -> None:
        """Send to the host, after all that was sent before."""
        net = self.net
        if net.calm and not self.waiting_up:
            when = net.clock.now + net.delay()
        elif self.waiting_up or not net.passes(self.node, self.peer):
            if not self.waiting_up:
                net.wait(self._resume_up)
            self.waiting_up.append(payload)
            return
        else:
            when = net.clock.now + net.stream_delay(self.node, self.peer)
        if when <= self.last_up:
            when = self.last_up + 1e-7
        self.last_up = when
        net.clock.at(when, self._arrive_up, payload)

    def _resume_up(self, _: None) -> None:
        waiting, self.waiting_up = self.waiting_up, []
        for payload in waiting:
            self.send_up(payload)

    def _arrive_up(self, payload: Payload) -> None:
        if self.host_open:
            if isinstance(payload, bytes):
                self.host.heard(self, payload)
            else:
                self.host_open = False
                self.host.closed(self)
        elif payload is Mark.OPEN and self.host.generation == self.generation:
            self.host_open = True
            self.host.accepted(self)
        elif payload is not Mark.RESET and self.host.generation >= 0:
            self._reset_down()

    def _reset_down(self) -> None:
        # A reset is sent once and is lost if the path is closed.
        if self.net.passes(self.peer, self.node):
            self._send_down_now(Mark.RESET)

    def leave(self) -> None:
        """The desk ends the connection, after what it has sent."""
        if self.desk_open:
            self.desk_open = False
            self.left_at = self.net.clock.now
            self.send_up(Mark.END)

    def vanish_desk(self) -> None:
        """The desk has lost power: it says nothing any more."""
        self.desk_open = False
        self.left_at = self.net.clock.now
        self.waiting_up.clear()

    # Host to desk

    def send_down(self, payload: Payload) -> None:
        """Send to the desk, after all that was sent before."""
        net = self.net
        if (net.calm or net.passes(self.peer, self.node)) and not self.waiting_down:
            self._send_down_now(payload)
            return
        if not self.waiting_down:
            net.wait(self._resume_down)
        self.waiting_down.append(payload)

    def _send_down_now(self, payload: Payload) -> None:
        net = self.net
        delay = net.delay() if net.calm else net.stream_delay(self.peer, self.node)
        when = net.clock.now + delay
        if when <= self.last_down:
            when = self.last_down + 1e-7
        self.last_down = when
        net.clock.at(when, self._arrive_down, payload)

    def _resume_down(self, _: None) -> None:
        waiting, self.waiting_down = self.waiting_down, []
        for payload in waiting:
            self.send_down(payload)

    def _arrive_down(self, payload: Payload) -> None:
        if not self.desk_open:
            if payload is not Mark.RESET and self.host_open:
                self.send_up(Mark.RESET)
        elif isinstance(payload, bytes):
            self.desk.heard(self, payload)
        else:
            self.desk_open = False
            self.left_at = self.net.clock.now
            self.desk.closed(self, payload.value)

    def hang_up(self, mark: Mark = Mark.END) -> None:
        """The host's process ends the connection, or dies and its kernel resets it."""
        if self.host_open:
            self.host_open = False
            if mark is Mark.RESET:
                self._reset_down()
            else:
                self.send_down(mark)

    def vanish_host(self) -> None:
        """The host has lost power."""
        self.host_open = False
        self.waiting_down.clear()
