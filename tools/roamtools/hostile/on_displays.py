"""Attacks on the display gateway, TCP 7010: tickets, epochs, and bytes for the session.

Each attack with a ticket is beside its positive control: the right ticket, at the same gateway.
"""

import socket
import time

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.own_session import OwnSession, honest_server
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import DISPLAY_PORT, HOPPER, Stage
from roamwire.control import Attach, Attached, Kind
from roamwire.identity import Identity

GUESSES = 2_000


def _attach(stage: Stage, server: str, ticket: str, kind: Kind = Kind.DISPLAY) -> bytes:
    """The gateway's answer to a ticket from the attacker's terminal; empty if it hangs up."""
    try:
        with stage.peer(server, port=DISPLAY_PORT) as peer:
            peer.send(Attach(ticket, kind))
            answer = peer.read()
            if _opened(answer) and kind is Kind.DISPLAY:
                _shake_hands(peer)
            return answer
    except (OSError, EOFError):
        return b""


def _shake_hands(peer: Peer) -> None:
    """Begins RFB as a terminal does (RFC 6143 7.1): the session answers, there is a picture.

    Xtigervnc turns everybody away for a while after five clients that ended before this.
    """
    version = peer.exactly(12)
    must(version.startswith(b"RFB 003."), f"the session says {version!r}")
    peer.send(version)
    kinds = peer.exactly(peer.exactly(1)[0])
    must(b"\1" in kinds, f"the session wants security {kinds!r}")
    peer.send(b"\1")
    must(peer.exactly(4) == bytes(4), "the session refuses the gateway")


def _attach_as_thief(stage: Stage, server: str, ticket: str, kind: Kind = Kind.DISPLAY) -> bytes:
    """The same from another terminal, whose certificate is genuine too."""
    try:
        thief = stage.genuine("thief", Identity("dtu", "desk9"))
        with stage.peer(server, thief, DISPLAY_PORT) as peer:
            peer.send(Attach(ticket, kind))
            return peer.read()
    except (OSError, EOFError):
        return b""


def _opened(answer: bytes) -> str:
    return f"the gateway says {answer[:80]!r}" if answer.startswith(b"attached") else ""


def _right_ticket_opens(stage: Stage) -> None:
    """The positive control: a ticket of one's own, for the first time, at one's own terminal."""
    own = OwnSession(stage)
    try:
        answer = _attach(stage, own.server, own.connect.ticket)
        must(_opened(answer), f"the right ticket gets {answer[:80]!r}")
    finally:
        own.close()


@attack("display-without-a-ticket")
def no_ticket(stage: Stage) -> str:
    """The gateway's first line with tickets that are none."""
    got = "".join(_opened(_attach(stage, "server1", ticket)) for ticket in ("x", "0" * 32, "%00"))
    _right_ticket_opens(stage)
    return got


@attack("display-tickets-guessed", flood=True)
def guessed(stage: Stage) -> str:
    """Thousands of tickets, one connection each."""
    server = honest_server(stage)
    deadline = time.monotonic() + 10
    for number in range(GUESSES):
        if found := _opened(_attach(stage, server, f"{number:032x}")):
            return found
        if time.monotonic() > deadline:
            break
    _right_ticket_opens(stage)
    return ""


@attack("display-ticket-stolen")
def stolen(stage: Stage) -> str:
    """A fresh ticket of one terminal, shown by another with a genuine certificate."""
    own = OwnSession(stage)
    try:
        got = _opened(_attach_as_thief(stage, own.server, own.connect.ticket))
    finally:
        own.close()
    _right_ticket_opens(stage)
    return got


@attack("display-ticket-used-twice")
def used_twice(stage: Stage) -> str:
    """A ticket that has opened a display opens another one."""
    own = OwnSession(stage)
    try:
        first = _attach(stage, own.server, own.connect.ticket)
        must(_opened(first), f"the ticket has opened nothing: {first[:80]!r}")
        return _opened(_attach(stage, own.server, own.connect.ticket))
    finally:
        own.close()


@attack("display-ticket-of-an-earlier-epoch")
def earlier_epoch(stage: Stage) -> str:
    """A ticket that was kept while the card went out and in again."""
    own = OwnSession(stage)
    kept = own.connect.ticket
    own.close()
    again = OwnSession(stage)
    try:
        must(again.server == own.server, "the session has moved")
        return _opened(_attach(stage, again.server, kept)) or _newest(stage, again)
    finally:
        again.close()


