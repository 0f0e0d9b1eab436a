"""One seed's world: network, hosts, desks, people, faults, attacker and checkers, put together."""

import gc
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from roamtools.sim import memo
from roamtools.sim.attacker import Attacker
from roamtools.sim.audit import Audit
from roamtools.sim.checks import Checks, Violation, guarded
from roamtools.sim.clerk import Clerk
from roamtools.sim.clock import START_S, Clock
from roamtools.sim.desks import DeskNode
from roamtools.sim.hosts import HostNode
from roamtools.sim.nemesis import Nemesis
from roamtools.sim.network import Network
from roamtools.sim.people import People
from roamtools.sim.plan import STABLE_S, Plan
from roamtools.sim.warden import Warden
from roamwire.signing import GroupSecrets
from roamwire.tokens import Token
from sessionhost.core.registration import Registration

SLOW_S = 14.0
"""A segment on a poor link can be this late; known of for SLOW_AFTER_S after it has healed."""
SLOW_AFTER_S = 15.0


@dataclass(frozen=True)
class Outcome:
    """What one seed has shown; `digest` is the same whenever the same events have happened."""

    seed: int
    digest: str
    virtual_s: float
    steps: int
    counts: dict[str, int] = field(default_factory=dict)
    rule: str = ""
    detail: str = ""
    at_s: float = 0.0


class World:
    """Everything of one seed; only `random.Random` objects made from the seed decide anything."""

    def __init__(
        self, seed: int, plan: Plan, trace: Callable[[float, str, str], None] | None = None
    ) -> None:
        self._plan = plan
        self._seed = seed
        self._trace = trace
        self._digest = 0
        self._net_faults = 0
        self._net_healed_at = float("-inf")
        self.clock = Clock()
        self.net = Network(self.clock, self._rng("net"))
        self.secrets = GroupSecrets(b"the secret of the simulated group")
        self.registry: dict[Token, Registration] = {}
        self.disturbed_at = self.restarted_at = self.clock.now
        self.before_disturbance = 0.0
        self.clean_death = ""
        self.doubled_since: dict[str, float] = {}
        self.cloned_since: dict[Token, float] = {}
        self.checks = Checks(self)
        self.attacker = Attacker(self, plan, self._rng("attacker"))
        numbers = range(1, plan.servers + 1)
        self.hosts = [HostNode(self, n, self._rng(f"host {n}")) for n in numbers]
        self.hosts_by_name = {host.name: host for host in self.hosts}
        self.by_address = {str(host.ip): host for host in self.hosts}
        self.desks = [DeskNode(self, n, self._rng(f"desk {n}")) for n in range(plan.dtus)]
        self.desks_by_name = {desk.name: desk for desk in self.desks}
        self.desks_by_address = {str(desk.ip): desk for desk in self.desks}
        for desk in self.desks[:: int(1 / plan.rogues)]:
            desk.rogue = True
        self.people = People(self, plan, self._rng("people"))
        self.nemesis = Nemesis(self, plan, self._rng("nemesis"))
        self.warden = Warden(self, plan, self._rng("warden"))
        self.clerk = Clerk(self, plan, self._rng("clerk"))
        self.audit = Audit(self)

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed} {purpose}")

    # Story

    def note(self, who: str, text: str) -> None:
        """Something happened that belongs to the story of this seed."""
        line = f"{self.clock.now:.6f} {who} {text}"
        self._digest = zlib.crc32(line.encode(), self._digest)
        if self._trace is not None:
            self._trace(self.clock.now - START_S, who, text)

    def disturbed(self, what: str, *, death: str = "") -> None:
        """A fault begins or ends: bounds count from here.

        `death`: a host has died, `reset` by its kernel or with `silence`.
        """
        self.before_disturbance = self.stable_for
        self.clean_death = death if self.stable_for >= STABLE_S else ""
        self.disturbed_at = self.clock.now
        self.note("nemesis", what)

    def net_fault(self, what: str) -> None:
        """The network is not whole any more."""
        self.disturbed(what)
        self._net_faults += 1

    def net_healed(self, what: str) -> None:
        """One fault of the network is over."""
        self._net_faults -= 1
        self._net_healed_at = self.clock.now
        self.disturbed(f"over: {what}")

    @property
    def net_healthy(self) -> bool:
        """Whether the network has no fault; a host without power is no fault of the network."""
        return self._net_faults == 0

    @property
    def stable_for(self) -> float:
        """Seconds since the last fault began or ended, 0 while the network has one."""
        return self.clock.now - self.disturbed_at if self.net_healthy else 0.0

    @property
    def slowest(self) -> float:
        """Seconds that something may be late because the network is, or was just now, not whole."""
        healthy_for = self.clock.now - self._net_healed_at if self.net_healthy else 0.0
        return 0.0 if healthy_for > SLOW_AFTER_S else SLOW_S

    # Run

    def run(self) -> Outcome:
        """The whole seed, up to its end or its first violation."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            with memo.installed():
                violation = guarded(self._play)
        finally:
            if collecting:
                gc.enable()
        passed = self.clock.now - START_S
        found = violation or Violation("", "")
        return Outcome(
            self._seed, f"{self._digest:08x}", passed, self.clock.steps, dict(self.checks.counts),
            found.rule, found.detail, passed if violation else 0.0,
        )  # fmt: skip

    def _play(self) -> None:
        plan, clock, rng = self._plan, self.clock, self._rng("start")
        for host in self.hosts:
            host.set_wall_offset(1.7e9 + rng.choice([0.0, 0.0, -30.0, 40.0, -1.7e9]))
            clock.after(rng.uniform(0, 3.0), self._start_host, host)
        for desk in self.desks:
            clock.after(rng.uniform(0, 6.0), desk.power_up)
        self.people.start()
        self.nemesis.start()
        self.attacker.start()
        self.warden.start()
        self.clerk.start()
        self.audit.start()
        end = clock.now + plan.seconds
        clock.run(end - plan.settle_s)
        self.note("world", "all faults are over, everybody stays where they are")
        self.nemesis.finish()
        self.warden.finish()
        self.clerk.finish()
        self.disturbed("the end")
        self.people.be_still()
        for host in self.hosts:
            host.launcher.reliable = True
        clock.run(end)
        self.audit.settled()
        self.note("world", f"settled after {clock.steps} steps, {self.checks.counts}")

    def _start_host(self, host: HostNode) -> None:
        if host.powered and not host.up:
            host.start_daemon()
