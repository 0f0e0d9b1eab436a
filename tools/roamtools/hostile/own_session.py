"""What the attacker may have: a session of carol's, a redirect to it, and terminals of his own.

The right secret of most positive controls is here: carol's card with its key.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from roamtools.hostile.controls import must
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL, EVIL_USER, SERVERS, Stage
from roamwire.control import Cause, Challenge, Connect, Insert, Line, Notice, Redirect, Remove
from roamwire.identity import Identity
from roamwire.notices import NoticeCode

PATIENCE_S = 15.0
PACE_S = 2.0
"""A terminal that has just been used for a flood waits so long at most for its next insert."""


def other_server(server: str) -> str:
    """The server that is not this one."""
    return next(each for each in SERVERS if each != server)


def honest_server(stage: Stage) -> str:
    """The server at which the honest person works: there a flood would be felt."""
    deadline = time.monotonic() + PATIENCE_S
    while (server := stage.hopper.server) not in SERVERS:
        must(time.monotonic() < deadline, f"the honest person's desk is at {server!r}")
        time.sleep(0.1)
    return server


def guest(stage: Stage, name: str, server: str) -> Peer:
    """Another genuine terminal of the attacker's, with no failures counted against it yet."""
    peer = stage.peer(server, stage.genuine(name, Identity("dtu", name)))
    must(peer.hello(name) is not None, f"{name} is not welcome at {server}")
    return peer


def first_word(peer: Peer, insert: Insert) -> Line | None:
    """What an insert gets first; a terminal that has to wait a moment waits, and tries again."""
    kinds = (Challenge, Connect, Redirect, Notice)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        line = peer.insert(insert, *kinds)
        if not isinstance(line, Notice) or line.code != NoticeCode.TOO_MANY_TRIES:
            return line
        if line.wait_s > PACE_S or time.monotonic() > deadline:
            return line
        time.sleep(line.wait_s)


def is_in(line: Line | None) -> bool:
    """Whether a line gives a session away, or a way to one."""
    starting = isinstance(line, Notice) and line.code == NoticeCode.STARTING
    return isinstance(line, Connect | Redirect) or starting


def proven(stage: Stage, server: str, peer: Peer, insert: Insert, dtu: str = EVIL) -> Line | None:
    """What carol's own card gets with its key, at that terminal of the attacker's."""
    line = first_word(peer, insert)
    if isinstance(line, Challenge):
        peer.send(stage.badge(EVIL_USER).answer(line, server, dtu))
        line = peer.until(Connect, Redirect, Notice)
    while isinstance(line, Notice) and line.code == NoticeCode.STARTING:
        line = peer.until(Connect, Redirect, Notice, seconds=PATIENCE_S)
    return line


class OwnSession:
    """A session that the attacker may have: carol's card at his own terminal."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.server = "server1"
        self.peer = stage.greeted(self.server)
        line = proven(stage, self.server, self.peer, stage.insert(EVIL_USER))
        if isinstance(line, Redirect):
            self.peer.close()
            self.server = line.host
            self.peer = stage.greeted(self.server)
            insert = stage.insert(EVIL_USER, cause=Cause.REDIRECT, ticket=line.ticket)
            line = proven(stage, self.server, self.peer, insert)
        assert isinstance(line, Connect), f"no session of the attacker's own: {line}"
        self.connect = line

    def close(self) -> None:
        """Card out."""
        self.peer.send(Remove(1))
        self.peer.close()


def home_of_own(stage: Stage) -> str:
    """The server of carol's session, which nobody sees now."""
    own = OwnSession(stage)
    own.close()
    return own.server


@dataclass(frozen=True)
class SentAway:
    """Carol's card has been sent from one server to `home`, by a genuine `ticket`."""

    home: str
    ticket: str


@contextmanager
def sent_away(stage: Stage) -> Iterator[SentAway]:
    """A genuine redirect of carol's card; it is good for ten seconds."""
    home = home_of_own(stage)
    server = other_server(home)
    with stage.greeted(server) as peer:
        line = proven(stage, server, peer, stage.insert(EVIL_USER))
        must(isinstance(line, Redirect) and line.host == home, f"no redirect to {home} but {line}")
        assert isinstance(line, Redirect)
        yield SentAway(home, line.ticket)