def _newest(stage: Stage, own: OwnSession) -> str:
    """The positive control: the ticket of the newest epoch is still good."""
    answer = _attach(stage, own.server, own.connect.ticket)
    must(_opened(answer), f"the new ticket gets {answer[:80]!r}")
    return ""


@attack("display-after-the-card-is-out")
def after_removal(stage: Stage) -> str:
    """A display that stays open, and is looked at, after the card was pulled."""
    own = OwnSession(stage)
    peer = stage.peer(own.server, port=DISPLAY_PORT)
    try:
        peer.send(Attach(own.connect.ticket))
        line = peer.read()
        must(_opened(line), f"nothing was on the screen: {line[:80]!r}")
        _shake_hands(peer)
        must(not peer.closed(1), "the display ends by itself")
        own.close()
        return "" if peer.closed(3) else "the session is still on the screen"
    finally:
        peer.close()


@attack("sound-with-a-display's-ticket")
def sound_by_display(stage: Stage) -> str:
    """The microphone of a session, by a ticket that is for its picture."""
    own = OwnSession(stage)
    try:
        got = _opened(_attach(stage, own.server, own.connect.ticket, Kind.SOUND))
    finally:
        own.close()
    _right_ticket_opens(stage)
    return got


@attack("sound-ticket-stolen")
def sound_stolen(stage: Stage) -> str:
    """A session's ticket for sound, shown by another terminal."""
    own = OwnSession(stage)
    display = stage.peer(own.server, port=DISPLAY_PORT)
    try:
        display.send(Attach(own.connect.ticket))
        answer = display.line()
        must(isinstance(answer, Attached) and answer.sound, f"no ticket for sound in {answer}")
        assert isinstance(answer, Attached)
        _shake_hands(display)
        got = _opened(_attach_as_thief(stage, own.server, answer.sound, Kind.SOUND))
        heard = _attach(stage, own.server, answer.sound, Kind.SOUND)
        must(_opened(heard), f"the sound's own ticket gets {heard[:80]!r} at its own terminal")
        return got
    finally:
        display.close()
        own.close()


@attack("display-of-another-ca")
def another_ca(stage: Stage) -> str:
    """The gateway with a certificate of a CA that the attacker has made."""
    got = ""
    folder = stage.forged("other-ca", Identity("dtu", HOPPER))
    own = OwnSession(stage)
    try:
        with stage.peer(own.server, folder, DISPLAY_PORT) as peer:
            peer.send(Attach(own.connect.ticket))
            got = f"the gateway says {peer.read()[:80]!r}"
    except (OSError, EOFError):
        pass
    finally:
        own.close()
    _right_ticket_opens(stage)
    return got


@attack("display-connections-that-say-nothing", flood=True)
def silent(stage: Stage) -> str:
    """A thousand TLS connections to the gateway that never show a ticket."""
    peers: list[Peer] = []
    server = honest_server(stage)
    deadline = time.monotonic() + 15
    try:
        while len(peers) < 1000 and time.monotonic() < deadline:
            try:
                peers.append(stage.peer(server, port=DISPLAY_PORT))
            except OSError:
                break
        return ""
    finally:
        for peer in peers:
            peer.close()


@attack("display-garbage-for-the-session", flood=True)
def garbage(stage: Stage) -> str:
    """Megabytes of garbage instead of RFB, to a session of one's own."""
    own = OwnSession(stage)
    try:
        with stage.peer(own.server, port=DISPLAY_PORT) as peer:
            peer.send(Attach(own.connect.ticket))
            line = peer.read()
            must(_opened(line), f"the session is not there: {line[:80]!r}")
            _shake_hands(peer)
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
    _right_ticket_opens(stage)
    return f"it says {told!r}" if told.startswith(b"RFB") else ""


@attack("display-port-of-x")
def x_port(stage: Stage) -> str:
    """The X servers' own TCP ports, 5900 and on, 6000 and on."""

    def knock() -> list[int]:
        found = []
        for port in [*range(5900, 5920), *range(6000, 6020), DISPLAY_PORT]:
            with socket.socket() as link:
                link.settimeout(1)
                if link.connect_ex((address, port)) == 0:
                    found.append(port)
        return found

    address = stage.address(str(stage.victim.server))
    found = stage.evil(knock)
    must(DISPLAY_PORT in found, "not even the gateway's port is open")
    found.remove(DISPLAY_PORT)
    return f"ports {found} are open" if found else ""
