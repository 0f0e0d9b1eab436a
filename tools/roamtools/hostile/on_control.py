"""Attacks on a server's control connection, TCP 7009: certificates, lines, tickets, floods."""

import socket
import ssl
import time
from collections.abc import Callable

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.own_session import OwnSession, guest, honest_server
from roamtools.hostile.peer import Peer, client_context
from roamtools.hostile.stage import CONTROL_PORT, EVIL, GUESS, HOPPER, SERVERS, VICTIM, Stage
from roamwire.control import (
    Browse,
    Connect,
    Disconnect,
    Hello,
    Keepalive,
    Notice,
    Redirect,
    Remove,
    Select,
    SignOff,
    Welcome,
    encode_line,
)
from roamwire.identity import Identity
from roamwire.log_lines import Prove, ReadLog, encode_log_line, parse_log_line
from sessionhost.adapters.keyfiles import load_secrets

HALF_OPEN = 10_000
SLOW_LINKS = 500
MANY_LINKS = 2_500
FLOOD_S = 6.0


def _gets_in(stage: Stage, address: str, context: ssl.SSLContext) -> str:
    """Whether such a connection is welcome; TLS 1.3 tells a client late that it is not."""
    try:
        peer = stage.evil(lambda: Peer(address, CONTROL_PORT, context))
    except OSError:
        return ""  # refused in the handshake
    with peer:
        try:
            peer.send(Hello(HOPPER))
        except OSError:
            return ""
        line = peer.until(Welcome, Connect, Redirect)
        return f"the server says {type(line).__name__.lower()}" if line else ""


def _with(stage: Stage, context: ssl.SSLContext) -> str:
    """What a connection with that gets; a genuine one must be welcome."""
    address = stage.address("server1")
    got = _gets_in(stage, address, context)
    must(_gets_in(stage, address, client_context(stage.own)), "nobody is welcome")
    return got


@attack("terminal-without-certificate")
def no_certificate(stage: Stage) -> str:
    """A connection without any certificate."""
    return _with(stage, client_context(None))


@attack("terminal-of-another-ca")
def another_ca(stage: Stage) -> str:
    """A certificate for desk1 by a CA that the attacker has made."""
    return _with(stage, client_context(stage.forged("other-ca", Identity("dtu", HOPPER))))


@attack("terminal-with-an-expired-certificate")
def expired(stage: Stage) -> str:
    """A certificate of the group's own CA that has run out."""
    return _with(stage, client_context(stage.genuine("expired", Identity("dtu", HOPPER), years=-1)))


@attack("terminal-with-a-server's-certificate")
def servers_certificate(stage: Stage) -> str:
    """A server's genuine certificate, shown as a terminal's."""
    return _asks_for_log(stage, lambda _nonce: encode_line(Hello(HOPPER)))


@attack("audit-log-with-a-server's-certificate")
def audit_log(stage: Stage) -> str:
    """A server's genuine certificate and key, as enrold has them, and a guess at the secret."""

    def request(nonce: str) -> bytes:
        return encode_log_line(ReadLog(nonce, "server9", "server1", "root"), GUESS)

    return _asks_for_log(stage, request)


@attack("audit-log-by-a-request-of-before")
def audit_replay(stage: Stage) -> str:
    """The same, with a request that was rightly signed for another nonce."""
    secrets = load_secrets(stage.group)

    def request(_nonce: str) -> bytes:
        return encode_log_line(ReadLog("00" * 16, "server9", "server1", "root"), secrets)

    return _asks_for_log(stage, request)


def _asks_for_log(stage: Stage, request: Callable[[str], bytes]) -> str:
    """What a server says to a server's certificate beyond its nonce, which is no secret."""
    context = client_context(stage.genuine("as-server", Identity("server", "server9")))
    with stage.evil(lambda: Peer(stage.address("server1"), CONTROL_PORT, context)) as peer:
        prove = parse_log_line(peer.read())
        if not isinstance(prove, Prove):
            return f"the server says {prove}"
        try:
            peer.send(request(prove.nonce), stage.insert("alice"))
            told = peer.read()
        except (OSError, EOFError):
            return ""
    return f"the server says {told[:60]!r}"


@attack("tls-1.2")
def downgrade(stage: Stage) -> str:
    """A genuine terminal that insists on TLS 1.2."""
    context = client_context(stage.own)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return _with(stage, context)


