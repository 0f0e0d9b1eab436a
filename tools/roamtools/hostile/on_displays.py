"""Attacks on the display gateway, TCP 7010: tickets, epochs, and bytes for the session."""

import socket
import time

from roamtools.hostile.attack import attack
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import DISPLAY_PORT, EVIL_USER, HOPPER, Stage
from roamwire.control import Attach, Attached, Connect, Kind, Redirect, Remove
from roamwire.identity import Identity

GUESSES = 2_000


def _attach(stage: Stage, server: str, ticket: str, kind: Kind = Kind.DISPLAY) -> bytes:
    """The gateway's answer to a ticket from the attacker's terminal; empty if it hangs up."""
    try:
        with stage.peer(server, port=DISPLAY_PORT) as peer:
            peer.send(Attach(ticket, kind))
            return peer.read()
    except (OSError, EOFError):
        return b""


def _opened(answer: bytes) -> str:
    return f"the gateway says {answer[:80]!r}" if answer.startswith(b"attached") else ""


class _OwnSession:
    """A session that the attacker may have: carol's card at his own terminal."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.server = "server1"
        self.peer = stage.greeted(self.server)
        line = stage.opened(self.server, self.peer, stage.insert(EVIL_USER))
        if isinstance(line, Redirect):
            self.peer.close()
            self.server = line.host
            self.peer = stage.greeted(self.server)
            line = stage.opened(self.server, self.peer, stage.redirected(line))
        assert isinstance(line, Connect), f"no session of the attacker's own: {line}"
        self.connect = line

    def close(self) -> None:
        """Card out."""
        self.peer.send(Remove(1))
        self.peer.close()


@attack("display-without-a-ticket")
def no_ticket(stage: Stage) -> str:
    """The gateway's first line with tickets that are none."""
    return "".join(_opened(_attach(stage, "server1", ticket)) for ticket in ("x", "0" * 32, "%00"))


@attack("display-tickets-guessed", flood=True)
def guessed(stage: Stage) -> str:
    """Thousands of tickets, one connection each."""
    deadline = time.monotonic() + 10
    for number in range(GUESSES):
        if found := _opened(_attach(stage, "server1", f"{number:032x}")):
            return found
        if time.monotonic() > deadline:
            break
    return ""


@attack("display-ticket-stolen")
def stolen(stage: Stage) -> str:
    """A fresh ticket of one terminal, shown by another with a genuine certificate."""
    own = _OwnSession(stage)
    try:
        thief = stage.genuine("thief", Identity("dtu", "desk9"))
        with stage.peer(own.server, thief, DISPLAY_PORT) as peer:
            peer.send(Attach(own.connect.ticket))
            try:
                return _opened(peer.read())
            except (OSError, EOFError):
                return ""
    finally:
        own.close()


@attack("display-ticket-used-twice")
def used_twice(stage: Stage) -> str:
    """A ticket that has opened a display opens another one."""
    own = _OwnSession(stage)
    try:
        first = _attach(stage, own.server, own.connect.ticket)
        if not first.startswith(b"attached"):
            return ""
        return _opened(_attach(stage, own.server, own.connect.ticket))
    finally:
        own.close()


@attack("display-ticket-of-an-earlier-epoch")
def earlier_epoch(stage: Stage) -> str:
    """A ticket that was kept while the card went out and in again."""
    own = _OwnSession(stage)
    kept = own.connect.ticket
    own.close()
    again = _OwnSession(stage)
    try:
        return _opened(_attach(stage, again.server, kept))
    finally:
        again.close()


@attack("display-after-the-card-is-out")
def after_removal(stage: Stage) -> str:
    """A display that stays open, and is looked at, after the card was pulled."""
    own = _OwnSession(stage)
    peer = stage.peer(own.server, port=DISPLAY_PORT)
    try:
        peer.send(Attach(own.connect.ticket))
        peer.read()
        own.close()
        return "" if peer.closed(3) else "the session is still on the screen"
    finally:
        peer.close()


@attack("sound-with-a-display's-ticket")
def sound_by_display(stage: Stage) -> str:
    """The microphone of a session, by a ticket that is for its picture."""
    own = _OwnSession(stage)
    try:
        return _opened(_attach(stage, own.server, own.connect.ticket, Kind.SOUND))
    finally:
        own.close()


@attack("sound-ticket-stolen")
def sound_stolen(stage: Stage) -> str:
    """A session's ticket for sound, shown by another terminal."""
    own = _OwnSession(stage)
    display = stage.peer(own.server, port=DISPLAY_PORT)
    try:
        display.send(Attach(own.connect.ticket))
        answer = display.line()
        assert isinstance(answer, Attached)
        thief = stage.genuine("thief", Identity("dtu", "desk9"))
        with stage.peer(own.server, thief, DISPLAY_PORT) as peer:
            peer.send(Attach(answer.sound, Kind.SOUND))
            try:
                return _opened(peer.read())
            except (OSError, EOFError):
                return ""
    finally:
        display.close()
        own.close()


@attack("display-of-another-ca")
def another_ca(stage: Stage) -> str:
    """The gateway with a certificate of a CA that the attacker has made."""
    try:
        with stage.peer(
            "server1", stage.forged("other-ca", Identity("dtu", HOPPER)), DISPLAY_PORT
        ) as peer:
            peer.send(Attach("x"))
            return "the gateway answers" if peer.read() else ""
    except (OSError, EOFError):
        return ""


@attack("display-connections-that-say-nothing", flood=True)
def silent(stage: Stage) -> str:
    """A thousand TLS connections to the gateway that never show a ticket."""
    peers: list[Peer] = []
    deadline = time.monotonic() + 15
    try:
        while len(peers) < 1000 and time.monotonic() < deadline:
            try:
                peers.append(stage.peer("server1", port=DISPLAY_PORT))
            except OSError:
                break
        return ""
    finally:
        for peer in peers:
            peer.close()


@attack("display-garbage-for-the-session", flood=True)
def garbage(stage: Stage) -> str:
    """Megabytes of garbage instead of RFB, to a session of one's own."""
    own = _OwnSession(stage)
    try:
        with stage.peer(own.server, port=DISPLAY_PORT) as peer:
            peer.send(Attach(own.connect.ticket))
            peer.read()
            try:
                for _ in range(64):
                    peer.send(b"\xff" * 65_536)
            except OSError:
                pass
        return ""
    finally:
        own.close()


@attack("display-port-by-plain-tcp")
def plain(stage: Stage) -> str:
    """RFB without TLS to the gateway's port."""

    def talk() -> bytes:
        with socket.create_connection((stage.address("server1"), DISPLAY_PORT), 5) as link:
            try:
                link.sendall(b"RFB 003.008\n")
                return link.recv(64)
            except OSError:
                return b""

    told = stage.evil(talk)
    return f"it says {told!r}" if told.startswith(b"RFB") else ""


@attack("display-port-of-x")
def x_port(stage: Stage) -> str:
    """The X servers' own TCP ports, 5900 and on, 6000 and on."""

    def knock() -> list[int]:
        found = []
        for port in [*range(5900, 5920), *range(6000, 6020)]:
            with socket.socket() as link:
                link.settimeout(1)
                if link.connect_ex((address, port)) == 0:
                    found.append(port)
        return found

    address = stage.address(str(stage.victim.server))
    found = stage.evil(knock)
    return f"ports {found} are open" if found else ""
