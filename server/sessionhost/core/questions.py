"""A tokenQ and the answers that come to it. Datagrams and sockets are the group manager's."""

from dataclasses import dataclass, field

from roamwire.addresses import Address
from roamwire.datagrams import Claim, TokenR
from sessionhost.core.timing import QUESTION_REPEAT_S, QUESTION_S


@dataclass(frozen=True)
class Answer:
    """What one server said of a token; `address` is where the DTU can reach it, None if nowhere."""

    host: str
    address: Address | None
    port: int
    nonce: str
    cpus: int = 1
    load: int = 0
    sessions: int = 0
    drain: bool = False
    pending: bool = False
    home: str = ""
    claims: tuple[Claim, ...] = ()

    @classmethod
    def of(cls, message: TokenR, address: Address | None, port: int) -> "Answer":
        """The answer that a tokenR carries."""
        return cls(
            message.host,
            address,
            port,
            message.nonce,
            message.cpus,
            message.load,
            message.sessions,
            message.drain,
            message.pending,
            message.home,
            message.claims,
        )


@dataclass
class Question:
    """One tokenQ under way; `until` is when it is over whatever has come.

    `address` is where a probe goes: its host may not be in the topology yet.
    """

    qid: str
    digest: str
    dtu: Address
    awaited: set[str]
    until: float
    repeat_at: float
    address: str = ""
    patient: dict[str, float] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, qid: str, digest: str, dtu: Address, awaited: set[str], now: float
    ) -> "Question":
        """A question that starts now."""
        return cls(qid, digest, dtu, awaited, now + QUESTION_S, now + QUESTION_REPEAT_S)

    def wait_for(self, host: str, until: float) -> None:
        """The host restarts and may hold the session: give it longer than the others."""
        self.patient[host] = until

    @property
    def probe(self) -> bool:
        """Whether this only asks "are you this boot?"."""
        return self.digest == ""

    def silent(self) -> set[str]:
        """Hosts that are still to answer."""
        return self.awaited - self.answers.keys()

    def give_up_on(self, host: str) -> None:
        """Its kernel says that nobody listens there; not so if it is only restarting."""
        if host not in self.patient:
            self.awaited.discard(host)

    def over_at(self) -> float:
        """When to stop waiting: later for restarting hosts, unless a session is found already."""
        if any(answer.claims for answer in self.answers.values()):
            return self.until
        return max(
            (self.patient[h] for h in self.silent() & self.patient.keys()), default=self.until
        )

    def over(self, now: float) -> bool:
        """Whether all have answered or the time is up."""
        return not self.silent() or now >= max(self.until, self.over_at())

    def next_deadline(self) -> float:
        """When to repeat or to end."""
        return min(self.repeat_at, max(self.until, self.over_at()))
