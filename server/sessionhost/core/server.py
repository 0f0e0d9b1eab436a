"""A session hosting server as one machine without I/O: group, links, sessions put together.

In: lines, datagrams, answers of registry and launcher, and the time. Out: actions, datagrams and
the next deadline. The daemon and the simulator both run this very class.
"""

import random
from collections import Counter
from collections.abc import Iterable

from roamwire.addresses import Address
from roamwire.control import (
    Alive,
    Answer,
    Browse,
    Disconnect,
    Hello,
    Insert,
    Keepalive,
    Line,
    Notice,
    Remove,
    Response,
    Select,
    SignOff,
    parse_line,
)
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.notices import DisconnectReason, NoticeCode
from sessionhost.core import timing
from sessionhost.core.actions import (
    Action,
    Audit,
    Close,
    Outbox,
    StartSession,
    StopSession,
)
from sessionhost.core.audit import Record
from sessionhost.core.authentication import Admitted, AuthenticationManager
from sessionhost.core.blocking import Blocking
from sessionhost.core.fencing import Fence
from sessionhost.core.greeting import Greeting
from sessionhost.core.group import GroupManager
from sessionhost.core.group_events import (
    BlocksChanged,
    HostDown,
    HostUp,
    NameClash,
    Outgoing,
    ShownElsewhere,
    TokenAnswered,
    TokenAsked,
)
from sessionhost.core.insert import CreateHere
from sessionhost.core.links import (
    MAX_BAD_LINES,
    MAX_LINKS,
    MAX_LINKS_OF_DTU,
    Inserting,
    Link,
)
from sessionhost.core.menu import Menu
from sessionhost.core.policy import Policy
from sessionhost.core.policy_watch import PolicyWatch
from sessionhost.core.registration import Registration
from sessionhost.core.replies import Reply
from sessionhost.core.screens import Screens
from sessionhost.core.sessions import MAX_SESSIONS, Session, SessionManager
from sessionhost.core.visitors import Visitors

DEFAULT_POLICY = Policy()


