"""A desk in one class: real TLS, real keys of cards, typed passwords. Only for tests."""

import socket
import ssl

from roamwire.control import (
    Answer,
    Ask,
    Cause,
    Challenge,
    Connect,
    Hello,
    Insert,
    Keepalive,
    Notice,
    encode_line,
    parse_line,
)
from roamwire.notices import NoticeCode

WAIT_S = 20.0


class CardDesk:
    """One control connection; each call blocks until the server has spoken."""

    def __init__(self, context: ssl.SSLContext, name: str, port: int) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._link = context.wrap_socket(plain)
        self._lines = self._link.makefile("rb")
        self.name = name
        self.seq = 0
        self.welcome = self._ask(Hello(name, width=800, height=600))

    def close(self) -> None:
        self._lines.close()
        self._link.close()

    def say(self, line) -> None:
        self._link.sendall(encode_line(line))

    def hear(self):
        """The next line that is no sign of life and no progress."""
        while True:
            data = self._lines.readline()
            assert data, "the server has closed the connection"
            line = parse_line(data)
            starting = isinstance(line, Notice) and line.code == NoticeCode.STARTING
            if not starting:
                return line

    def _ask(self, line):
        self.say(line)
        return self.hear()

    def insert(self, token):
        """Put a card in; what the server says to it."""
        self.seq += 1
        return self._ask(Insert(token, Cause.INSERT, self.seq))

    def prove(self, card, challenge, server="server1", **changes):
        """Let that card sign; what the server says to it."""
        assert isinstance(challenge, Challenge), challenge
        return self._ask(card.answer(challenge, server, self.name, **changes))

    def type(self, ask, password, user=""):
        """Let the person answer; what the server says to it."""
        assert isinstance(ask, Ask), ask
        return self._ask(Answer(ask.seq, user, password))

    def alive(self) -> None:
        """Ask for a sign of life and drop it."""
        self._ask(Keepalive(1))


def user_of(line) -> str:
    """Whose session a line connects; AssertionError if it is another line."""
    assert isinstance(line, Connect), line
    return line.user


def code_of(line) -> int:
    """The number of a notice; AssertionError if it is another line."""
    assert isinstance(line, Notice), line
    return line.code
