"""A TLS connection to a server that says whatever it is told to. Knows lines, decides nothing."""

import socket
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from roamwire.control import Hello, Insert, Line, Welcome, encode_line, parse_line

WAIT_S = 5.0


def client_context(folder: Path | None, ca: Path | None = None) -> ssl.SSLContext:
    """A terminal's TLS with the certificate in `folder` (None: without one); it trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca is not None:
        context.load_verify_locations(ca)
    if folder is not None:
        context.load_cert_chain(folder / "dtu.crt", folder / "dtu.key")
    return context


class Peer:
    """One connection; `line` raises EOFError when the server has closed it."""

    def __init__(
        self, address: str, port: int, context: ssl.SSLContext, timeout_s: float = WAIT_S
    ) -> None:
        plain = socket.create_connection((address, port), timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket = context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, *lines: Line | bytes) -> None:
        """Lines, or bytes as they are."""
        for line in lines:
            self.socket.sendall(line if isinstance(line, bytes) else encode_line(line))

    def read(self) -> bytes:
        """One line as bytes, without its end."""
        while b"\n" not in self._rest:
            part = self.socket.recv(65_536)
            if not part:
                raise EOFError("closed")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def exactly(self, count: int) -> bytes:
        """So many bytes, as they are."""
        while len(self._rest) < count:
            part = self.socket.recv(65_536)
            if not part:
                raise EOFError("closed")
            self._rest += part
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def line(self) -> Line:
        """One line as a message."""
        return parse_line(self.read())

    def until(self, *kinds: type, seconds: float = WAIT_S) -> Line | None:
        """The next line of one of these kinds; None if the server closes, or says none in time."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if isinstance(line := self.line(), kinds):
                    return line
        except (OSError, EOFError):
            pass
        return None

    def heard(self, quiet_s: float = 1.0) -> list[Line]:
        """All lines that come until it has been quiet for that long, or the server closes."""
        lines = []
        try:
            while True:
                self.socket.settimeout(quiet_s)
                lines.append(self.line())
        except (OSError, EOFError):
            return lines

    def closed(self, seconds: float = WAIT_S) -> bool:
        """Whether the server hangs up within that time."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(65_536):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False

    def hello(self, name: str) -> Welcome | None:
        """Say hello as a terminal of that name."""
        self.send(Hello(name, width=1280, height=800))
        line = self.until(Welcome)
        return line if isinstance(line, Welcome) else None

    def insert(self, insert: Insert, *kinds: type) -> Line | None:
        """Say that a card is in; the first answer of these kinds."""
        self.send(insert)
        return self.until(*kinds)
