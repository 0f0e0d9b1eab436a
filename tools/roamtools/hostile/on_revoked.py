"""Attacks with a revoked terminal: its certificate is genuine, and in the thief's hands."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roamtools.demo.desk import wait_until
from roamtools.hostile.attack import attack
from roamtools.hostile.enrol_peer import EnrolPeer, subjects
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import DISPLAY_PORT, EVIL_USER, HOPPER, SERVERS, Stage
from roamwire.control import (
    Alive,
    Attach,
    Attached,
    Challenge,
    Connect,
    Disconnect,
    Hello,
    Keepalive,
    Kind,
    Notice,
    Redirect,
    Remove,
    Welcome,
)
from roamwire.enrolment import Check, Current, Enrol, Enrolled, Line, Renew
from roamwire.identity import Identity

STOLEN = "desk8"
EVERYWHERE_S = 2.0
"""A block has reached every server by then (`sessionhost.core.timing`)."""

ANSWERS = (Welcome, Challenge, Connect, Redirect, Notice, Alive)


@dataclass
class Loot:
    """What the thief has from the time before: a session, its display, a ticket for its sound."""

    folder: Path
    server: str
    peer: Peer
    display: Peer
    sound: str


def _blocked(stage: Stage) -> set[int]:
    return {stage.status(server)["blocked"]["terminals"] for server in SERVERS}


@contextlib.contextmanager
def revoked(stage: Stage, name: str = STOLEN) -> Iterator[None]:
    """The terminal is revoked, at one server and for all, while the block runs."""
    before = min(_blocked(stage))
    stage.lab.roamctl("server1", "dtu", "revoke", name)
    try:
        wait_until("all servers know", lambda: _blocked(stage) == {before + 1}, EVERYWHERE_S)
        yield
    finally:
        stage.lab.roamctl("server2", "dtu", "restore", name)
        wait_until("all servers know", lambda: _blocked(stage) == {before})


@contextlib.contextmanager
def stolen(stage: Stage) -> Iterator[Path]:
    """The terminal's genuine certificate, good before the block and good for nothing in it.

    That it was good is made sure of: an attack with one that nobody ever took would prove nothing.
    """
    folder = stage.genuine(STOLEN, Identity("dtu", STOLEN))
    for server in SERVERS:
        with stage.peer(server, folder) as peer:
            assert peer.hello(STOLEN) is not None, f"{server} did not know it before"
    with revoked(stage):
        yield folder


def _heard(peer: Peer, seconds: float = 1.5) -> str:
    """What a server says to a revoked terminal beyond that it is revoked."""
    line = peer.until(*ANSWERS, seconds=seconds)
    return f"the server says {type(line).__name__.lower()}; " if line is not None else ""


def _told(peer: Peer) -> bool:
    """Whether it hears that it is revoked, as a person at it should, and the connection ends."""
    line = peer.until(Disconnect, *ANSWERS)
    return isinstance(line, Disconnect) and line.reason == "blocked" and peer.closed()


@attack("revoked-terminal-inserts")
def inserts(stage: Stage) -> str:
    """Hello and cards, under its name and another, with its key and another, at every server."""
    got = ""
    another_key = stage.genuine(f"{STOLEN}-again", Identity("dtu", STOLEN))
    with stolen(stage) as folder:
        for server in SERVERS:
            for shown, name in ((folder, STOLEN), (folder, HOPPER), (another_key, STOLEN)):
                with contextlib.suppress(OSError), stage.peer(server, shown) as peer:
                    peer.send(Hello(name), stage.insert(EVIL_USER))
                    got += _heard(peer)
            with stage.peer(server, folder) as peer:
                got += "" if _told(peer) else f"{server} does not say that it is revoked; "
    return got


@attack("revoked-terminal-keeps-its-heart-beating")
def heartbeat(stage: Stage) -> str:
    """Keepalives on connections of before the revocation, and on new ones."""
    folder = stage.genuine(STOLEN, Identity("dtu", STOLEN))
    before = [stage.peer(server, folder) for server in SERVERS]
    try:
        for peer in before:
            assert peer.hello(STOLEN) is not None
            peer.send(Keepalive(1))
            assert peer.until(Alive) is not None, "no heart was beating before"
        got = ""
        with revoked(stage):
            new = [stage.peer(server, folder) for server in SERVERS]
            for peer in [*before, *new]:
                with contextlib.suppress(OSError):
                    for number in range(2, 12):
                        peer.send(Keepalive(number))
                        time.sleep(0.02)
                got += _heard(peer, 0.3)
                if not peer.closed(1):
                    got += "a connection is kept open; "
                peer.close()
            listed = [e["dtu"] for s in SERVERS for e in stage.status(s)["dtus"]]
            return got + "it is listed as connected" * (STOLEN in listed)
    finally:
        for peer in before:
            peer.close()


@contextlib.contextmanager
def _at_work(stage: Stage) -> Iterator[Loot]:
    """The terminal shows a session of carol's on the screen."""
    folder = stage.genuine(STOLEN, Identity("dtu", STOLEN))
    server, insert = "server1", stage.insert(EVIL_USER)
    while True:
        peer = stage.peer(server, folder)
        try:
            assert peer.hello(STOLEN) is not None
            line = stage.opened(server, peer, insert, STOLEN)
            if isinstance(line, Redirect):
                server, insert = line.host, stage.redirected(line)
                continue
            assert isinstance(line, Connect), f"no session: {line}"
            with stage.peer(server, folder, DISPLAY_PORT) as display:
                display.send(Attach(line.ticket))
                shown = display.line()
                assert isinstance(shown, Attached)
                yield Loot(folder, server, peer, display, shown.sound)
            return
        finally:
            with contextlib.suppress(OSError):
                peer.send(Remove(2))
            peer.close()


