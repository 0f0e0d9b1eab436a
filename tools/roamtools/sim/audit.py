"""Checkers that need time: bounds after faults, stale links, bounded tables, the settled end."""

from typing import TYPE_CHECKING

from dtu.core import catalogue
from dtu.core import timing as dtu_timing
from roamtools.sim.plan import (
    FENCED_S,
    HOST_DOWN_S,
    LINK_STALE_S,
    LOOSE_PAUSE_S,
    MARGIN_S,
    PICTURE_AFTER_DEATH_S,
    PICTURE_S,
    STABLE_S,
    attach_bound,
)
from roamwire.limits import MAX_HOSTS
from roamwire.tokens import Token
from sessionhost.core.blocks import MAX_BLOCKS
from sessionhost.core.fencing import MAX_NONCES as MAX_SHOWN
from sessionhost.core.group import MAX_PROBES, MAX_QUESTIONS
from sessionhost.core.links import MAX_LINKS
from sessionhost.core.server import ServerCore
from sessionhost.core.topology import MAX_UNTRUSTED
from sessionhost.core.vouchers import MAX_NONCES, MAX_PLACED

if TYPE_CHECKING:
    from roamtools.sim.desks import DeskNode
    from roamtools.sim.hosts import HostNode
    from roamtools.sim.world import World

TICK_S = 0.5


