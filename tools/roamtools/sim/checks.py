"""Checkers that run after each step: what must hold at every moment, or after every message.

Those that need a while to be sure (bounds, settling) are in `audit`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roamtools.sim.plan import STABLE_S
from roamtools.sim.stream import Stream
from roamwire.control import (
    Cause,
    Connect,
    Disconnect,
    Insert,
    Redirect,
    Server,
    Servers,
    Welcome,
    parse_line,
)
from roamwire.errors import RemoteProtocolError
from roamwire.notices import DisconnectReason
from roamwire.tickets import MAX_HOPS
from roamwire.tokens import Token
from sessionhost.core import actions
from sessionhost.core.links import Inserting
from sessionhost.core.registration import Owner
from sessionhost.core.server import ServerCore
from sessionhost.core.timing import NONCE_S

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.hosts import HostNode
    from roamtools.sim.world import World

ATTACHED = float("inf")
"""How recent a session is that is shown somewhere now."""

RECENT_S = 1.0
"""Two sessions this close in time may be taken for either: ages travel as rounded milliseconds."""


COUNTED = (
    "inserts", "redirects", "failovers", "connects", "sessions", "pictures", "judged", "judged_new",
    "lost", "revoked", "fenced", "given", "audit",
)  # fmt: skip
"""`judged`, `judged_new`: attachments, sessions in a stable group, where the strict rules hold."""


class Violation(Exception):  # noqa: N818 - a finding about the core, not an error of ours
    """An invariant of the design does not hold."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail


@dataclass
class Fact:
    """What the simulator knows of a session, whatever the daemons believe."""

    session: str
    token: Token
    user: str
    host: "HostNode"
    recent: float
    epoch: int = 0
    granted: int = 0
    desk: str = ""
    alive: bool = True

    @property
    def owner(self) -> Owner:
        """Whose session it is."""
        return Owner(self.token, self.user)


