"""A session hosting server as one machine without I/O: group, links, sessions put together.

In: lines, datagrams, answers of registry and launcher, and the time. Out: actions, datagrams and
the next deadline. The daemon and the simulator both run this very class.
"""

import random
from collections import Counter, deque
from collections.abc import Iterable
from ipaddress import IPv4Address

from roamwire import tickets
from roamwire.control import (
    Alive,
    Cause,
    Connect,
    Disconnect,
    Hello,
    Insert,
    Keepalive,
    Line,
    Notice,
    Redirect,
    Remove,
    Servers,
    Welcome,
    encode_line,
    parse_line,
)
from roamwire.errors import RemoteProtocolError
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token
from sessionhost.core import timing
from sessionhost.core.actions import (
    Action,
    Close,
    Grant,
    Lookup,
    Remember,
    Report,
    Revoke,
    Send,
    StartSession,
    StopSession,
)
from sessionhost.core.authentication import refusal
from sessionhost.core.group import (
    GroupManager,
    HostDown,
    HostUp,
    NameClash,
    Outgoing,
    TokenAnswered,
    TokenAsked,
)
from sessionhost.core.insert import (
    AskAgain,
    ConnectHere,
    CreateHere,
    Decision,
    Here,
    RedirectTo,
    decide,
    decide_redirected,
)
from sessionhost.core.links import MAX_BAD_LINES, MAX_LINKS, Inserting, Link
from sessionhost.core.placement import Candidate
from sessionhost.core.registration import Registration
from sessionhost.core.sessions import MAX_SESSIONS, Session, SessionManager
from sessionhost.core.vouchers import Vouchers


