"""Group manager: announces its host, keeps the topology, asks and answers serverQ and tokenQ.

Sans-I/O: bytes and times in, datagrams and events out. What an insert leads to is decided in
`insert`. Verification comes before any parsing; what fails is counted by reason and dropped.
"""

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from roamwire.addresses import NO_ADDRESS, Address, address_of
from roamwire.control import Server
from roamwire.datagrams import (
    Block,
    BlockEntry,
    BlockQ,
    Claim,
    Datagram,
    Host,
    Interface,
    Numbered,
    ServerQ,
    ServerR,
    Shown,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
    renumbered,
)
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_HOSTS, MAX_INTERFACES
from roamwire.replay import ReplayGuard
from roamwire.signing import GroupSecrets
from sessionhost.core.announcing import Standing, ways
from sessionhost.core.block_exchange import BlockExchange
from sessionhost.core.blocks import BlockSet
from sessionhost.core.group_events import (
    BlocksChanged,
    GroupEvent,
    HostDown,
    HostUp,
    NameClash,
    Outgoing,
    ShownElsewhere,
    Source,
    TokenAnswered,
    TokenAsked,
)
from sessionhost.core.questions import Answer, Question
from sessionhost.core.timing import (
    ANNOUNCE_SOON_S,
    PROBE_REPEAT_S,
    QUESTION_REPEAT_S,
    RESTARTING_QUESTION_S,
    Profile,
)
from sessionhost.core.topology import Topology

MAX_QUESTIONS = 512
"""tokenQ under way: more inserts than that within 300 ms wait for their turn."""

MAX_PROBES = MAX_HOSTS
"""Boots under proof at a time: only signed datagrams start one."""

MAX_NAMESAKES = 9
"""Boots under our own name that are told, each once; ours is one. Recorded ones may be replayed."""


@dataclass
class _Probe:
    """A boot under proof, and the last host message that came from it meanwhile."""

    qid: str
    source: Source
    message: Host | None = None


