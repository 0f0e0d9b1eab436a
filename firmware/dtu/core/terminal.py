"""The terminal as one machine without I/O: address, server, card, session (patent steps 901-910).

    901 power up      902 connect            903 hear from it    904 is it there?   905 it is
    906 it is not     907 listen for others  908 is one there?   909 not yet        910 it is

In: lease, card events, lines, datagrams, what became of connections, wishes from the menu, and the
time. Out: actions and the next deadline.
"""

import random
from collections import Counter
from dataclasses import replace

from dtu.core import catalogue, story, timing
from dtu.core.actions import (
    Action,
    Blank,
    CloseDisplay,
    Connect,
    Hangup,
    Offered,
    OpenDisplay,
    RememberServers,
)
from dtu.core.events import CardEvent, CardPresented, CardRemoved, ReaderReady
from dtu.core.finder import Finder
from dtu.core.heartbeat import Heartbeat
from dtu.core.lease import NoLease
from dtu.core.lookups import Answer
from dtu.core.network import AddressEvent
from dtu.core.presence import Presence
from dtu.core.refusals import Refused
from dtu.core.search import Search
from dtu.core.states import TRANSITIONS, State, Step
from dtu.core.wishes import Wishes
from dtu.core.words import Message
from roamwire import control
from roamwire.control import Server
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token

_Answer = control.Connect | control.Redirect | control.Notice | control.Sessions