@attack("revoked-terminal-looks-on")
def looks_on(stage: Stage) -> str:
    """The display that it had open when it was revoked."""
    with _at_work(stage) as loot, revoked(stage):
        cut = loot.display.closed(EVERYWHERE_S)
        shown = stage.shown_at(STOLEN)
    if not cut:
        return "its screen still shows the session"
    return f"the servers think that it shows {shown}" if shown else ""


@attack("revoked-terminal-attaches-a-display")
def attaches(stage: Stage) -> str:
    """Display and sound, by tickets that were given to it a moment before the revocation."""
    with _at_work(stage) as loot:
        line = stage.opened(loot.server, loot.peer, stage.insert(EVIL_USER, 2), STOLEN)
        assert isinstance(line, Connect)
        with revoked(stage):
            got = ""
            for ticket, kind in ((line.ticket, Kind.DISPLAY), (loot.sound, Kind.SOUND)):
                with contextlib.suppress(OSError, EOFError):
                    with stage.peer(loot.server, loot.folder, DISPLAY_PORT) as gateway:
                        gateway.send(Attach(ticket, kind))
                        answer = gateway.read()
                    if answer.startswith(b"attached"):
                        got += f"the gateway says {answer[:60]!r}; "
            return got


def _answer(stage: Stage, server: str, folder: Path | None, line: Line) -> Line | None:
    try:
        with EnrolPeer(stage, server, folder) as peer:
            return peer.ask(line)
    except (OSError, EOFError):
        return None


@attack("revoked-terminal-renews-its-certificate")
def renews(stage: Stage) -> str:
    """A new certificate by the old one, and by its name alone, at every server."""
    with stolen(stage) as folder:
        got = ""
        for server in SERVERS:
            with EnrolPeer(stage, server, folder) as peer:
                assert isinstance(peer.ask(Check()), Current), "enrold knows no such certificate"
                asked: tuple[Line, ...] = (Renew(peer.csr()), Enrol(STOLEN, peer.csr()))
            for line in asked:
                for shown in (folder, None):
                    answer = _answer(stage, server, shown, line)
                    if isinstance(answer, Enrolled):
                        got += f"{server} signs {subjects(answer)}; "
        return got