class GroupManager:
    """One server's part in the group. `wall_offset`: wall clock minus monotonic clock, seconds."""

    def __init__(
        self,
        standing: Standing,
        secrets: GroupSecrets,
        profile: Profile,
        rng: random.Random,
        *,
        group_port: int = 7009,
        seeds: Iterable[str] = (),
        multicast: str = "",
        broadcast: bool = True,
    ) -> None:
        self.standing = standing
        self.secrets = secrets
        self.topology = Topology(profile.host_down_s)
        self.dropped: Counter[str] = Counter()
        self.heard_by: Counter[str] = Counter()
        self.wall_offset = 0.0
        self.blocks = BlockSet()
        self.boot = f"{rng.getrandbits(64):016x}"
        self._profile = profile
        self._rng = rng
        self._port = group_port
        self._seeds = tuple(seeds)
        self._multicast = multicast
        self._broadcast = broadcast
        self._seq = 0
        self._announce_at = 0.0
        self._guard = ReplayGuard()
        self._namesakes = {self.boot}
        self._present: dict[str, str] = {}
        self._questions: dict[str, Question] = {}
        self._probed: dict[tuple[str, str], _Probe] = {}
        self._exchange = BlockExchange(self.blocks, standing.host, rng)
        self._out: list[Outgoing] = []
        self._events: deque[GroupEvent] = deque()

    # What our own host tells us

    def set_interfaces(self, interfaces: Iterable[Interface], now: float) -> None:
        """The kernel's interfaces; a change is announced at once."""
        found = tuple(interfaces)[:MAX_INTERFACES]
        if found != self.standing.interfaces:
            self.standing.interfaces = found
            self.announce_soon(now)

    def announce_soon(self, now: float) -> None:
        """Something worth telling has changed."""
        self._announce_at = min(self._announce_at, now + ANNOUNCE_SOON_S)

    def announce_now(self, now: float) -> None:
        """Queue a host message for every way that is configured.

        Each has a number of its own: who hears us on two interfaces is to see that both work, and
        would take the second one for a replay.
        """
        message = self.standing.message(now + self.wall_offset, self.blocks.summary)
        for address, name, source in self._ways():
            self._out.append(Outgoing(self._numbered(message), address, self._port, name, source))
        self._announce_at = now + self._profile.announce_s

    def _ways(self) -> list[tuple[str, str, str]]:
        return ways(
            self.standing.interfaces,
            broadcast=self._broadcast,
            multicast=self._multicast,
            seeds=self._seeds,
        )

    def _numbered(self, message: Numbered) -> bytes:
        self._seq += 1
        return self.secrets.sign(encode_datagram(renumbered(message, self.boot, self._seq)))

    # Datagrams in

    def receive_datagram(
        self, data: bytes, source: Source, interface: str, now: float, way: str = "unicast"
    ) -> None:
        """Take in one datagram; anything wrong with it is counted in `dropped` and nothing more.

        `way` is how it came (`broadcast`, `multicast`, `unicast`), shown in the status.
        """
        try:
            signed = self.secrets.verify(data)
            message = parse_datagram(signed.body)
            self._dispatch(message, signed.trusted, source, interface, now, way)
        except RemoteProtocolError as error:
            self.dropped[error.reason] += 1

    def _dispatch(
        self, message: Datagram, trusted: bool, source: Source, interface: str, now: float, way: str
    ) -> None:
        if isinstance(message, ServerQ):
            self._answer_server_q(message, source, interface)
            return
        if isinstance(message, ServerR):
            raise RemoteProtocolError("misdirected", "a serverR is for DTUs")
        if not trusted:
            if not isinstance(message, Host):
                raise RemoteProtocolError("untrusted", "not signed by this group")
            self._heard(message, False, source, now)
            return
        if message.host == self.standing.host:
            if message.boot not in self._namesakes and len(self._namesakes) < MAX_NAMESAKES:
                self._namesakes.add(message.boot)
                self._events.append(NameClash(source[0]))
            return
        if not message.boot and isinstance(message, Host) and self.secrets.classic:
            # The patent's form: no number to judge by, no answers to questions; for display.
            self._heard(message, True, source, now)
            return
        if not self._guard.accept(message.host, message.boot, message.seq):
            raise RemoteProtocolError("replay", f"{message.host} {message.seq}")
        self.heard_by[way] += 1
        if isinstance(message, TokenR):
            self._receive_token_r(message, now)
        elif isinstance(message, Block):  # of any boot: it is merged by its stamps
            self._receive_block(message, now)
        else:
            self._receive_present(message, source, now)

    def _receive_present(
        self, message: Host | TokenQ | BlockQ | Shown, source: Source, now: float
    ) -> None:
        """What only the present boot of a host may say; another one is asked to prove itself."""
        present = self._present.get(message.host) == message.boot
        if not present and not isinstance(message, Shown):
            self._probe(message, source, now)
        if isinstance(message, TokenQ):
            self._events.append(
                TokenAsked(
                    message.tokenQ, message.host, message.boot, message.token, message.pending,
                    source,
                )
            )  # fmt: skip
        elif not present:
            return
        elif isinstance(message, Host):
            self._heard(message, True, source, now)
        elif isinstance(message, BlockQ):
            self._exchange.asked(message, source[0])
        else:
            self._events.append(ShownElsewhere(message))

    def _heard(self, message: Host, trusted: bool, source: Source, now: float) -> None:
        known = self.topology.trusted(message.host)
        fresh = trusted and (known is None or known.down)
        wall = now + self.wall_offset
        record = self.topology.heard(message, trusted=trusted, source=source, now=now, wall=wall)
        if record is not None and fresh:
            record.down = False
            self._events.append(HostUp(message.host))
            self.announce_soon(now)
        if record is not None and trusted:
            self._exchange.heard(message.host, message.blocks, source[0], now)

    def _receive_block(self, message: Block, now: float) -> None:
        news = self._exchange.told(message, now)
        if news:
            self.announce_soon(now)  # so that who did not hear it asks us
            self._events.append(BlocksChanged(news))

    def block(self, key: str, now: float, *, blocked: bool) -> BlockEntry:
        """Block a card or terminal in the whole group, or allow it again."""
        entry = self.blocks.put(key, blocked, self.standing.host)
        self._exchange.news((entry,), now)
        self.announce_soon(now)
        return entry

    def _answer_server_q(self, message: ServerQ, source: Source, interface: str) -> None:
        own = self.standing
        dtu = address_of(source[0])
        matching = [each for each in own.interfaces if each.contains(dtu)]
        matching += [each for each in own.interfaces if each.interface == interface]
        here = [found for each in matching if (found := each.address(dtu.version))]
        if not here or own.back_ms:
            return
        answer = ServerR(
            message.serverQ, own.host, here[0], own.port, own.cpus, own.load, own.sessions,
            own.closed,
        )  # fmt: skip
        self._out.append(Outgoing(encode_datagram(answer), source[0], source[1]))

    # Which boot of a host is the present one: it must answer a question of ours

    def _probe(self, message: Host | TokenQ | BlockQ, source: Source, now: float) -> None:
        key = (message.host, message.boot)
        host_message = message if isinstance(message, Host) else None
        under_way = self._probed.get(key)
        if under_way is not None and host_message is not None:
            under_way.message, under_way.source = host_message, source
        if under_way is not None or len(self._probed) >= MAX_PROBES:
            return
        qid = self._new_id()
        self._probed[key] = _Probe(qid, source, host_message)
        question = Question.begin(qid, "", NO_ADDRESS, {message.host}, now)
        question.until = now + PROBE_REPEAT_S
        question.address = source[0]
        self._questions[qid] = question
        self._send_question(question, source[0])

    def _settle(self, host: str, boot: str, now: float) -> None:
        if self._present.get(host) == boot:
            return
        self._present[host] = boot
        self._guard.settle(host, boot)
        self.announce_soon(now)  # it has just started, and waits to hear who is there
        proven = self._probed.get((host, boot))
        for key in [key for key in self._probed if key[0] == host]:
            self._questions.pop(self._probed.pop(key).qid, None)
        if proven is not None and proven.message is not None:
            self._heard(proven.message, True, proven.source, now)

    # Questions

    @property
    def busy(self) -> bool:
        """Whether another question has to wait: an empty answer would mean "no session"."""
        return len(self._questions) >= MAX_QUESTIONS

    def ask(self, digest: str, dtu: Address, now: float, *, lost: str = "") -> str:
        """Ask the trusted live hosts for a token; ends in a TokenAnswered with the returned id.

        `lost` is a host that the DTU has just lost: it is not asked, its session is out of reach.
        """
        qid = self._new_id()
        records = [record for record in self.topology.answering() if record.host != lost]
        question = Question.begin(qid, digest, dtu, {record.host for record in records}, now)
        for record in records:
            if record.message.back_ms:
                back_s = min(record.message.back_ms / 1000, RESTARTING_QUESTION_S)
                question.wait_for(record.host, max(record.lastseen + back_s, question.until))
            self._send_question(question, record.source[0])
        self._questions[qid] = question
        if question.over(now):
            self._end(question)
        return qid

    def _send_question(self, question: Question, address: str) -> None:
        message = TokenQ(
            question.qid, self.standing.host, self.boot, 0, question.digest, question.dtu,
            pending=not question.probe,
        )  # fmt: skip
        self._out.append(Outgoing(self._numbered(message), address, self._port))

    def answer(
        self, asked: TokenAsked, claims: tuple[Claim, ...], nonce: str, *, pending: bool, home: str
    ) -> None:
        """Answer a TokenAsked; an empty digest (a probe) is answered without claims."""
        own = self.standing
        message = TokenR(
            asked.qid, own.host, self.boot, 0, asked.boot, nonce, own.cpus, own.load,
            own.sessions, own.closed, pending, home, claims,
        )  # fmt: skip
        self._out.append(Outgoing(self._numbered(message), asked.source[0], self._port))

    def _receive_token_r(self, message: TokenR, now: float) -> None:
        question = self._questions.get(message.tokenR)
        if question is None or message.asked != self.boot:
            raise RemoteProtocolError("late", "an answer to no question of ours")
        if message.host not in question.awaited:
            raise RemoteProtocolError("misdirected", f"{message.host} was not asked")
        self._settle(message.host, message.boot, now)
        if question.probe:
            self._questions.pop(question.qid, None)
            return
        record = self.topology.trusted(message.host)
        if record is None:
            return
        address = self.topology.reachable_address(
            record, question.dtu, self.standing.interfaces, now
        )
        question.answers[message.host] = Answer.of(message, address, record.message.port)
        if question.over(now):
            self._end(question)

    def refused(self, address: str, now: float) -> None:
        """The kernel at that address says that nobody listens on the group port: do not wait.

        Such a message can be forged, so it counts only for hosts that have missed an announcement.
        """
        overdue_s = 1.5 * self._profile.announce_s
        for question in list(self._questions.values()):
            for host in list(question.silent()):
                record = self.topology.trusted(host)
                if record is None or not record.is_at(address):
                    continue
                if now - record.lastseen > overdue_s:
                    question.give_up_on(host)
            if not question.probe and question.over(now):
                self._end(question)

    def _end(self, question: Question) -> None:
        self._questions.pop(question.qid, None)
        answers = tuple(question.answers[host] for host in sorted(question.answers))
        silent = tuple(sorted(question.silent()))
        self._events.append(TokenAnswered(question.qid, answers, silent))

    def _new_id(self) -> str:
        return f"{self._rng.getrandbits(64):016x}"

    # Time

    def next_deadline(self) -> float:
        """When `handle_deadline` is to be called next, in seconds of the caller's clock."""
        times = [self._announce_at, *(q.next_deadline() for q in self._questions.values())]
        times += self._exchange.deadlines()
        down = self.topology.next_down()
        return min(times if down is None else [*times, down])

    def handle_deadline(self, now: float) -> None:
        """Announce, repeat, give up, notice silence: whatever is due."""
        if now >= self._announce_at:
            self.announce_now(now)
        self._exchange.handle_deadline(now)
        for question in list(self._questions.values()):
            if question.over(now):
                self._give_up(question)
            elif now >= question.repeat_at:
                question.repeat_at = now + QUESTION_REPEAT_S
                self._repeat(question)
        for record in self.topology.mark_down(now):
            # It must answer us again: what we have never heard of it can be replayed to us.
            self._present.pop(record.host, None)
            self._events.append(HostDown(record.host))

    def _give_up(self, question: Question) -> None:
        if question.probe:
            self._questions.pop(question.qid, None)
            self._probed = {k: p for k, p in self._probed.items() if p.qid != question.qid}
        else:
            self._end(question)

    def _repeat(self, question: Question) -> None:
        for host in sorted(question.silent()):
            record = self.topology.trusted(host)
            if question.probe:
                self._send_question(question, question.address)
            elif record is not None:
                self._send_question(question, record.source[0])

    # Out

    def datagrams_to_send(self, now: float) -> list[Outgoing]:
        """What is to be sent now; the queue is empty afterwards."""
        for message, address in self._exchange.messages():
            self._tell(message, address)
        out, self._out = self._out, []
        return out

    def tell(self, message: Numbered, host: str) -> None:
        """A message to one server, or ("") to every live one."""
        for record in self.topology.answering():
            if host in ("", record.host):
                self._tell(message, record.source[0])

    def _tell(self, message: Numbered, address: str) -> None:
        """To one address, or ("") on every way and to every live server by itself."""
        to = [(address, "", "")]
        if not address:
            to = self._ways()
            to += [(record.source[0], "", "") for record in self.topology.answering()]
        for where, name, source in to:
            self._out.append(Outgoing(self._numbered(message), where, self._port, name, source))

    def next_event(self) -> GroupEvent | None:
        """The next thing that the caller should know, or None."""
        return self._events.popleft() if self._events else None

    def servers_for(self, dtu: Address, now: float) -> tuple[Server, ...]:
        """The servers that a DTU can reach, this one first, for its list."""
        own = self.standing
        near = [each for each in own.interfaces if each.contains(dtu)]
        mine = [at for each in (*near, *own.interfaces) if (at := each.address(dtu.version))]
        found = [Server(own.host, str(mine[0]), own.port)] if mine else []
        for record in self.topology.answering():
            address = self.topology.reachable_address(record, dtu, own.interfaces, now)
            if address is not None:
                found.append(Server(record.host, str(address), record.message.port))
        return tuple(found)
