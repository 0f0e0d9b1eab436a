"""The control connection of a terminal that may not have a certificate yet.

Stands before `ControlLink` and looks like it: the core asks for a server, and if that needs
enrolling first, this is done within the same attempt. Certificates and roots renew here, too. When
to ask and what to say is `core.enrolment`'s.
"""

import asyncio
import contextlib
import logging
import random
import ssl
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from dtu.app.control_link import ControlLink
from dtu.app.enrol_link import EnrolError, EnrolLink
from dtu.app.identity import DeskIdentity
from dtu.app.tls import IdentityError
from dtu.core import timing
from dtu.core.enrolment import Enrolment, Way, check_delay_s
from dtu.core.refusals import Refusal, Refused
from dtu.core.words import Message
from roamwire import enrolment
from roamwire.control import Server
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_NAME_CHARS

# Not in /proc, of which the unit shows processes only.
MODELS = (Path("/sys/firmware/devicetree/base/model"), Path("/sys/class/dmi/id/product_name"))

_LOG = logging.getLogger(__name__)


class Admission:
    """`say` gets the words for the screen, `use` the TLS of every certificate after the first."""

    def __init__(
        self,
        identity: DeskIdentity,
        name: str,
        port: int,
        code: str,
        *,
        on_open: Callable[[int, str], None],
        on_line: Callable[[int, bytes], None],
        on_closed: Callable[[int, str | Refused], None],
        say: Callable[[Message | None], None],
        use: Callable[[ssl.SSLContext], None],
    ) -> None:
        tls = identity.context()
        self.tls = tls or identity.stranger()
        self._identity = identity
        self._name = name
        self._port = port
        self._code = code
        self._on_open, self._on_line, self._on_closed = on_open, on_line, on_closed
        self._say, self._use = say, use
        self._plan = Enrolment(name, certified=tls is not None)
        self._link = ControlLink(self.tls, self._opened, self._line, self._closed)
        self._server: Server | None = None
        self._attempt = 0
        self._silent = False
        self._check_at = 0.0
        self._pause_s = timing.CHECK_RETRY_S
        self._checker: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # As ControlLink

    def connect(self, attempt: int, server: Server) -> None:
        """Open a connection in the background; `on_open` or `on_closed` follows."""
        self._server, self._attempt, self._silent = server, attempt, False
        way = self._plan.way(server.address, time.monotonic())
        if way is Way.CONNECT:
            self._link.connect(attempt, server)
        else:
            self._run(self._enrol(attempt, server) if way is Way.ENROL else self._wait(attempt))

    def send(self, attempt: int, line: bytes) -> None:
        """Queue a line on the connection of that attempt."""
        self._link.send(attempt, line)

    def hang_up(self, attempt: int) -> None:
        """Close the connection of that attempt; nothing more comes from it."""
        if attempt == self._attempt:
            self._attempt = 0
        self._link.hang_up(attempt)

    async def close(self) -> None:
        """Drop everything and wait until it is gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._link.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("enrolment failed", exc_info=error)

    # What the control connection does

    def _opened(self, attempt: int, server: str) -> None:
        self._silent = True
        self._on_open(attempt, server)

    def _line(self, attempt: int, line: bytes) -> None:
        if self._silent and self._server is not None:
            self._silent = False
            self._plan.welcomed()
            self._say(None)
            if self._checker is not None:
                self._checker.cancel()
            self._checker = self._run(self._check_later(self._server.address))
        self._on_line(attempt, line)

    def _closed(self, attempt: int, reason: str | Refused) -> None:
        if attempt == self._attempt and self._server is not None:
            refused = isinstance(reason, Refused) and reason.why is Refusal.OURS
            if self._silent or refused:
                self._plan.turned_away(self._server.address)
            self._silent = False
        self._on_closed(attempt, reason)

    # Enrolling

    async def _wait(self, attempt: int) -> None:
        self._give_up(attempt, "its enrolment port was asked a moment ago")

    def _give_up(self, attempt: int, reason: str | Refused) -> None:
        self._say(self._plan.words)
        if attempt == self._attempt:
            self._on_closed(attempt, reason)

    async def _enrol(self, attempt: int, server: Server) -> None:
        self._plan.asked(server.address, time.monotonic())
        try:
            answer = await self._asked(server.address)
            if isinstance(answer, enrolment.Enrolled):
                self._take(answer)
                _LOG.info("%s has admitted this terminal", server.address)
            elif isinstance(answer, enrolment.Pending | enrolment.Refused):
                self._plan.answered(server.address, answer, time.monotonic())
                self._say(self._plan.words)
        except (EnrolError, IdentityError, RemoteProtocolError) as error:
            if not self._plan.certified:
                reason = error.reason if isinstance(error, EnrolError) else str(error)
                self._give_up(attempt, reason)
                return
        if not self._plan.certified:
            self._give_up(attempt, "this terminal waits to be admitted")
        elif attempt == self._attempt:  # the core may have lost patience meanwhile
            self._link.connect(attempt, server)

    async def _asked(self, address: str) -> enrolment.Line:
        csr, digest = await self._identity.request()
        self._plan.fingerprint = enrolment.fingerprint(digest)
        asked = enrolment.Enrol(self._name, enrolment.to_text([csr]), self._code, _model())
        async with EnrolLink(address, self._port, self._identity.stranger()) as link:
            return await link.ask(asked)

    def _take(self, answer: enrolment.Enrolled) -> None:
        """A certificate: for all connections from now on; those that are open go on."""
        roots = enrolment.from_text(answer.ca)
        self._identity.keep(enrolment.from_text(answer.certificate), roots)
        self._renewed()
        self._plan.enrolled()
        self._checked(answer.check_s)

    def _renewed(self) -> None:
        tls = self._identity.context()
        if tls is None:
            raise IdentityError("there is no certificate any more")
        self.tls = self._link.tls = tls
        self._use(tls)

    # Renewing

    def _checked(self, check_s: int) -> None:
        self._check_at = time.monotonic() + check_delay_s(check_s, random.random())

    async def _check_later(self, address: str) -> None:
        """As long as this server has us: ask it for roots, and whether to renew."""
        attempt = self._attempt
        soon = random.uniform(timing.FIRST_CHECK_S / 3, timing.FIRST_CHECK_S)
        self._check_at = self._check_at or time.monotonic() + soon
        while attempt == self._attempt:
            await asyncio.sleep(max(0.0, self._check_at - time.monotonic()))
            if attempt != self._attempt:
                return
            self._check_at = time.monotonic() + self._pause_s
            try:
                await self._check(address)
                self._pause_s = timing.CHECK_RETRY_S
            except (EnrolError, IdentityError, RemoteProtocolError) as error:
                _LOG.info("renewal: %s: %s", address, error)
                self._pause_s = min(2 * self._pause_s, timing.MAX_CHECK_RETRY_S)

    async def _check(self, address: str) -> None:
        async with EnrolLink(address, self._port, self.tls) as link:
            current = await link.ask(enrolment.Check())
            if not isinstance(current, enrolment.Current):
                raise EnrolError(f"renewal: {type(current).__name__.lower()}")
            if self._identity.keep_roots(enrolment.from_text(current.ca)):
                self._renewed()
            self._checked(current.check_s)
            if not current.renew:
                return
            csr, _ = await self._identity.request()
            answer = await link.ask(enrolment.Renew(enrolment.to_text([csr])))
        if not isinstance(answer, enrolment.Enrolled):
            raise EnrolError(f"no new certificate: {getattr(answer, 'text', answer)}")
        self._take(answer)
        _LOG.info("%s has renewed the certificate of this terminal", address)


def _model() -> str:
    """What the board says of itself, for the list of those who wait; "" if it has no words."""
    for path in MODELS:
        with contextlib.suppress(OSError):
            text = path.read_text("utf-8", "replace")
            return "".join(char for char in text if char.isprintable())[:MAX_NAME_CHARS]
    return ""