@attack("no-tls")
def plain_text(stage: Stage) -> str:
    """Lines without TLS."""

    def talk() -> bytes:
        with socket.create_connection((stage.address("server1"), CONTROL_PORT), 5) as link:
            link.settimeout(5)
            try:
                link.sendall(
                    b"hello dtu=desk1\ninsert token=uid:04a1000000000a cause=insert seq=1\n"
                )
                return link.recv(4096)
            except OSError:
                return b""

    told = stage.evil(talk)
    return f"the server says {told[:60]!r}" if b"welcome" in told else ""


@attack("hello-as-somebody-else")
def another_name(stage: Stage) -> str:
    """A genuine certificate, and the name of the victim's desk in the hello line."""
    with stage.peer("server1") as peer:
        peer.hello(VICTIM)
        names = [each["dtu"] for each in stage.status("server1")["dtus"]]
        return "" if EVIL in names else f"the server takes {EVIL} for one of {names}"


@attack("lines-before-hello")
def before_hello(stage: Stage) -> str:
    """An insert as the very first line."""
    with stage.peer("server1") as peer:
        line = peer.insert(stage.insert("bob"), Connect, Redirect)
        return f"the server says {type(line).__name__.lower()}" if line else ""


@attack("lines-of-a-server")
def servers_lines(stage: Stage) -> str:
    """Lines that only servers send: connect, redirect, welcome."""
    with stage.greeted("server1") as peer:
        peer.send(
            b"connect seq=1 session=00a1 epoch=9 ticket=x port=7010\n",
            b"redirect seq=1 host=server2 address=10.77.0.12 port=7009 ticket=x\n",
            b"welcome host=server9 keepalive_ms=1 lost_ms=2\n",
            Keepalive(1),
        )
        return "" if not stage.shown_at(EVIL) else "a session is shown"


@attack("line-without-end")
def endless_line(stage: Stage) -> str:
    """A line that never ends."""
    with stage.greeted("server1") as peer:
        try:
            for _ in range(1000):
                peer.send(b"x" * 4096)
        except OSError:
            return ""
        return "" if peer.closed() else "4 MB without a line's end were taken"


@attack("lines-of-every-bad-kind")
def bad_lines(stage: Stage) -> str:
    """Bad lines until the server has enough."""
    bad = [
        b"nonsense\n",
        b"insert\n",
        b"insert token=x:y\n",
        b"\xff\xfe\n",
        b"insert " + b"a=1 " * 99 + b"\n",
    ]
    with stage.greeted("server1") as peer:
        try:
            for _ in range(20):
                peer.send(*bad)
        except OSError:
            return ""
        return "" if peer.closed() else "a hundred bad lines were taken"


@attack("another's-pseudo-token")
def foreign_pseudo(stage: Stage) -> str:
    """The pseudo-token of another desk."""
    with stage.greeted("server1") as peer:
        line = peer.insert(stage.insert(f"pseudo:{HOPPER}"), Connect, Redirect, Notice)
        return "" if isinstance(line, Notice) or line is None else "another desk's session opened"


@attack("another's-session-chosen")
def select_foreign(stage: Stage) -> str:
    """The menu's lines for a session that the desk does not show."""
    with stage.greeted("server1") as peer:
        peer.send(Select(0, stage.session), Browse(0), SignOff(0), Select(1, stage.session))
        peer.send(Keepalive(1))
        line = peer.until(Connect, Redirect, seconds=1)
        return "the victim's session was given away" if line else ""


@attack("session-names-guessed")
def names_guessed(stage: Stage) -> str:
    """Every session's name is tried in the menu's lines with a session of one's own."""
    own = OwnSession(stage)
    peer, first = own.peer, own.connect.session
    for number in range(50):
        peer.send(Select(1, f"{number:08x}"), Select(1, stage.session))
    peer.heard()
    shown = stage.shown_at(EVIL)
    # The positive control: of two sessions of one's own either can be chosen.
    peer.send(Select(1, ""))
    second = peer.until(Connect, seconds=15)
    peer.send(Select(1, first))
    back = peer.until(Connect)
    peer.send(Select(1, second.session if isinstance(second, Connect) else ""))
    peer.until(Connect)
    peer.send(SignOff(1))
    peer.until(Disconnect)
    own.close()
    must(isinstance(second, Connect) and second.session != first, f"a second session: {second}")
    must(isinstance(back, Connect) and back.session == first, f"one's own choice gets {back}")
    return "the victim's session was given away" if stage.session in shown else ""