class Terminal(Wishes):
    """One DTU. Every `now` is CLOCK_MONOTONIC in seconds."""

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        finder: Finder,
        rng: random.Random,
        *,
        language: str = "en",
        keyboard: str = "",
    ) -> None:
        super().__init__(name, Presence(rng))
        self.server: Server | None = None
        self.epoch = 0
        self.server_version = ""
        self.dropped: Counter[str] = Counter()
        self._hello = control.Hello(name, "1", *size, language, keyboard)
        self._heartbeat = Heartbeat()
        self._search = Search(finder, rng)
        self._fail_at: float | None = None
        self._return_until = 0.0
        self._asked_to_wait = False
        self._show()

    @property
    def token(self) -> Token | None:
        """The token of the card that is in."""
        return self._card.token

    @property
    def latency_s(self) -> float | None:
        """From the last answered keepalive to its answer; None without one."""
        return self._heartbeat.latency_s

    # States

    def _move(self, step: Step) -> None:
        target = TRANSITIONS.get((self.state, step))
        if target is None:
            raise LocalProtocolError(f"{step.value} while {self.state.value}")
        self.state = target

    def screen_changed(self, size: tuple[int, int]) -> None:
        """The screen has another size in pixels; servers are told at the next connection."""
        self._hello = replace(self._hello, width=size[0], height=size[1])

    def address(self, event: AddressEvent, now: float) -> None:
        """DHCP or a router gave an address, renewed it or took it away."""
        news, moved = self._search.address(event, self.server)
        if isinstance(event, NoLease):
            leased = event.reason != "leasefail"
            self._face.no_address = catalogue.POWERED_UP if leased else catalogue.NO_ADDRESS
            self._report(f"no address on {event.interface}: {event.reason}")
        if self._search.network.usable:
            self._addressed(news, moved, now)
        else:
            self._move(Step.NO_ADDRESS)
            if self.state is State.NO_ADDRESS:
                self._drop_attempt()
                self._search.at = None
                self._return_until = 0.0
                self._leave_session()
        self._show()

    def _addressed(self, news: bool, moved: bool, now: float) -> None:
        fresh = self.state is State.NO_ADDRESS
        self._move(Step.ADDRESS)
        if news:
            self._report(f"network: {self._search.network.hints}")
        if self.state is State.SEEKING and (fresh or news):
            self._search.again(now)
        elif self.state is State.CONNECTED and moved:
            self._report(f"our address changed: going back to {self._where()}")
            self._await_return(timing.CRASH_RETURN_S, now, asked=True)

    def cable(self, plugged: bool, now: float) -> None:
        """The network cable was put in or pulled out; a lost server shows by its silence."""
        self._search.network.plugged = plugged
        self._face.unplugged = not plugged
        if plugged and self.state is State.SEEKING:
            self._search.again(now)
        self._show()

    # The control connection

    def _connect(self, server: Server, now: float) -> None:
        self._out.attempt += 1
        self.server = server
        self._search.at = None
        self._fail_at = now + timing.CONNECT_S
        self._out.put(Connect(self._out.attempt, server))

    def _drop_attempt(self) -> None:
        self._out.put(Hangup(self._out.attempt))
        self._out.attempt += 1
        self._fail_at = None
        self.proving.stop()
        self._card.answered()
        self._heartbeat.stop()

    def link_opened(self, attempt: int, server: str) -> None:
        """The connection of that attempt stands, to who has this name by its certificate."""
        if attempt == self._out.attempt and self.state is State.CONNECTING:
            self.proving.server = server
            self._send(self._hello)

    def link_closed(self, attempt: int, reason: str | Refused, now: float) -> None:
        """The connection of that attempt could not be opened, or is gone."""
        if attempt != self._out.attempt:
            return
        if self.state is State.CONNECTING:
            self._candidate_failed(reason, now)
        elif self.state is State.CONNECTED and self.session and self._face.picture:
            # The gateway is a process of its own: while it shows the session, the server lives,
            # and only the daemon that we talk to has gone. If all is dead, `display_lost` follows.
            self._report(f"server {self._where()} closed the control connection: {reason}")
            self._await_return(timing.CRASH_RETURN_S, now, asked=False)
        elif self.state is State.CONNECTED:
            self._server_lost(reason, now)

    def _candidate_failed(self, reason: str | Refused, now: float) -> None:
        where = self._where()
        self._drop_attempt()
        self._move(Step.FAILED)
        if now < self._return_until:
            self._search.at = now + timing.RETURN_RETRY_S
            return
        self._report(f"server {where} failed: {reason}")
        self._search.refusals.tried(reason)
        if self._card.ticket:
            # The redirection leads nowhere: ask any other server, and name the one that fails.
            self._card.failed_over(self._search.lost(self.server, now))
        self._search.at = now
        self._show()

    def _server_lost(self, reason: str | Refused, now: float) -> None:
        """Patent step 906; also when the server that was expected back is given up."""
        self._report(f"server {self._where()} lost: {reason}")
        self._return_until = 0.0
        self._drop_attempt()
        if self.state is not State.SEEKING:
            self._move(Step.FAILED if self.state is State.CONNECTING else Step.LOST)
        self._leave_session()
        self._card.failed_over(self._search.lost(self.server, now))
        if not self._search.network.usable:
            self._move(Step.NO_ADDRESS)
            self._search.at = None
        self._show()

    def _await_return(self, wait_s: float, now: float, *, asked: bool) -> None:
        """The same server is expected back: its display may go on meanwhile."""
        self._drop_attempt()
        self._move(Step.RESTART)
        self._card.failed_over("")
        self._asked_to_wait = asked
        self._return_until = now + min(wait_s, timing.MAX_RETURN_S)
        self._search.at = now + timing.RETURN_RETRY_S

    def _where(self) -> str:
        return story.server(self.server)

    def receive_line(self, attempt: int, data: bytes, now: float) -> None:
        """One line of the server; what is wrong with it is counted and dropped."""
        if attempt != self._out.attempt:
            return
        self._heartbeat.heard(now)
        try:
            line = control.parse_line(data)
            if self._face.revoked_by(line):  # the server closes the connection next
                self._wipe()
            elif isinstance(line, control.Welcome) and self.state is State.CONNECTING:
                self._welcome(line, now)
            elif self.state is State.CONNECTED:
                self._dispatch(line, now)
            else:
                raise RemoteProtocolError("state", "a line before welcome")
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1

    def _welcome(self, line: control.Welcome, now: float) -> None:
        """Patent steps 902, 910: a server has us."""
        self._move(Step.WELCOME)
        if self.server is not None:
            self.server = Server(line.host, self.server.address, self.server.port)
            self._search.found(self.server)
        self.server_version = line.version
        self._heartbeat.start(line.keepalive_ms, line.lost_ms, now)
        self._fail_at = None
        self._return_until = 0.0
        if self._card.token is None:
            self._card.lost = ""
        self._servers(line.servers)
        self._report(f"connected to {self._where()}")
        self._insert(now)
        self._show()

    def _servers(self, servers: tuple[Server, ...]) -> None:
        if self._search.remember(servers):
            self._out.put(RememberServers(servers))

    def _dispatch(self, line: control.Line, now: float) -> None:
        if isinstance(line, control.Alive):
            self._heartbeat.answered(line.n, now)
        elif isinstance(line, control.Servers | control.Welcome):
            self._servers(line.servers)
            self._show()
        elif isinstance(line, control.Disconnect):
            self._disconnected(line, now)
        elif isinstance(line, _Answer | control.Challenge | control.Ask):
            # An answer to a card event that is over is no answer, nor is one after the last word.
            mine = line.seq == self._card.seq and self._card.token is not None
            if mine and self._face.held is None:
                self._heed(line, now)
        else:
            raise RemoteProtocolError("state", f"{type(line).__name__} is not for terminals")

    # The card

    def card(self, event: CardEvent, now: float) -> None:
        """Something happened at a reader; only the one that holds our card can end the session."""
        if self._card.keeps_locked(event):
            self._report(f"{story.card(event)}: locked, and has not been out")
            self._face.reader_says(event, self._card)
            self._show()
            return
        if self._card.is_beside(event):
            self._report(f"{story.card(event)}, beside the card that is in")
            if self._card.signed_in:
                self._face.reader_says(event, self._card)
            return
        if isinstance(event, CardPresented):
            self._card_in(event, now)
        elif not isinstance(event, ReaderReady):
            self._card_out()
        self._face.reader_says(event, self._card)
        if not isinstance(event, CardPresented | CardRemoved):
            self._report(story.card(event))
        self._show()

    def _card_in(self, event: CardPresented, now: float) -> None:
        self._card_out()
        self._card.arrives(event)
        self._report(story.card(event))
        if self.state is State.CONNECTED:
            self._insert(now)

    def _card_out(self) -> None:
        if self._card.token is None:
            return
        self._wipe()
        self.proving.stop()
        self._card.leaves()
        self._report("card out")
        if self.state is State.CONNECTED:
            self._send(control.Remove(self._card.seq))

    def _wipe(self) -> None:
        """Nothing of a session may stay on a screen that has none, also not dimmed."""
        self._out.put(Blank())
        self._leave_session()
        self._face.wiped()

    def _insert(self, now: float) -> None:
        if self._face.held is None and (line := self._card.insert(now)) is not None:
            self._send(line)
            if not self.session:  # a crashed daemon came back: its picture is still there
                self._face.opening = catalogue.trusted(catalogue.OPENING, self._card.token)

    def _insert_due(self, now: float) -> None:
        """To be sent now, or again: the answer to the last one has not come."""
        unanswered = self._card.due()
        if self.state is not State.CONNECTED:
            return
        if unanswered >= timing.MAX_UNANSWERED_INSERTS_COUNT and not self.session:
            self._server_lost(f"no answer to {unanswered} requests", now)
        else:
            self._insert(now)

    def _heed(self, line: _Answer | control.Challenge | control.Ask, now: float) -> None:
        if isinstance(line, control.Challenge):
            self.proving.challenge(line, now)
        elif isinstance(line, control.Ask):
            self.proving.ask(line, now)
        else:
            self.proving.stop()
            self._answered(line, now)

    def _answered(self, line: _Answer, now: float) -> None:
        self._card.answered()
        if isinstance(line, control.Sessions):
            self._out.put(Offered(line.offers))
        elif isinstance(line, control.Connect):
            self._open_display(line)
        elif isinstance(line, control.Redirect):
            self._redirected(line, now)
        else:
            words = catalogue.trusted(catalogue.notice(line.code, line.text), self._card.token)
            if line.code == NoticeCode.STARTING:
                self._face.opening = words
            else:
                self._leave_session()
                if self._face.picture:
                    self._wipe()
                self._hold(words, now)
        self._show()

    def _open_display(self, line: control.Connect) -> None:
        if self.server is None:
            return
        self._leave_session()
        self._card.lost = ""
        self.session, self.epoch = line.session, line.epoch
        self._out.put(
            OpenDisplay(self.server.address, line.port, line.ticket, line.session, line.epoch)
        )

    def _redirected(self, line: control.Redirect, now: float) -> None:
        """Patent step 922: leave this server, insert at the other one with the ticket."""
        self._report(f"the session is at another server: going to {line.host} ({line.address})")
        self._leave_session()
        self._drop_attempt()
        self._move(Step.REDIRECTED)
        self._card.redirected(line.ticket)
        self._connect(Server(line.host, line.address, line.port), now)

    def _disconnected(self, line: control.Disconnect, now: float) -> None:
        if line.reason == DisconnectReason.RESTARTING.value:
            self._report(f"server {self._where()} restarts")
            self._await_return(line.retry_ms / 1000, now, asked=True)
        elif self._card.token is not None and line.seq == self._card.seq:
            self._leave_session()
            self._report(f"session {line.reason}: it is no longer shown here")
            if (held := catalogue.ended(line)) is not None:
                self._wipe()  # the session is not this desk's any more
                self._hold(held, now)
                if held == catalogue.ENDED:
                    self.leave()
            else:
                self._insert_later(catalogue.asked_again(line.reason), now)
        self._show()

    # The display

    def first_frame(self, session: str, epoch: int) -> None:
        """The session's first whole picture is on the screen."""
        if (session, epoch) == (self.session, self.epoch):
            self._face.first_frame()
            self._card.has_picture()

    def display_lost(self, session: str, epoch: int, reason: str, now: float) -> None:
        """The display connection broke while the server is there: ask for the session again."""
        if (session, epoch) != (self.session, self.epoch) or not session:
            return
        self._report(f"session {session}: the picture broke off: {reason}")
        self._leave_session()
        if self._return_until and not self._asked_to_wait:
            self._server_lost(f"both connections broke ({reason})", now)
        elif self.state is State.CONNECTED and self._card.waits_for_nothing:
            self._insert_later(catalogue.DISPLAY_LOST, now)
        self._show()

    def _insert_later(self, why: Message, now: float) -> None:
        self._face.opening = why
        self._card.insert_later(now)

    def _leave_session(self) -> None:
        if self.session:
            self._out.put(CloseDisplay())
            self.session, self.epoch = "", 0

    # Words

    def _show(self) -> None:
        self._face.refused = catalogue.refused(self._search.refusals.verdict)
        self._face.proving = self.proving.message
        if self.proving.takes_keys:
            # What a live session draws would cover the pad: a PIN must not be typed into it.
            self._leave_session()
        words = self._face.words(
            self.state, self._card, self.server, self.session, self._return_until > 0
        )
        if (show := self._face.show(words)) is not None:
            self._out.put(show)

    # Finding a server

    def receive_datagram(self, data: bytes, source: tuple[str, int], now: float) -> None:
        """A serverR to our serverQ (a hint: TLS proves the server)."""
        try:
            self._search.answered(data, now if self.state is State.SEEKING else None)
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1

    def looked_up(self, number: int, answer: Answer, now: float) -> None:
        """What became of a look-up; an empty answer if nothing did."""
        self._search.looked_up(number, answer, now if self.state is State.SEEKING else None)

    def _try_next(self, now: float) -> None:
        """Patent steps 907-909: the next candidate, or ask everybody and wait."""
        if now < self._return_until and self.server is not None:
            self._move(Step.TRY)
            self._connect(self.server, now)
            return
        if self._return_until:
            self._server_lost("it has not come back", now)
            return
        step = self._search.next(now)
        if isinstance(step, Server):
            self._move(Step.TRY)
            self._connect(step, now)
        else:
            self._out.put(step)
            if self._search.fruitless:  # the network is to blame: our session may be where it was
                self._card.lost = ""
        self._show()

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_deadline` is to be called next."""
        times = (
            *(self._search.at, self._fail_at, self._heartbeat.deadline),
            *(self._card.insert_at, self._card.held_until, self.proving.deadline),
        )
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Whatever is due."""
        if self._fail_at is not None and now >= self._fail_at:
            self._candidate_failed(f"no welcome within {timing.CONNECT_S} s", now)
        if self._search.at is not None and now >= self._search.at:
            self._search.at = None
            self._try_next(now)
        if self._heartbeat.deadline is not None and now >= self._heartbeat.deadline:
            self._keepalive(now)
        if self._card.insert_at is not None and now >= self._card.insert_at:
            self._insert_due(now)
        self.proving.handle_deadline(now)
        if self._card.held_until is not None and now >= self._card.held_until:
            self.leave()

    def _keepalive(self, now: float) -> None:
        """Patent steps 903-906."""
        if (number := self._heartbeat.beat(now)) is not None:
            self._send(control.Keepalive(number))
        else:
            self._server_lost(f"no answer for {self._heartbeat.lost_s:g} s", now)

    def next_action(self) -> Action | None:
        """The next thing to do, or None."""
        return self._out.take()