class Audit:
    """Looks at everything twice a virtual second."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def start(self) -> None:
        """Begin to look."""
        self._world.clock.after(TICK_S, self._tick)

    def _tick(self, _: None) -> None:
        world = self._world
        silent = sum(not host.powered for host in world.hosts)
        working = any(host.up for host in world.hosts)
        for desk in world.desks:
            self._desk(desk, silent, working=working)
        self._one_screen()
        self._one_terminal()
        for host in world.hosts:
            if host.core is not None:
                self._host(host, host.core)
        world.clock.after(TICK_S, self._tick)

    # Desks

    def _desk(self, desk: "DeskNode", silent: int, *, working: bool) -> None:
        world, now = self._world, self._world.clock.now
        if desk.attached or desk.name in world.warden.revoked:
            desk.unattached_since = now
        elif working and world.net_healthy:
            since = max(desk.unattached_since, world.disturbed_at)
            bound = self._attach_bound(desk, silent)
            if now - since > bound:
                world.checks.fail(
                    "attached",
                    f"{desk.name} has no server for {now - since:.1f} s, bound {bound:.1f} s, "
                    f"state {desk.terminal.state.value}",
                )
        self._picture(desk, silent, working=working)

    def _attach_bound(self, desk: "DeskNode", silent: int) -> float:
        """What is owed depends on what has happened: see `plan`."""
        world = self._world
        if world.clean_death and desk.unattached_since >= world.disturbed_at - TICK_S:
            reset = world.clean_death == "reset"
            return attach_bound(silent, restarts=False, reset=reset) + TICK_S
        restarts = world.clock.now - world.restarted_at < STABLE_S + 9
        bound = attach_bound(silent, restarts=restarts)
        return bound + LOOSE_PAUSE_S + silent * dtu_timing.CONNECT_S

    def _picture(self, desk: "DeskNode", silent: int, *, working: bool) -> None:
        world, now = self._world, self._world.clock.now
        if desk.live is not None or not world.net_healthy or not self._owed(desk):
            desk.no_picture_since = now
            return
        since = max(desk.no_picture_since, world.disturbed_at)
        bound = PICTURE_S + attach_bound(silent, restarts=True) + LOOSE_PAUSE_S
        if world.clean_death and desk.card_at < world.disturbed_at - STABLE_S:
            bound = PICTURE_AFTER_DEATH_S + self._attach_bound(desk, silent)
        if working and now - since > bound:
            world.checks.fail(
                "attached",
                f"{desk.name} has a card and no session for {now - since:.1f} s, "
                f"bound {bound:.1f} s, words {desk.words}",
            )

    def _owed(self, desk: "DeskNode") -> bool:
        """Whether a session is due here: not to an unknown card, nor after a "try again"."""
        if self._world.warden.owes_nothing(desk):
            return False
        registered = self._world.registry.get(desk.card) if desk.card is not None else None
        if registered is None or not registered.enabled or desk.forged:
            return False
        if self._world.people.try_again(desk):
            return False
        return desk.words != catalogue.TAKEN_OVER.code or desk.card not in self._world.people.cloned

    def _one_screen(self) -> None:
        """Two screens of one session: only as long as a loser that is cut off needs to see it."""
        world, now = self._world, self._world.clock.now
        showing: dict[str, list[DeskNode]] = {}
        for desk in world.desks:
            if desk.live is not None:
                showing.setdefault(desk.live.session, []).append(desk)
        doubled = {session: desks for session, desks in showing.items() if len(desks) > 1}
        for session in list(world.doubled_since):
            if session not in doubled:
                del world.doubled_since[session]
        for session, desks in doubled.items():
            since = world.doubled_since.setdefault(session, now)
            bound = dtu_timing.LOST_S + dtu_timing.STALL_S + 2 * MARGIN_S + world.slowest
            if now - since > bound:
                names = ", ".join(desk.name for desk in desks)
                world.checks.fail("one screen", f"{session} is shown at {names}")

    def _one_terminal(self) -> None:
        """Two cards of one number: once the servers can talk, one terminal shows its session."""
        world, now = self._world, self._world.clock.now
        showing: dict[Token, list[str]] = {}
        for desk in world.desks:
            if desk.live is not None and desk.card is not None and desk.attached:
                showing.setdefault(desk.card, []).append(desk.name)
        doubled = {token: desks for token, desks in showing.items() if len(desks) > 1}
        world.cloned_since = {token: world.cloned_since.get(token, now) for token in doubled}
        for token, desks in doubled.items():
            since = max(world.cloned_since[token], world.disturbed_at)
            if world.net_healthy and now - since > FENCED_S + world.slowest:
                world.checks.fail("one terminal", f"{token} is shown at {', '.join(desks)}")

    # Hosts

    def _host(self, host: "HostNode", core: ServerCore) -> None:
        world, now = self._world, self._world.clock.now
        for record in core.group.topology.live():
            other = world.hosts_by_name.get(record.host)
            if other is None:
                world.checks.fail("unsigned", f"{host.name} takes {record.host} for a live server")
            elif other.silent_since is not None and now - other.silent_since > (
                HOST_DOWN_S + world.slowest
            ):
                world.checks.fail("unsigned", f"{host.name} takes {other.name} for live: replayed")
        for stream in host.links.values():
            if stream.left_at is not None and now - stream.left_at > LINK_STALE_S + world.slowest:
                world.checks.fail("one server", f"{host.name} still has a link of {stream.node}")
        self._tables(host, core)

    def _tables(self, host: "HostNode", core: ServerCore) -> None:
        group, vouchers = core.group, core.authentication.selection.vouchers
        topology = group.topology
        sizes = {
            "trusted hosts": (len(topology._trusted), MAX_HOSTS),
            "untrusted hosts": (len(topology._untrusted), MAX_UNTRUSTED),
            "questions": (len(group._questions), MAX_QUESTIONS + MAX_PROBES),
            "probes": (len(group._probed), MAX_PROBES),
            "replay windows": (len(group._guard._windows), MAX_HOSTS),
            "nonces": (len(vouchers._nonces), MAX_NONCES),
            "placed tokens": (len(vouchers._homes), MAX_PLACED),
            "links": (len(core._links), MAX_LINKS),
            "links of ours": (len(core._links), len(host.links)),
            "blocks": (len(group.blocks), MAX_BLOCKS),
            "words on screens": (len(core.fence._nonces), MAX_SHOWN),
            "asking": (core.authentication.selection.asking(), len(core._links)),
        }
        for name, (size, maximum) in sizes.items():
            if size > maximum:
                self._world.checks.fail("bounded", f"{host.name} holds {size} {name}")

    # The end

    def settled(self) -> None:
        """All faults are over for a while: everybody has exactly what is due."""
        world = self._world
        for desk in world.desks:
            self._settled_desk(desk)
        for host in world.hosts:
            if host.core is None:
                continue
            core = host.core
            live = {record.host for record in core.group.topology.live()}
            missing = set(world.hosts_by_name) - live - {host.name}
            if missing:
                world.checks.fail("settled", f"{host.name} does not know {sorted(missing)}")
            if core.authentication.selection.asking() or any(
                link.inserting for link in core._links.values()
            ):
                world.checks.fail("settled", f"{host.name} is still deciding")
            for session in core.sessions:
                self._settled_session(host, session.session)
            for job in host.launcher.jobs:
                if core.sessions.get(job) is None:
                    world.checks.fail("settled", f"{host.name} runs {job} and does not know it")

    def _settled_desk(self, desk: "DeskNode") -> None:
        world = self._world
        if desk.name in world.warden.revoked:
            if desk.attached or desk.screen is not None:
                world.checks.fail("blocked", f"{desk.name} is revoked, and here")
            return
        if not desk.attached:
            world.checks.fail("settled", f"{desk.name} is {desk.terminal.state.value}")
        having = [
            host.name
            for host in world.hosts
            for stream in host.links.values()
            if stream.node == desk.name
        ]
        if len(having) != 1:
            world.checks.fail("one server", f"{desk.name} is attached to {having}")
        if desk.card is None:
            if desk.screen is not None:
                world.checks.fail("settled", f"{desk.name} shows a session without a card")
            return
        registered = world.registry.get(desk.card)
        lost = desk.card in world.warden.lost
        if registered is None or not registered.enabled or desk.forged or lost:
            if desk.screen is not None:
                world.checks.fail("proof", f"{desk.name} shows a session to {desk.card}")
            return
        if desk.live is not None:
            return
        if desk.words == catalogue.TAKEN_OVER.code and desk.card in world.people.cloned:
            return
        world.checks.fail("settled", f"{desk.name} shows nothing, words {desk.words}")

    def _settled_session(self, host: "HostNode", name: str) -> None:
        """The core's view of who shows a session is what is on the screens."""
        world = self._world
        session = host.core.sessions.get(name) if host.core is not None else None
        if session is None or session.attachment is None:
            return
        desk = world.desks_by_name[session.attachment.dtu]
        shown = desk.live
        if shown is None or (shown.session, shown.epoch) != (name, session.attachment.epoch):
            world.checks.fail(
                "settled", f"{host.name} has {name} at {desk.name}, which shows {shown}"
            )