@attack("inserts-flood", flood=True)
def insert_flood(stage: Stage) -> str:
    """Inserts of unknown cards as fast as they go."""
    deadline = time.monotonic() + FLOOD_S
    seq = 0
    with guest(stage, "flooder", honest_server(stage)) as peer:
        while time.monotonic() < deadline:
            lines = []
            for _ in range(50):
                seq += 1
                lines.append(stage.insert(f"uid:{seq:014x}", seq))
            try:
                peer.send(*lines)
            except OSError:
                break  # hung up on: as it should be
    return ""


@attack("insert-and-remove-flood", flood=True)
def bounce_flood(stage: Stage) -> str:
    """A registered card goes in and out as fast as lines can be sent."""
    deadline = time.monotonic() + FLOOD_S
    seq = 0
    with stage.greeted(honest_server(stage)) as peer:
        while time.monotonic() < deadline:
            seq += 1
            try:
                peer.send(stage.insert("carol", seq), Remove(seq))
            except OSError:
                break
            time.sleep(0.001)
    time.sleep(1)
    own = str(stage.badge("carol").token)
    many = [each for each in stage.sessions() if each["token"] == own]
    return f"carol has {len(many)} sessions" if len(many) > 2 else ""


@attack("connections-half-open-10000", flood=True)
def half_open(stage: Stage) -> str:
    """Ten thousand connections that never begin TLS, to both ports."""

    def flood() -> None:
        links = []
        try:
            for number in range(HALF_OPEN):
                link = socket.socket()
                link.setblocking(False)
                server = SERVERS[number % 2]
                try:
                    link.connect((addresses[server], (7009, 7010)[number // 2 % 2]))
                except BlockingIOError:
                    pass
                except OSError:
                    link.close()
                    continue
                links.append(link)
            time.sleep(FLOOD_S)
        finally:
            for link in links:
                link.close()

    addresses = {server: stage.address(server) for server in SERVERS}
    stage.evil(flood)
    return ""


@attack("tls-handshakes-that-stall", flood=True)
def slow_handshakes(stage: Stage) -> str:
    """Five hundred connections that send one byte of TLS a second."""

    def flood() -> None:
        links = [socket.create_connection((address, CONTROL_PORT), 5) for _ in range(SLOW_LINKS)]
        try:
            for byte in b"\x16\x03\x01\x02\x00\x01":
                for link in links:
                    try:
                        link.send(bytes([byte]))
                    except OSError:
                        pass
                time.sleep(1)
        finally:
            for link in links:
                link.close()

    address = stage.address(honest_server(stage))
    stage.evil(flood)
    return ""


@attack("links-of-one-terminal-2500", flood=True)
def many_links(stage: Stage) -> str:
    """One genuine terminal connects two and a half thousand times and says hello each time."""
    peers: list[Peer] = []
    refused = 0
    server = honest_server(stage)
    deadline = time.monotonic() + 30
    try:
        while len(peers) + refused < MANY_LINKS and time.monotonic() < deadline:
            try:
                peer = stage.peer(server)
                peer.send(Hello(EVIL))
                peers.append(peer)
            except OSError:
                refused += 1
        listed = [each for each in stage.status(server)["dtus"] if each["dtu"] == EVIL]
    finally:
        for peer in peers:
            peer.close()
    return f"{len(listed)} links of one terminal are kept" if len(listed) > 16 else ""


@attack("slow-loris-with-a-certificate", flood=True)
def slow_loris(stage: Stage) -> str:
    """A hundred genuine connections that send a line one byte at a time."""
    peers = []
    server = honest_server(stage)
    try:
        for _ in range(100):
            try:
                peers.append(stage.peer(server))
            except OSError:
                break
        for byte in b"hello dtu=desk3":
            for peer in peers:
                try:
                    peer.send(bytes([byte]))
                except OSError:
                    pass
            time.sleep(0.3)
        return ""
    finally:
        for peer in peers:
            peer.close()


@attack("recorded-insert")
def recorded_insert(stage: Stage) -> str:
    """The victim's insert line, word for word, over another terminal's connection."""
    line = stage.insert("bob", seq=1)
    with stage.greeted("server1") as peer:
        peer.insert(line, Connect, Redirect, Notice, Disconnect)
        taken = stage.session in stage.shown_at(EVIL)
        peer.send(Remove(1))
    return "bob's card opened his session without being there" if taken else ""
