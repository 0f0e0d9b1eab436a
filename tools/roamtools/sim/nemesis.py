"""Makes faults, one episode after another with calm between, and heals them all in the end."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from roamtools.sim.network import Cut, Quality
from roamtools.sim.plan import Plan

if TYPE_CHECKING:
    from roamtools.sim.hosts import HostNode
    from roamtools.sim.world import World

EVERYBODY: frozenset[str] = frozenset()

LENGTH_S = (1.0, 16.0)
"""Shorter and longer than every time-out of the protocol."""

DOWN_S = (0.5, 32.0)
"""A dead host stays away so long; the longest leave room for a stable group without it."""

SKEWS_S = (-1.7e9, -45.0, -20.0, 20.0, 45.0, 3600.0)
"""Wall clocks jump by this; the first sets them to 1970."""


class Nemesis:
    """The faults of one seed."""

    def __init__(self, world: "World", plan: Plan, rng: random.Random) -> None:
        self._world = world
        self._plan = plan
        self._rng = rng
        self._over = False
        self._undo: dict[int, Callable[[], None]] = {}
        self._number = 0
        self._faults: tuple[tuple[int, Callable[[], None]], ...] = (
            (6, self._kill),
            (5, self._power),
            (5, self._cut_host),
            (3, self._one_way),
            (3, self._bridge),
            (3, self._half),
            (3, self._some_desks),
            (4, self._poor),
            (4, self._restart_daemon),
            (2, self._skew),
            (3, self._plug),
            (2, self._lease),
            (3, self._drain),
            (4, self._clones),
        )

    def start(self) -> None:
        """The first calm is for everybody to come up."""
        self._world.clock.after(self._rng.uniform(*self._plan.calm_s), self._episode)

    def finish(self) -> None:
        """No more faults: everything that is broken is mended now."""
        self._over = True
        for undo in list(self._undo.values()):
            undo()
        self._undo.clear()

    def _episode(self, _: None) -> None:
        if self._over:
            return
        weights = [weight for weight, _fault in self._faults]
        for _number in range(1 if self._rng.random() < 0.6 else self._rng.randrange(2, 4)):
            self._rng.choices(self._faults, weights)[0][1]()
        rest = self._rng.uniform(*self._plan.calm_s)
        if self._rng.random() < 0.25:  # and the next ones come into the same trouble
            rest = self._rng.uniform(0.5, 4.0)
        self._world.clock.after(self._rng.uniform(0, LENGTH_S[1]) + rest, self._episode)

    def _for(self, span: tuple[float, float], undo: Callable[[], None]) -> None:
        """Undo a fault after a time within the span, or at the end of all faults."""
        self._number += 1
        number = self._number
        self._undo[number] = undo

        def over(_: None) -> None:
            if number in self._undo:
                del self._undo[number]
                undo()

        self._world.clock.after(self._rng.uniform(*span), over)

    # Hosts

    def _victim(self) -> "HostNode | None":
        """A running host; one at least always stays."""
        running = [host for host in self._world.hosts if host.up]
        return self._rng.choice(running) if len(running) > 1 else None

    def _kill(self) -> None:
        host = self._victim()
        if host is None:
            return
        self._world.disturbed(f"{host.name}: all processes killed", death="reset")
        host.crash(power=False)
        self._for(DOWN_S, lambda: self._start(host))

    def _start(self, host: "HostNode") -> None:
        self._world.disturbed(f"{host.name} starts")
        host.power_on()

    def _power(self) -> None:
        host = self._victim()
        if host is None:
            return
        self._world.disturbed(f"{host.name}: power lost", death="silence")
        host.crash(power=True)
        net = self._world.net
        cuts = self._silence([host.name])

        def back() -> None:
            net.heal(cuts)
            self._start(host)

        self._for(DOWN_S, back)

    def _restart_daemon(self) -> None:
        host = self._victim()
        if host is None:
            return
        polite = self._rng.random() < 0.6
        self._world.disturbed(f"{host.name}: daemon {'restarts' if polite else 'is killed'}")
        self._world.restarted_at = self._world.clock.now
        host.stop_daemon(polite=polite)
        span = (0.2, 2.5) if self._rng.random() < 0.8 else (4.0, 9.0)
        self._for(span, lambda: self._start(host))

    def _skew(self) -> None:
        for host in self._rng.sample(self._world.hosts, min(2, len(self._world.hosts))):
            offset = self._rng.choice(SKEWS_S)
            self._world.note("nemesis", f"{host.name}: wall clock jumps by {offset:.0f} s")
            host.set_wall_offset(host.wall_offset + offset)

    def _drain(self) -> None:
        host = self._rng.choice(self._world.hosts)
        self._world.note("nemesis", f"{host.name}: drain")
        host.set_drain(True)
        self._for((5.0, 40.0), lambda: host.set_drain(False))

    # Network

    def _silence(self, nodes: list[str]) -> list[Cut]:
        net = self._world.net
        return [net.cut(nodes, EVERYBODY), net.cut(EVERYBODY, nodes)]

    def _cut_for(self, what: str, cuts: list[Cut]) -> None:
        world = self._world
        world.net_fault(what)

        def heal() -> None:
            world.net.heal(cuts)
            world.net_healed(what)

        self._for(LENGTH_S, heal)

    def _cut_host(self) -> None:
        host = self._rng.choice(self._world.hosts)
        self._cut_for(f"{host.name} is cut off", self._silence([host.name]))

    def _one_way(self) -> None:
        host, net = self._rng.choice(self._world.hosts), self._world.net
        if self._rng.random() < 0.5:
            self._cut_for(f"{host.name} is not heard", [net.cut([host.name], EVERYBODY)])
        else:
            self._cut_for(f"{host.name} hears nothing", [net.cut(EVERYBODY, [host.name])])

    def _split(self, names: list[str]) -> tuple[list[str], list[str]]:
        shuffled = self._rng.sample(names, len(names))
        at = self._rng.randrange(1, max(2, len(names)))
        return shuffled[:at], shuffled[at:]

    def _bridge(self) -> None:
        """The link between two switches: hosts and desks fall into two groups."""
        world, net = self._world, self._world.net
        left, right = self._split([host.name for host in world.hosts])
        for desk in world.desks:
            (left if self._rng.random() < 0.5 else right).append(desk.name)
        self._cut_for("bridge in two", [net.cut(left, right), net.cut(right, left)])

    def _clones(self) -> None:
        """The bridge in two, and on either side one of two cards with the same number."""
        world, net = self._world, self._world.net
        twins = world.people.twins()
        if not twins or not world.net_healthy:
            return
        left, right = self._split([host.name for host in world.hosts])
        desks = self._rng.sample(world.desks, len(world.desks))
        for number, desk in enumerate(desks):
            (left if number % 2 else right).append(desk.name)
        cuts = [net.cut(left, right), net.cut(right, left)]
        world.net_fault("bridge in two, with a cloned card")

        def insert(_: None) -> None:
            for card, number in zip(self._rng.choice(twins), (0, 1), strict=True):
                free = [desk for desk in desks[number::2] if desk.card is None]
                if free:
                    world.people.carry(card, self._rng.choice(free))

        def heal() -> None:
            net.heal(cuts)
            world.net_healed("bridge in two, with a cloned card")

        world.clock.after(self._rng.uniform(5.0, 7.0), insert)
        self._for((9.0, 15.0), heal)

    def _half(self) -> None:
        """Hosts do not hear each other, desks hear all of them."""
        net = self._world.net
        left, right = self._split([host.name for host in self._world.hosts])
        self._cut_for("hosts in two", [net.cut(left, right), net.cut(right, left)])

    def _some_desks(self) -> None:
        """Some desks lose one host, and nobody else does."""
        net, world = self._world.net, self._world
        host = [self._rng.choice(world.hosts).name]
        desks = [desk.name for desk in world.desks if self._rng.random() < 0.3]
        if desks:
            self._cut_for(
                f"some desks lose {host[0]}", [net.cut(desks, host), net.cut(host, desks)]
            )

    def _poor(self) -> None:
        world = self._world
        quality = Quality(
            loss=self._rng.choice([0.0, 0.02, 0.1, 0.25]),
            duplicates=self._rng.choice([0.0, 0.05, 0.3]),
            delay_s=self._rng.choice([0.0, 0.005, 0.05]),
            jitter_s=self._rng.choice([0.0, 0.02, 0.2]),
        )
        nodes = [host.name for host in world.hosts if self._rng.random() < 0.5]
        nodes += [desk.name for desk in world.desks if self._rng.random() < 0.2]
        what = f"{len(nodes)} poor links {quality}"
        world.net.spoil(nodes, quality)
        world.net_fault(what)

        def mend() -> None:
            world.net.mend(nodes)
            world.net_healed(what)

        self._for(LENGTH_S, mend)

    # Desks

    def _plug(self) -> None:
        for desk in self._rng.sample(self._world.desks, max(1, len(self._world.desks) // 20)):
            self._world.note("nemesis", f"{desk.name}: plug pulled and put back")
            desk.power_cycle()
        self._world.disturbed("desks start again")

    def _lease(self) -> None:
        for desk in self._rng.sample(self._world.desks, max(1, len(self._world.desks) // 10)):
            desk.lost_lease()
            self._world.clock.after(self._rng.uniform(0.01, 3.0), desk.leased)
        self._world.disturbed("leases lost for a while")