class ServerCore:
    """One server. Every `now` is the same monotonic clock in seconds."""

    def __init__(
        self, group: GroupManager, rng: random.Random, *, recipe: str, display_port: int
    ) -> None:
        self.group = group
        self.sessions = SessionManager(rng)
        self.dropped: Counter[str] = Counter()
        self._rng = rng
        self._recipe = recipe
        self._display_port = display_port
        self._links: dict[int, Link] = {}
        self._asking: dict[str, int] = {}
        self._vouchers = Vouchers(rng)
        self._actions: deque[Action] = deque()
        self._check_links_at = 0.0
        self._know_others_at = 0.0
        self._restarting = False

    def terminals(self) -> list[dict[str, str]]:
        """The connected DTUs, for the status."""
        return [{"dtu": each.dtu, "address": str(each.address)} for each in self._links.values()]

    # Links

    def link_opened(self, link: int, dtu: str, address: IPv4Address, now: float) -> None:
        """A DTU has connected; `dtu` is the name in its certificate."""
        if len(self._links) >= MAX_LINKS:
            self._report(f"{dtu} refused: {MAX_LINKS} terminals are connected")
            self._actions.append(Close(link))
            return
        self._links[link] = Link(link, dtu, address, now, now)
        self.group.standing.dtus = len(self._links)

    def link_closed(self, link: int, now: float) -> None:
        """The connection is gone; the session goes on without a screen."""
        gone = self._links.pop(link, None)
        if gone is not None and not self._restarting:
            # A cut link is noticed late: the person was last here when the DTU was last heard.
            self._leave(gone, gone.last_heard)
            self.group.standing.dtus = len(self._links)

    def receive_line(self, link: int, data: bytes, now: float) -> None:
        """One line of a DTU; what is wrong is counted, and too much of it ends the connection."""
        here = self._links.get(link)
        if here is None:
            return
        here.last_heard = now
        try:
            self._dispatch(here, parse_line(data), now)
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1
            here.bad_lines += 1
            if here.bad_lines > MAX_BAD_LINES:
                self._hang_up(here, f"sent {here.bad_lines} bad lines, last: {error}", now)

    def _dispatch(self, link: Link, line: Line, now: float) -> None:
        if isinstance(line, Keepalive):
            self._send(link, Alive(line.n))
        elif isinstance(line, Hello):
            self._hello(link, line, now)
        elif link.hello is None:
            raise RemoteProtocolError("state", "a line before hello")
        elif isinstance(line, Insert):
            self._insert(link, line, now)
        elif isinstance(line, Remove):
            self._leave(link, now)
            self._report(f"card out at {link.dtu}")
        else:
            raise RemoteProtocolError("state", f"{type(line).__name__} is not for servers")

    def _hello(self, link: Link, line: Hello, now: float) -> None:
        link.hello = line
        servers = self.group.servers_for(link.address, now)
        host = self.group.standing.host
        welcome = Welcome(host, int(timing.KEEPALIVE_S * 1000), int(timing.LOST_S * 1000), servers)
        self._send(link, welcome)

    def _send(self, link: Link, line: Line) -> None:
        self._actions.append(Send(link.link, encode_line(line)))

    def _report(self, text: str) -> None:
        self._actions.append(Report(text))

    def _hang_up(self, link: Link, why: str, now: float) -> None:
        self._report(f"{link.dtu} {why}: connection closed")
        self._actions.append(Close(link.link))
        self.link_closed(link.link, now)

    def _leave(self, link: Link, now: float) -> None:
        """The link shows nothing from `now` on: card out, connection gone, or a new insert."""
        if link.inserting is not None:
            self._asking.pop(link.inserting.qid, None)
            link.inserting = None
        session = self.sessions.get(link.session)
        if session is not None and self.sessions.detach(session, link.epoch, now):
            self._actions.append(Revoke(session.session, link.epoch))
            self._actions.append(Remember(session.session, session.epoch, now))
        link.session, link.epoch = "", 0

    # Insert: patent steps 911-922

    def _insert(self, link: Link, line: Insert, now: float) -> None:
        self._leave(link, now)
        link.seq = line.seq
        link.inserting = Inserting(line.seq, line.token, line.cause, line.lost)
        if line.cause is Cause.REDIRECT:
            link.inserting.ticket = self._check_ticket(link, line, now)
        self._actions.append(Lookup(link.link, line.seq, line.token))

    def _check_ticket(self, link: Link, line: Insert, now: float) -> tickets.RedirectTicket | None:
        """Step 912: only a valid ticket makes a redirect; all else is an ordinary insert."""
        try:
            return self._vouchers.redeem_ticket(
                line.ticket,
                line.token,
                self.group.secrets,
                dtu=link.dtu,
                host=self.group.standing.host,
                now=now,
            )
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1
            self._report(f"redirect of {link.dtu} without a valid ticket ({error}): plain insert")
            return None

    def looked_up(
        self, link: int, seq: int, found: Registration | None, now: float, *, failed: bool = False
    ) -> None:
        """The registry's answer to a Lookup; `failed` if it could not answer at all."""
        here = self._links.get(link)
        if here is None or here.inserting is None or here.inserting.seq != seq:
            return
        inserting = here.inserting
        code = refusal(found, registry_failed=failed)
        if code is not None:
            here.inserting = None
            self._report(f"{inserting.token.kind} token at {here.dtu} refused: {code.name}")
            self._send(here, Notice(seq, int(code)))
            return
        inserting.registration = found
        if inserting.ticket is not None and self._settled_here(inserting, now):
            self._act(here, inserting, decide_redirected(self._here(inserting.token, now)), now)
            return
        self._ask(here, inserting, now)

    def _settled_here(self, inserting: Inserting, now: float) -> bool:
        """Whether a redirected token ends here: it has a session, or may get a new one."""
        has_session = bool(self.sessions.for_token(inserting.token))
        elsewhere = self._vouchers.home(inserting.token, now) or self.group.standing.closed
        return has_session or not elsewhere

    def _ask(self, link: Link, inserting: Inserting, now: float) -> None:
        """Steps 916, 917; in a flood of inserts a little later."""
        if self.group.busy:
            inserting.ask_at = now + timing.PENDING_RETRY_S
            return
        if now < self._know_others_at and not self.sessions.for_token(inserting.token):
            inserting.ask_at = self._know_others_at
            return
        inserting.ask_at = None
        digest = self.group.secrets.token_digest(inserting.token)
        inserting.qid = self.group.ask(digest, link.address, now, lost=inserting.lost)
        self._asking[inserting.qid] = link.link
        self._drain_group(now)

    def _here(self, token: Token, now: float) -> Here:
        own = self.group.standing
        me = Candidate(own.host, own.cpus, own.load, own.sessions, drain=own.closed)
        return Here(me, self.sessions.claims(token, now), self._vouchers.home(token, now))

    def _answered(self, event: TokenAnswered, now: float) -> None:
        """Steps 918-922."""
        link = self._links.get(self._asking.pop(event.qid, -1))
        if link is None or link.inserting is None or link.inserting.qid != event.qid:
            return
        inserting = link.inserting
        decision = decide(
            self._here(inserting.token, now),
            event.answers,
            hops=inserting.hops,
            rounds_left=inserting.rounds_left,
            lost=inserting.lost,
            reserved=self._vouchers.reserved(now),
            rng=self._rng,
        )
        if event.silent:
            self._report(f"no answer about a token from {', '.join(event.silent)}")
        self._act(link, inserting, decision, now)

    def _act(self, link: Link, inserting: Inserting, decision: Decision, now: float) -> None:
        if isinstance(decision, AskAgain):
            inserting.rounds_left -= 1
            inserting.ask_at = now + timing.PENDING_RETRY_S
            return
        link.inserting = None
        if isinstance(decision, RedirectTo):
            self._redirect(link, inserting, decision, now)
        elif isinstance(decision, ConnectHere):
            session = self.sessions.get(decision.session)
            if session is not None:
                self._attach(link, session, inserting, now)
        elif isinstance(decision, CreateHere):
            self._create(link, inserting, decision, now)

    def _redirect(self, link: Link, inserting: Inserting, to: RedirectTo, now: float) -> None:
        """Step 922: send the DTU away with a ticket that only the target can redeem."""
        own = self.group.standing
        digest = self.group.secrets.token_digest(inserting.token)
        ticket = tickets.RedirectTicket(
            own.host, link.dtu, digest, to.answer.host, to.answer.nonce, inserting.hops + 1
        )
        text = tickets.issue(ticket, self.group.secrets)
        self._vouchers.placed(inserting.token, to.answer.host, now)
        self._report(f"{link.dtu} redirected to {to.answer.host}: {to.why}")
        where = (to.answer.host, str(to.answer.address), to.answer.port)
        self._send(link, Redirect(inserting.seq, *where, text))

    def _create(self, link: Link, inserting: Inserting, why: CreateHere, now: float) -> None:
        """Step 915."""
        registration = inserting.registration
        if registration is None:
            return
        recipe = registration.recipe or self._recipe
        session = self.sessions.create(
            inserting.token, registration.user, recipe, now, now + timing.SESSION_START_S
        )
        if session is None:
            self._send(link, Notice(inserting.seq, int(NoticeCode.NO_SERVER_FREE)))
            return
        self._count_sessions()
        self._report(f"new session {session.session} of {session.user} here: {why.why}")
        self._send(link, Notice(inserting.seq, int(NoticeCode.STARTING)))
        self._attach(link, session, inserting, now)
        self._start(session)

    def _attach(self, link: Link, session: Session, inserting: Inserting, now: float) -> None:
        """Step 914: the newest insert wins; whoever showed the session before is told."""
        before = self.sessions.attach(session, link.link, link.dtu, now)
        link.session, link.epoch = session.session, session.epoch
        self._vouchers.forget_home(session.token)
        if before is not None:
            self._actions.append(Revoke(session.session, before.epoch))
            loser = self._links.get(before.link)
            if loser is not None and loser is not link:
                loser.session, loser.epoch = "", 0
                self._send(loser, Disconnect(loser.seq, DisconnectReason.TAKEN_OVER.value))
        self._report(
            f"session {session.session} of {session.user} shown at {link.dtu}, "
            f"epoch {session.epoch}, cause {inserting.cause.value}"
        )
        self._actions.append(Remember(session.session, session.epoch, now))
        if session.running:
            self._connect(link, session)

    def _connect(self, link: Link, session: Session) -> None:
        ticket = f"{self._rng.getrandbits(128):032x}"
        grant = Grant(session.session, session.epoch, ticket, link.dtu, session.rfb_socket)
        self._actions.append(grant)
        self._send(
            link,
            Connect(
                link.seq, session.session, session.epoch, ticket, self._display_port, session.user
            ),
        )

    # Sessions

    def recover(self, running: Iterable[Session], now: float) -> None:
        """What the launcher says is running: taken over; what is not there is gone or reordered."""
        listed = {session.session: session for session in running}
        for session in listed.values():
            self.sessions.adopt(session)
            self.session_ready(session.session, session.rfb_socket, now)
        for session in [each for each in self.sessions if each.session not in listed]:
            if session.running:
                self.session_gone(session.session, DisconnectReason.FAILED, now)
            else:
                self._start(session)
        self._count_sessions()
        self._know_others_at = self._know_others_at or now + timing.START_GRACE_S
        self.group.announce_soon(now)

    def _start(self, session: Session) -> None:
        link = self._links.get(session.attachment.link) if session.attachment else None
        width, height = link.size if link is not None else (0, 0)
        order = (session.session, session.user, session.token, session.recipe, width, height)
        self._actions.append(StartSession(*order))

    def session_ready(self, session: str, rfb_socket: str, now: float) -> None:
        """The session's X server answers."""
        here = self.sessions.get(session)
        if here is None or here.running:
            return
        here.rfb_socket, here.start_by = rfb_socket, None
        link = self._links.get(here.attachment.link) if here.attachment else None
        if link is not None and link.epoch == here.epoch and link.session == session:
            self._connect(link, here)

    def end_session(self, session: str) -> bool:
        """An administrator ends a session; False if there is none of that name."""
        found = self.sessions.get(session) is not None
        if found:
            self._report(f"session {session} is ended by an administrator")
            self._actions.append(StopSession(session))
        return found

    def session_gone(self, session: str, reason: DisconnectReason, now: float) -> None:
        """The session has ended or could not be started."""
        gone = self.sessions.ended(session)
        if gone is None:
            return
        self._count_sessions()
        self._report(f"session {session} of {gone.user} is gone: {reason.value}")
        link = self._links.get(gone.attachment.link) if gone.attachment else None
        if link is None or link.session != session:
            return
        link.session, link.epoch = "", 0
        if gone.running:
            self._send(link, Disconnect(link.seq, reason.value))
        else:
            self._send(link, Notice(link.seq, int(NoticeCode.SESSION_FAILED)))

    def _count_sessions(self) -> None:
        self.group.standing.sessions = len(self.sessions)
        self.group.standing.full = len(self.sessions) >= MAX_SESSIONS

    # The group

    def receive_datagram(
        self, data: bytes, source: tuple[str, int], interface: str, now: float, way: str
    ) -> None:
        """A datagram for the group manager."""
        self.group.receive_datagram(data, source, interface, now, way)
        self._drain_group(now)

    def refused(self, address: str, now: float) -> None:
        """The kernel at that address refused a datagram of ours."""
        self.group.refused(address, now)
        self._drain_group(now)

    def _drain_group(self, now: float) -> None:
        while (event := self.group.next_event()) is not None:
            if isinstance(event, TokenAsked):
                self._token_asked(event, now)
            elif isinstance(event, TokenAnswered):
                self._answered(event, now)
            elif isinstance(event, NameClash):
                self._report(f"another host at {event.source} uses our name: rename one of them")
            elif isinstance(event, HostUp | HostDown):
                self._report(f"host {event.host} is {type(event).__name__[4:].lower()}")
                self._tell_servers(now)

    def _tell_servers(self, now: float) -> None:
        for link in self._links.values():
            if link.hello is not None:
                self._send(link, Servers(self.group.servers_for(link.address, now)))

    def _token_asked(self, event: TokenAsked, now: float) -> None:
        token = self._known_token(event.digest)
        nonce = self._vouchers.issue(event.digest, now) if event.digest else ""
        if token is None:
            self.group.answer(event, (), nonce, pending=False, home="")
            return
        pending = any(
            link.inserting is not None and link.inserting.token == token
            for link in self._links.values()
        )
        home = self._vouchers.home(token, now)
        self.group.answer(
            event, self.sessions.claims(token, now), nonce, pending=pending, home=home
        )

    def _known_token(self, digest: str) -> Token | None:
        """The token behind a keyed hash, if it has a session here or is on its way to one."""
        tokens = [link.inserting.token for link in self._links.values() if link.inserting]
        for token in [*self.sessions.tokens(), *tokens, *self._vouchers.placed_tokens()]:
            if digest in self.group.secrets.token_digests(token):
                return token
        return None

    # Time and life

    def begin_restart(self, now: float) -> None:
        """This daemon is about to restart: ask DTUs and servers to wait for it."""
        self._restarting = True  # displays go on without us
        back_ms = int(timing.RESTART_NOTICE_S * 1000)
        self.group.standing.back_ms = back_ms
        self.group.announce_now(now)
        for link in self._links.values():
            self._send(link, Disconnect(link.seq, DisconnectReason.RESTARTING.value, back_ms))
        for session in [each for each in self.sessions if each.attachment is not None]:
            self._actions.append(Remember(session.session, session.epoch, now))

    def next_deadline(self) -> float:
        """When `handle_deadline` is to be called next."""
        times = [self.group.next_deadline()]
        if self._links:
            times.append(self._check_links_at)
            times += [at for each in self._links.values() if (at := each.ask_at) is not None]
        starting = self.sessions.next_start_deadline()
        return min(times if starting is None else [*times, starting])

    def handle_deadline(self, now: float) -> None:
        """Whatever is due: group, silent links, sessions that do not start, second questions."""
        self.group.handle_deadline(now)
        self._drain_group(now)
        for session in self.sessions.overdue(now):
            self._actions.append(StopSession(session.session))
            self.session_gone(session.session, DisconnectReason.FAILED, now)
        for link in list(self._links.values()):
            if link.inserting is not None and now >= (link.ask_at or now + 1):
                self._ask(link, link.inserting, now)
        if now >= self._check_links_at:
            self._check_links_at = now + timing.LINK_CHECK_S
            for link in list(self._links.values()):
                if why := link.overdue(now):
                    self._hang_up(link, why, now)

    def datagrams_to_send(self, now: float) -> list[Outgoing]:
        """Datagrams to send now."""
        return self.group.datagrams_to_send(now)

    def next_action(self) -> Action | None:
        """The next thing to do, or None."""
        return self._actions.popleft() if self._actions else None
