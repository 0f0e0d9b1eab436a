"""Requests to PIV cards, one after another on a thread of their own; the library is not here.

The thread that watches the readers goes on meanwhile: a card that computes for a second does not
keep it from seeing another one leave.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dtu.core.events import CardAnswered
from dtu.core.piv.client import perform
from dtu.core.piv.results import CardRequest, CardResult, NoPiv, NotDone, PivCard
from dtu.drivers.card.base import Post
from dtu.drivers.card.insertions import Held, Insertions
from dtu.drivers.card.reading import run
from dtu.drivers.card.service import Card, Fault, Pcsc, PcscError

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # RSA 3072 on a slow card takes 2 s, and a certificate over 106 kbit/s one
MAX_REQUESTS = 4  # a person has one card, and a terminal asks one thing at a time
CHECK_MS = 1  # PC/SC answers at once if a state is another one than we think
STOP_S = 2.0

_REASONS = {
    Fault.PULLED: "gone",
    Fault.NO_READER: "gone",
    Fault.NO_SERVICE: "gone",
    Fault.BUSY: "busy",
    Fault.RESET: "busy",
    Fault.SILENT: "silent",
}


class _Job:
    """One request and its one answer, whoever gives it first: the card, or the clock."""

    def __init__(self, request: CardRequest, answer: Callable[[CardResult], None]) -> None:
        self.request = request
        self._answer = answer
        self._lock = threading.Lock()
        self.answered = False

    def answer(self, result: CardResult) -> None:
        with self._lock:
            if self.answered:
                return
            self.answered = True
        self._answer(result)

    def give_up(self) -> None:
        """Nobody waits for an answer any more.

        The PIN is wiped by the thread that may be sending it: half a PIN would cost a try.
        """
        with self._lock:
            self.answered = True


def not_done(error: PcscError) -> NotDone:
    """The answer to a request that PC/SC did not carry to the card, or not to its end."""
    return NotDone(_REASONS.get(error.fault, "mute"))


@dataclass(frozen=True)
class _Open:
    """A connection to the card of one insertion."""

    insertion: int
    card: Card


class CardRequests:
    """Carries requests out on a PC/SC connection of its own.

    The connection stays until the card is out: without one pcscd takes the card's power after some
    seconds, and a PIN that a person has typed would be forgotten.
    """

    def __init__(
        self, pcsc: Pcsc, insertions: Insertions, post: Post, clock: Callable[[], float]
    ) -> None:
        self._pcsc = pcsc
        self._insertions = insertions
        self._post = post
        self._clock = clock
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._open: _Open | None = None
        self._timers: dict[_Job, threading.Timer] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to take requests."""
        self._insertions.on_end = self._wake
        self._thread = threading.Thread(target=self._run, name="card-requests", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up what is waiting; a card that is silent is not waited for."""
        for job, timer in list(self._timers.items()):
            timer.cancel()
            job.give_up()
        self._stopping = True
        self._wake()
        if self._thread is not None:
            self._thread.join(STOP_S)
            self._thread = None

    def ask(self, request: CardRequest) -> None:
        """Take a request, from any thread."""
        job = _Job(request, lambda result: self._tell(request, result))
        if len(self._timers) >= MAX_REQUESTS:
            request.wipe()
            job.answer(NotDone("busy"))
            return
        timer = threading.Timer(ANSWER_S, job.answer, [NotDone("silent")])
        timer.daemon = True
        timer.name = "card-timer"
        self._timers[job] = timer
        timer.start()
        self._jobs.put(job)

    def _wake(self) -> None:
        """A card is out, or all is over: the thread lets go of what it holds."""
        self._jobs.put(None)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is not None:
                self._serve(job)
            elif self._stopping:
                self._let_go()
                return
            elif self._open and self._insertions.find(self._open.insertion) is None:
                self._let_go()

    def _serve(self, job: _Job) -> None:
        result: CardResult = NotDone("silent") if job.answered else self._result(job)
        job.request.wipe()
        job.answer(result)
        timer = self._timers.pop(job)
        timer.cancel()
        timer.join()

    def _result(self, job: _Job) -> CardResult:
        held = self._insertions.find(job.request.insertion)
        if held is None:
            return NotDone("gone")
        if held.piv is None:
            return NoPiv()
        try:
            return self._on_card(job, held, held.piv)
        except PcscError as error:
            log.info("card request %d: %s", job.request.number, error)
            self._let_go()
            return not_done(error)
        except Exception:
            # The thread must outlive a bug: without it no card proves itself until the next start.
            log.exception("a card request failed")
            self._let_go()
            return NotDone("mute")

    def _on_card(self, job: _Job, held: Held, piv: PivCard) -> CardResult:
        def transmit(apdu: bytes | bytearray) -> bytes:
            if job.answered:
                raise PcscError(Fault.SILENT)
            if self._insertions.find(job.request.insertion) is None:
                raise PcscError(Fault.PULLED)
            return card.transmit(apdu)

        card = self._connection(job.request.insertion, held).card
        card.begin()
        try:
            return run(perform(job.request, piv), transmit)
        finally:
            card.end()

    def _connection(self, insertion: int, held: Held) -> "_Open":
        """The connection to this card: the one there is, or a new one."""
        if self._open is None or self._open.insertion != insertion:
            self._let_go()
            self._pcsc.establish()
            try:
                self._open = _Open(insertion, self._pcsc.open_card(held.reader))
            except PcscError:
                self._pcsc.release()
                raise
            self._check(held)
        return self._open

    def _let_go(self) -> None:
        """Close the connection; the card is to forget a PIN that it was given by us."""
        if self._open is not None:
            try:
                self._open.card.close(reset=True)
                self._pcsc.release()
            except PcscError:
                pass  # the service is gone, and its side of both with it
            self._open = None

    def _check(self, held: Held) -> None:
        """The card was opened by the reader's name: it may have been changed for another one."""
        state = self._pcsc.wait({held.reader: held.state}, CHECK_MS)[held.reader]
        if not state.present or state.counter != held.state.counter:
            raise PcscError(Fault.PULLED)

    def _tell(self, request: CardRequest, result: CardResult) -> None:
        held = self._insertions.find(request.insertion)
        reader = held.reader if held else ""
        self._post(CardAnswered(request.number, request.insertion, result, reader, self._clock()))
