"""One short conversation with a server's enrolment port. What to ask, and when, is not here."""

import asyncio
import ssl
import time
from types import TracebackType
from typing import Self

from dtu.app.tls import refused, server_name
from dtu.core import timing
from dtu.core.refusals import Refusal, Refused
from roamwire import enrolment
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LINE_BYTES


class EnrolError(Exception):
    """The port gave no answer; `reason` says why, for log and core."""

    def __init__(self, reason: str | Refused) -> None:
        super().__init__(str(reason))
        self.reason = reason


class EnrolLink:
    """`async with EnrolLink(...) as link: await link.ask(line)`; every failure is an EnrolError."""

    def __init__(self, address: str, port: int, tls: ssl.SSLContext) -> None:
        self._address = address
        self._port = port
        self._tls = tls
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        try:
            self._reader, writer = await asyncio.wait_for(
                asyncio.open_connection(
                    self._address,
                    self._port,
                    ssl=self._tls,
                    server_hostname="",
                    limit=MAX_LINE_BYTES,
                ),
                timing.ENROL_CONNECT_S,
            )
            self._writer = writer
            server_name(writer.transport)
        except RemoteProtocolError as error:
            self._drop()
            raise EnrolError(Refused(Refusal.FOREIGN, str(error))) from error
        except (OSError, TimeoutError) as error:
            raise EnrolError(self._reason(error)) from error
        return self

    def _reason(self, error: Exception) -> str | Refused:
        found = refused(error, self._tls, time.time())
        return found or f"enrolment port: {error or 'no answer'}"

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def ask(self, line: enrolment.Line) -> enrolment.Line:
        """One line there, one back."""
        assert self._writer is not None
        try:
            self._writer.write(enrolment.encode_line(line))
            data = await asyncio.wait_for(self._reader.readline(), timing.ENROL_ANSWER_S)
            if not data.endswith(b"\n"):
                raise EnrolError("the enrolment port hung up")
            return enrolment.parse_line(data)
        except (OSError, TimeoutError, ValueError, RemoteProtocolError) as error:
            raise EnrolError(self._reason(error)) from error
