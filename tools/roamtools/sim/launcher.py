"""The simulated launcher of one host: sessions start after a while, sometimes not at all."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from roamtools.sim.clock import Clock
from roamtools.sim.plan import SESSION_START_S
from roamwire.notices import DisconnectReason
from roamwire.tokens import Token
from sessionhost.core.actions import StartSession

START_S = (0.08, SESSION_START_S)
"""An X server answers after this."""

FAILS = 0.01
"""Share of starts that fail at once (a broken home directory, a full disk)."""


@dataclass
class Job:
    """One session's processes."""

    session: str
    user: str
    token: Token
    recipe: str
    ready: bool = False


class Launcher:
    """The jobs of one host; it outlives the daemons, and they ask it what is running."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        on_ready: Callable[[str], None],
        on_gone: Callable[[Job, DisconnectReason], None],
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.reliable = False
        self._clock = clock
        self._rng = rng
        self._on_ready = on_ready
        self._on_gone = on_gone

    def start(self, order: StartSession) -> None:
        """Start a session; one of the two callbacks follows."""
        job = Job(order.session, order.user, order.token, order.recipe)
        self.jobs[order.session] = job
        failing = not self.reliable and self._rng.random() < FAILS
        self._clock.after(self._rng.uniform(*START_S), self._fail if failing else self._ready, job)

    def stop(self, session: str) -> None:
        """End a session by order."""
        self.end(session, DisconnectReason.ENDED)

    def end(self, session: str, reason: DisconnectReason) -> None:
        """The session's processes are gone: by order, or the user has signed off."""
        job = self.jobs.pop(session, None)
        if job is not None:
            self._on_gone(job, reason)

    def die(self) -> None:
        """The host is gone with all that ran on it."""
        self.jobs.clear()

    def _ready(self, job: Job) -> None:
        if self.jobs.get(job.session) is job:
            job.ready = True
            self._on_ready(job.session)

    def _fail(self, job: Job) -> None:
        if self.jobs.get(job.session) is job:
            self.end(job.session, DisconnectReason.FAILED)