class ServerCore:
    """One server. Every `now` is the same monotonic clock in seconds."""

    def __init__(
        self,
        group: GroupManager,
        rng: random.Random,
        *,
        recipe: str,
        display_port: int,
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self.group = group
        self.sessions = SessionManager(rng)
        self._bad_lines: Counter[str] = Counter()
        self._recipe = recipe
        self._links: dict[int, Link] = {}
        self._check_links_at = 0.0
        self._outbox = Outbox()
        self.authentication = AuthenticationManager(
            group, self.sessions, self._links, self._outbox, rng, policy
        )
        self._greeting = Greeting(group, self._links, self._outbox, login=policy.login)
        self._screens = Screens(self.sessions, self._links, self._outbox, rng, display_port)
        self._blocking = Blocking(
            group.blocks, self.sessions, self._links, self._outbox, self._leave, self._hang_up
        )
        self.fence = Fence(group, self.sessions, self._screens, rng)
        self._menu = Menu(
            group, self.sessions, self._links, self._outbox, self.authentication, self._leave,
            self._attach, self._new,
        )  # fmt: skip
        self._visitors = Visitors(self.sessions, self._outbox)
        self.policies = PolicyWatch()
        self._restarting = False

    def terminals(self) -> list[dict[str, str]]:
        """The connected DTUs, for the status."""
        return [{"dtu": each.dtu, "address": str(each.address)} for each in self._links.values()]

    @property
    def dropped(self) -> Counter[str]:
        """Lines that were not obeyed, by reason."""
        return self._bad_lines + self.authentication.dropped

    # Links

    def link_opened(self, link: int, dtu: str, address: Address, now: float) -> None:
        """A DTU has connected; `dtu` is the name in its certificate."""
        own = [each for each in self._links.values() if each.dtu == dtu]
        if len(own) >= MAX_LINKS_OF_DTU:
            # The oldest goes: a terminal that was cut off comes back by its newest one.
            self._hang_up(own[0], f"has {len(own)} connections", now)
        if len(self._links) >= MAX_LINKS:
            self._outbox.audit("terminal", "refused", dtu=dtu, reason="full")
            self._outbox.report(f"{dtu} refused: {MAX_LINKS} terminals are connected")
            self._outbox.put(Close(link))
            return
        if self._blocking.refuses_link(link, dtu, now):
            return
        self._outbox.audit("terminal", "connected", dtu=dtu, reason=f"from {address}")
        self._links[link] = Link(link, dtu, address, now, now)
        self.group.standing.dtus = len(self._links)

    def link_closed(self, link: int, now: float) -> None:
        """The connection is gone; the session goes on without a screen."""
        gone = self._links.pop(link, None)
        if gone is not None and not self._restarting:
            # A cut link is noticed late: the person was last here when the DTU was last heard.
            self._outbox.audit("terminal", "gone", dtu=gone.dtu, session=gone.session)
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
            self._bad_lines[error.reason] += 1
            here.bad_lines += 1
            if here.bad_lines > MAX_BAD_LINES:
                self._hang_up(here, f"sent {here.bad_lines} bad lines, last: {error}", now)

    def _dispatch(self, link: Link, line: Line, now: float) -> None:
        if isinstance(line, Keepalive):
            self._outbox.send(link.link, Alive(line.n))
        elif isinstance(line, Hello):
            self._greeting.hello(link, line, now)
        elif link.hello is None:
            raise RemoteProtocolError("state", "a line before hello")
        elif isinstance(line, Insert):
            self._insert(link, line, now)
        elif isinstance(line, Response):
            self.authentication.response(link, line, now)
        elif isinstance(line, Answer):
            self.authentication.answer(link, line, now)
        elif isinstance(line, Remove):
            self._outbox.audit("card", "out", dtu=link.dtu, session=link.session)
            self._leave(link, now)
            self._outbox.report(f"card out at {link.dtu}")
        elif isinstance(line, Browse | Select | SignOff):
            self._menu.asked(link, line, now)
            self._drain_group(now)
        else:
            raise RemoteProtocolError("state", f"{type(line).__name__} is not for servers")

    def _hang_up(self, link: Link, why: str, now: float) -> None:
        self._outbox.report(f"{link.dtu} {why}: connection closed")
        self._outbox.put(Close(link.link))
        self.link_closed(link.link, now)

    def _leave(self, link: Link, now: float) -> None:
        """The link shows nothing from `now` on: card out, connection gone, or a new insert."""
        self.authentication.forget(link)
        self._menu.forget(link)
        self._screens.leave(link, now)

    # Insert: patent steps 911-922

    def _insert(self, link: Link, line: Insert, now: float) -> None:
        self._leave(link, now)
        link.seq = line.seq
        if self._blocking.refuses_token(link, line.token):
            return
        self.authentication.begin(link, line, now)

    def looked_up(
        self,
        link: int,
        seq: int,
        found: Registration | None,
        now: float,
        *,
        failed: bool = False,
        reader: bool = False,
    ) -> None:
        """The registry's answer to a Lookup; `failed` if it could not answer at all.

        `reader`: the terminal reads cards for the administrator.
        """
        here = self._links.get(link)
        if here is None:
            return
        if not self._menu.looked_up(here, seq, found, now, failed=failed):
            admitted = self.authentication.looked_up(
                here, seq, found, now, failed=failed, reader=reader
            )
            self._admit(admitted, now)
        self._drain_group(now)

    def replied(self, link: int, reply: Reply, now: float) -> None:
        """What was found out about a Verify, a CheckPassword, a Register."""
        self._admit(self.authentication.replied(self._links.get(link), reply, now), now)
        self._drain_group(now)

    def _admit(self, admitted: Admitted | None, now: float) -> None:
        if admitted is None:
            return
        if isinstance(admitted.decision, CreateHere):
            self._create(admitted, admitted.decision, now)
        elif (session := self.sessions.get(admitted.decision.session)) is not None:
            if session.owner != admitted.inserting.owner:
                raise LocalProtocolError(f"session {session.session} is somebody else's")
            self._attach(admitted.link, session, admitted.inserting, now)

    def _create(self, admitted: Admitted, decision: CreateHere, now: float) -> None:
        """Step 915."""
        link, inserting = admitted.link, admitted.inserting
        recipe = admitted.registration.recipe or self._recipe
        self._new(link, inserting, recipe, decision.why, now)

    def _new(self, link: Link, inserting: Inserting, recipe: str, why: str, now: float) -> None:
        """A new session for the link, or the words that there is no room for one."""
        owner, session = inserting.owner, None
        if self._visitors.room_for(inserting, link.dtu, self.authentication.policy):
            session = self.sessions.create(owner, recipe, now, now + timing.SESSION_START_S)
        if session is None:
            self._outbox.send(link.link, Notice(inserting.seq, int(NoticeCode.NO_SERVER_FREE)))
            return
        self._count_sessions()
        self._outbox.audit(
            "session", "created", who=owner.user, token=session.token, dtu=link.dtu, reason=why,
            session=session.session,
        )  # fmt: skip
        self._outbox.report(f"new session {session.session} of {session.user!r:.80} here: {why}")
        self._outbox.send(link.link, Notice(inserting.seq, int(NoticeCode.STARTING)))
        self._attach(link, session, inserting, now)
        self._start(session)

    def _attach(self, link: Link, session: Session, inserting: Inserting, now: float) -> None:
        """Step 914."""
        self.authentication.selection.vouchers.forget_home(session.owner)
        self._screens.attach(link, session, inserting, now)
        self.fence.attached(session, now)

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
        self._blocking.enforce(now)
        self.authentication.selection.wait_for_others(now + timing.START_GRACE_S)
        self.group.announce_soon(now)

    def _start(self, session: Session) -> None:
        link = self._links.get(session.attachment.link) if session.attachment else None
        width, height = link.size if link is not None else (0, 0)
        order = (session.session, session.user, session.token, session.recipe, width, height)
        self._outbox.put(StartSession(*order))

    def session_ready(self, session: str, rfb_socket: str, now: float) -> None:
        """The session's X server answers."""
        here = self.sessions.get(session)
        if here is None or here.running:
            return
        here.rfb_socket, here.start_by = rfb_socket, None
        link = self._links.get(here.attachment.link) if here.attachment else None
        if link is not None and link.epoch == here.epoch and link.session == session:
            self._screens.connect(link, here)

    def administered(self, record: Record) -> None:
        """An administrator has changed something: for the audit log."""
        self._outbox.put(Audit(record))

    def end_session(self, session: str) -> bool:
        """An administrator ends a session; False if there is none of that name."""
        found = self.sessions.get(session) is not None
        if found:
            self._outbox.report(f"session {session} is ended by an administrator")
            self._outbox.put(StopSession(session))
        return found

    def session_gone(self, session: str, reason: DisconnectReason, now: float) -> None:
        """The session has ended or could not be started."""
        gone = self.sessions.ended(session)
        if gone is None:
            return
        self._count_sessions()
        self._outbox.audit(
            "session", "ended", who=gone.user, token=gone.token, reason=reason.value,
            session=session,
        )  # fmt: skip
        self._outbox.report(f"session {session} of {gone.user!r:.80} is gone: {reason.value}")
        link = self._links.get(gone.attachment.link) if gone.attachment else None
        if link is None or link.session != session:
            return
        link.session, link.epoch = "", 0
        if gone.running:
            self._outbox.send(link.link, Disconnect(link.seq, reason.value))
        else:
            self._outbox.send(link.link, Notice(link.seq, int(NoticeCode.SESSION_FAILED)))

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
                self.authentication.selection.asked(event, now)
            elif isinstance(event, TokenAnswered):
                self._admit(self.authentication.answered(event, now), now)
                self._menu.answered(event, now)
            elif isinstance(event, ShownElsewhere):
                self.fence.heard(event.message, now)
            elif isinstance(event, BlocksChanged):
                self._blocking.changed(event.entries, now)
            elif isinstance(event, NameClash):
                self._outbox.report(
                    f"another host at {event.source} uses our name: rename one of them"
                )
            elif isinstance(event, HostUp | HostDown):
                self._outbox.report(f"host {event.host} is {type(event).__name__[4:].lower()}")
                self._greeting.tell_servers(now)
                if isinstance(event, HostUp):
                    self.fence.host_up(event.host, now)

    def block(self, key: str, now: float, *, blocked: bool) -> None:
        """An administrator blocks a card or terminal in the whole group, or allows it again.

        `key` is `blocks.token_key` or `blocks.dtu_key`; raises BlocksFullError.
        """
        self._blocking.changed((self.group.block(key, now, blocked=blocked),), now)

    def change_policy(self, policy: Policy, digest: str, now: float) -> None:
        """The administrator has put another policy in force; inserts under way go on by it."""
        before = self.group.standing.policy
        if digest != before:
            self._outbox.audit("policy", "changed", reason=f"{before} is {digest} now")
            self._outbox.report(f"policy {digest} is in force, {before} was")
        self.group.standing.policy = digest
        self.authentication.change_policy(policy)
        self._greeting.login_is(policy.login, now)
        self.group.announce_soon(now)

    # Time and life

    def begin_restart(self, now: float) -> None:
        """This daemon is about to restart: ask DTUs and servers to wait for it."""
        self._restarting = True  # displays go on without us
        back_ms = int(timing.RESTART_NOTICE_S * 1000)
        self.group.standing.back_ms = back_ms
        self.group.announce_now(now)
        for link in self._links.values():
            self._outbox.send(
                link.link, Disconnect(link.seq, DisconnectReason.RESTARTING.value, back_ms)
            )
        for session in [each for each in self.sessions if each.attachment is not None]:
            self._screens.remember(session, now)

    def next_deadline(self) -> float:
        """When `handle_deadline` is to be called next."""
        times = [self.group.next_deadline()]
        if self._links:
            times.append(self._check_links_at)
            times += [at for each in self._links.values() if (at := each.due_at) is not None]
        more = (self.sessions.next_start_deadline(), self.fence.next_deadline())
        return min([*times, *(at for at in more if at is not None)])

    def handle_deadline(self, now: float) -> None:
        """Whatever is due: group, silent links, sessions that do not start, second questions."""
        self.group.handle_deadline(now)
        self._drain_group(now)
        self.fence.handle_deadline(now)
        for session in self.sessions.overdue(now):
            self._outbox.put(StopSession(session.session))
            self.session_gone(session.session, DisconnectReason.FAILED, now)
        for link in list(self._links.values()):
            self.authentication.handle_due(link, now)
        self._drain_group(now)
        if now >= self._check_links_at:
            self._check_links_at = now + timing.LINK_CHECK_S
            for words in self.policies.news(self.group):
                self._outbox.report(words)
            for link in list(self._links.values()):
                if why := link.overdue(now):
                    self._hang_up(link, why, now)

    def datagrams_to_send(self, now: float) -> list[Outgoing]:
        """Datagrams to send now."""
        return self.group.datagrams_to_send(now)

    def next_action(self) -> Action | None:
        """The next thing to do, or None."""
        return self._outbox.take()