class Checks:
    """Incremental checkers; each raises Violation."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.facts: dict[str, Fact] = {}
        self.by_owner: dict[Owner, list[Fact]] = {}
        self.asked: dict[Stream, Insert] = {}
        self.hops: dict[str, int] = {}
        self._judged: dict[Stream, Inserting] = {}
        self.tickets: dict[str, tuple[str, str, Token, float]] = {}
        self.inserted: dict[tuple[str, Token], float] = {}
        self.counts: dict[str, int] = dict.fromkeys(COUNTED, 0)

    def fail(self, rule: str, detail: str) -> None:
        """An invariant is broken."""
        raise Violation(rule, detail)

    # What servers and desks say to each other

    def heard(self, stream: Stream, line: bytes) -> None:
        """A line of a desk has reached a server."""
        if not line.startswith(b"insert"):
            return
        message = parse_line(line)
        if isinstance(message, Insert):
            self.counts["inserts"] += 1
            self.counts["failovers"] += message.cause is Cause.FAILOVER
            self.asked[stream] = message
            if message.cause is not Cause.REDIRECT:
                self.hops[stream.node] = 0

    def believed(self, host: "HostNode", core: ServerCore, number: int) -> None:
        """If a server takes an insert for a redirect, one of ours has made its ticket, for it.

        It looks at the ticket once, when the registry has answered.
        """
        link, stream = core._links.get(number), host.links.get(number)
        inserting = link.inserting or link.shown_for if link is not None else None
        if inserting is None or inserting.ticket is None or stream is None:
            return
        if self._judged.get(stream) is inserting:
            return
        self._judged[stream] = inserting
        text, now = inserting.ticket_text, self._world.clock.now
        made = self.tickets.pop(text, None)
        if made is None:
            self.fail("unsigned", f"{host.name} believes {stream.node} a used or forged ticket")
        elif made[:3] != (stream.node, host.name, inserting.token):
            self.fail("unsigned", f"{host.name} believes {stream.node} a ticket for {made}")
        elif now - made[3] > NONCE_S:
            self.fail("unsigned", f"{host.name} believes {stream.node} an old ticket")

    def looked_up(self, core: ServerCore, number: int) -> None:
        """What a server has read in the registry belongs to the card that it is about."""
        link = core._links.get(number)
        inserting = link.inserting if link is not None else None
        if inserting is None or inserting.registration is None:
            return
        if inserting.registration not in self._world.clerk.registrations(inserting.token):
            self.fail("proof", f"{inserting.token} is taken for {inserting.registration.user}")

    def sent(self, host: "HostNode", stream: Stream, line: bytes) -> None:
        """A server sends a line to a desk."""
        message = parse_line(line)
        if isinstance(message, Welcome | Servers):
            for server in message.servers:
                self._is_ours(server, f"{host.name} lists")
        elif isinstance(message, Redirect):
            self._is_proven(host, stream, message)
            self._redirected(host, stream, message)
        elif isinstance(message, Disconnect):
            self._taken_over(host, stream, message)
        elif isinstance(message, Connect):
            self._is_proven(host, stream, message)
            self.counts["connects"] += 1
            self.hops[stream.node] = 0

    def _taken_over(self, host: "HostNode", stream: Stream, message: Disconnect) -> None:
        """Whoever loses a card's session to another terminal has had the card in for longer."""
        asked = self.asked.get(stream)
        if message.reason != DisconnectReason.TAKEN_OVER.value or asked is None:
            return
        if any(each.node == message.desk for each in host.links.values()):
            return  # at this very server: its insert is being dealt with
        lost = self.inserted.get((stream.node, asked.token), float("-inf"))
        won = self.inserted.get((message.desk, asked.token), float("inf"))
        if won < lost - RECENT_S:
            self.fail("one terminal", f"{stream.node} loses to {message.desk}, which is older")
        self.counts["fenced"] += 1

    def _is_proven(self, host: "HostNode", stream: Stream, message: Redirect | Connect) -> None:
        """Who claims a card without its key is neither connected nor told where its session is."""
        desk = self._world.desks_by_name[stream.node]
        if desk.control is stream and message.seq in desk.forged_seqs:
            verb = type(message).__name__.lower()
            self.fail("proof", f"{host.name} answers a forged card at {desk.name}: {verb}")

    def _is_ours(self, server: Server, who: str) -> None:
        known = self._world.by_address.get(server.address)
        if known is None or known.name != server.host:
            self.fail("unsigned", f"{who} {server.host} at {server.address}, which is no server")

    def _redirected(self, host: "HostNode", stream: Stream, message: Redirect) -> None:
        self.counts["redirects"] += 1
        desk = self._world.desks_by_name[stream.node]
        self._is_ours(Server(message.host, message.address, message.port), "redirect to")
        asked = self.asked[stream]
        made = (desk.name, message.host, asked.token, self._world.clock.now)
        self.tickets[message.ticket] = made
        if asked.seq == message.seq and asked.lost == message.host:
            self.fail("lost", f"{desk.name} is sent to {message.host}, which it has just lost")
        if desk.control is stream:  # nobody obeys what comes on a connection that is left
            hops = self.hops[desk.name] = self.hops.get(desk.name, 0) + 1
            if hops > MAX_HOPS and not desk.rogue:
                self.fail("hops", f"{desk.name} is sent on for the {hops}. time")

    def stray(self, desk: "DeskNode", server: Server) -> None:
        """A desk tries an address where no server is: a forged hint may cost it that much."""
        if server.host != self._world.attacker.NAME:
            self.fail("unsigned", f"{desk.name} was sent to {server.host} at {server.address}")

    # Sessions

    def starting(self, host: "HostNode", order: actions.StartSession) -> None:
        """A server makes a new session."""
        self.counts["sessions"] += 1
        if host.core is not None and host.core.group.blocks.blocks_token(order.token):
            self.fail("blocked", f"{host.name} starts a session for {order.token}, which is lost")
        registered = self._world.clerk.registrations(order.token)
        if not any(each.enabled and each.user == order.user for each in registered):
            self.fail("proof", f"{host.name} starts a session of {order.user} for {order.token}")
        owner = Owner(order.token, order.user)
        others = self.by_owner.setdefault(owner, [])
        if self._world.stable_for >= STABLE_S:
            self.counts["judged_new"] += 1
            for other in others:
                if other.alive and other.host.up and other.host is not host:
                    self.fail(
                        "most recent",
                        f"{host.name} makes a second session for {order.token}, "
                        f"{other.session} is on {other.host.name}",
                    )
        if any(other.alive and other.host is host for other in others):
            self.fail("most recent", f"{host.name} makes two sessions for {order.token}")
        fact = Fact(order.session, order.token, order.user, host, self._world.clock.now)
        if order.session in host.remembered:  # attached before it was ordered
            fact.epoch, fact.recent = host.remembered[order.session][0], ATTACHED
        self.facts[order.session] = fact
        others.append(fact)

    def session_ended(self, session: str) -> None:
        """A session's processes are gone."""
        fact = self.facts.get(session)
        if fact is not None:
            fact.alive = False
            self.by_owner[fact.owner].remove(fact)

    def host_died(self, host: "HostNode") -> None:
        """A host's sessions are gone."""
        for fact in list(self.facts.values()):
            if fact.host is host and fact.alive:
                self.session_ended(fact.session)

    def daemon_died(self, host: "HostNode") -> None:
        """What a host daemon has not noted down, its successor cannot know."""
        for fact in self.facts.values():
            if fact.alive and fact.host is host and fact.session in host.remembered:
                fact.recent = host.remembered[fact.session][1]

    def remembered(self, host: "HostNode", action: actions.Remember) -> None:
        """A session was attached (its epoch has risen) or detached."""
        here = host.core.sessions.get(action.session) if host.core is not None else None
        if here is not None and here.attachment is not None:
            self.inserted[here.attachment.dtu, here.token] = here.last_connected
        fact = self.facts.get(action.session)
        if fact is None or not fact.alive:
            return
        if action.epoch > fact.epoch:
            self._is_most_recent(fact)
            fact.epoch, fact.recent = action.epoch, ATTACHED
        else:
            fact.recent = action.last_connected

    def _is_most_recent(self, fact: Fact) -> None:
        """Called before an attachment counts: no other reachable session may be more recent."""
        if self._world.stable_for < STABLE_S:
            return
        self.counts["judged"] += 1
        for other in self.by_owner[fact.owner]:
            if other.host.up and other.recent > fact.recent + RECENT_S:
                self.fail(
                    "most recent",
                    f"{fact.token} gets session {fact.session} on {fact.host.name}, "
                    f"{other.session} on {other.host.name} is more recent",
                )

    def granted(self, host: "HostNode", grant: actions.Grant) -> None:
        """A display ticket was made: a new attachment has a new epoch."""
        fact = self.facts.get(grant.session)
        if fact is None or not fact.alive:
            return
        if grant.epoch <= fact.granted:
            self.fail("epoch", f"{grant.session} is granted epoch {grant.epoch} again")
        fact.granted = grant.epoch
        self._is_the_users(host, fact)
        self._not_taken_back(fact, grant.dtu)

    def _is_the_users(self, host: "HostNode", fact: Fact) -> None:
        """A session is shown to its user's token only, by what the registry said at the insert."""
        here = host.core.sessions.get(fact.session) if host.core is not None else None
        shown = here.attachment if here is not None else None
        if host.core is None or shown is None:
            return
        insert = host.core._links[shown.link].shown_for
        registered = insert.registration if insert is not None else None
        if registered is not None and registered.user != fact.user:
            self.fail(
                "owner",
                f"{host.name} shows {fact.session} of {fact.user} to {registered.user} at "
                f"{shown.dtu}",
            )

    def _not_taken_back(self, fact: Fact, desk: str) -> None:
        """The newest insert wins: a desk that was taken over from must not take it back."""
        before, fact.desk = fact.desk, desk
        if before in ("", desk) or self._world.stable_for < STABLE_S:
            return
        loser, winner = self._world.desks_by_name[before], self._world.desks_by_name[desk]
        if loser.card == fact.token and winner.card_at < loser.card_at - RECENT_S:
            self.fail("one screen", f"{desk} takes {fact.session} back from {before}")

    def admitted(self, host: "HostNode", desk: str, session: str, epoch: int) -> None:
        """The gateway lets a desk see a session."""
        self.not_blocked(host, desk, session)
        fact = self.facts.get(session)
        if fact is None or not fact.alive:
            self.fail("proof", f"{desk} is let in to {session}, which is gone")
        elif host.core is not None:
            here = host.core.sessions.get(session)
            attachment = here.attachment if here is not None else None
            known = attachment is not None and (attachment.dtu, attachment.epoch) == (desk, epoch)
            # Right after a daemon restart nothing is attached yet, and old tickets still hold.
            if not known and self._world.clock.now - host.started_at > STABLE_S:
                self.fail("proof", f"{desk} is let in to {session} epoch {epoch}: {attachment}")

    def not_blocked(self, host: "HostNode", desk: str, session: str) -> None:
        """A server that knows of a block shows nothing to that card, and nothing at that desk."""
        fact, core = self.facts.get(session), host.core
        if core is None:
            return
        if fact is not None and core.group.blocks.blocks_token(fact.token):
            self.fail("blocked", f"{host.name} shows {session} to {fact.token}, which is lost")
        if core.group.blocks.blocks_dtu(desk):
            self.fail("blocked", f"{host.name} shows {session} at {desk}, which is revoked")

    # After each step of a machine

    def host_step(self, host: "HostNode", core: ServerCore) -> None:
        """Each session has at most one screen, and it is the one that the core knows of."""
        seen: set[str] = set()
        for desk, shown in host.display.screens():
            self.not_blocked(host, desk, shown)
        for stream in host.links.values():
            if core.group.blocks.blocks_dtu(stream.node):
                self.fail("blocked", f"{host.name} has a link of {stream.node}, which is revoked")
        for session, epoch in host.display.gate.connections():
            if session in seen:
                self.fail("one screen", f"{session} on {host.name} has two displays")
            seen.add(session)
            here = core.sessions.get(session)
            if here is None:
                self.fail("one screen", f"{session} on {host.name} is shown and unknown")
            elif here.attachment is None:
                if epoch > host.inherited.get(session, 0):
                    self.fail("one screen", f"{session} on {host.name} is shown and detached")
            elif here.attachment.epoch != epoch and epoch > host.inherited.get(session, 0):
                self.fail("one screen", f"{session} on {host.name} is shown at an old epoch")

    def desk_step(self, desk: "DeskNode") -> None:
        """What is on a screen belongs to the card in the reader, also when it is dimmed."""
        if desk.screen is None:
            return
        fact = self.facts.get(desk.screen.session)
        if desk.card is None:
            self.fail("proof", f"{desk.name} shows {desk.screen.session} without a card")
        elif fact is None or fact.token != desk.card:
            self.fail("proof", f"{desk.name} shows {desk.screen.session} to {desk.card}")
        elif not self._world.clerk.may_show(desk, fact.user):
            self.fail("owner", f"{desk.name} shows a session of {fact.user} to {desk.card}")

    def leaving(self, desk: "DeskNode", stream: Stream) -> None:
        """A desk hangs up on a living server: in a stable group only if that has told it to."""
        told = desk.last_line.startswith((b"redirect", b"disconnect"))
        if stream.host_open and not told and self._world.stable_for >= STABLE_S:
            self.fail("unsigned", f"{desk.name} leaves {stream.peer}, which has not sent it away")

    def opening(self, desk: "DeskNode", session: str) -> None:
        """A desk asks the gateway for a session: it must be one of its card, with its key."""
        if desk.forged:
            self.fail("proof", f"{desk.name} opens {session} with a forged card")
        fact = self.facts.get(session)
        if fact is None or fact.token != desk.card:
            self.fail("proof", f"{desk.name} with {desk.card} opens {session}")
        elif not self._world.clerk.may_show(desk, fact.user):
            self.fail("owner", f"{desk.name} with {desk.card} opens a session of {fact.user}")

    def shown(self, desk: "DeskNode") -> None:
        """A desk's first picture of a session."""
        self.counts["pictures"] += 1
        self.desk_step(desk)


def guarded(act: Callable[[], None]) -> Violation | None:
    """Run it; an exception that leaves the core is a violation like any other."""
    try:
        act()
    except Violation as violation:
        return violation
    except RemoteProtocolError as error:
        return Violation("exception", f"RemoteProtocolError left the core: {error}")
    except Exception as error:
        return Violation("exception", f"{type(error).__name__}: {error}{_where(error)}")
    return None


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f" ({code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name})"
        trace = trace.tb_next
    return place
