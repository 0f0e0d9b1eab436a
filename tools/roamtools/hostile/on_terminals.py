"""Attacks on terminals: rogue servers by every way in which a terminal finds one."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.stage import CONTROL_PORT, EVIL, VICTIM, Stage
from roamtools.lab.dhcp import DhcpOptions
from roamwire.control import Welcome, encode_line
from roamwire.identity import Identity

LISTEN_S = 6.0


class RogueServer:
    """Listens on the attacker's terminal and keeps what terminals say to it."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.heard: list[bytes] = []
        self.knocks = 0
        self._context = context
        self._listener = socket.create_server(("", CONTROL_PORT), reuse_port=False)
        self._listener.settimeout(0.2)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="rogue")
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                link, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.knocks += 1
            with contextlib.suppress(OSError), link:
                self._talk(link)

    def _talk(self, link: socket.socket) -> None:
        link.settimeout(1.0)
        if self._context is not None:
            link = self._context.wrap_socket(link, server_side=True)
        with link:
            # TLS 1.3 tells a server late that its certificate was refused: only words count.
            link.sendall(encode_line(Welcome("server1", 500, 1500)))
            data = link.recv(4096)
            if data.startswith(b"hello"):  # without TLS its handshake is heard, which says nothing
                self.heard.append(data)


@contextlib.contextmanager
def rogue(stage: Stage, context: ssl.SSLContext | None) -> Iterator[RogueServer]:
    """A rogue server while the block runs."""
    server = stage.evil(lambda: RogueServer(context))
    try:
        yield server
    finally:
        server.close()


def _shown_by(stage: Stage, identity: Identity, *, genuine: bool, low: bool) -> ssl.SSLContext:
    """TLS of a server that shows such a certificate; `low`: it knows TLS 1.2 only."""
    make = stage.genuine if genuine else stage.forged
    folder = make(f"rogue-{identity.role}-{genuine}", identity)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if low:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "dtu.crt", folder / "dtu.key")
    return context


def _visit(stage: Stage, context: ssl.SSLContext | None) -> str:
    """A terminal starts anew, and DHCP tells it of the rogue alone; what it says to that one."""
    address = stage.address(EVIL)
    with rogue(stage, context) as server:
        stage.lab.dhcp(True, DhcpOptions(auth=[address], listed=address))
        try:
            stage.start_newcomer()
            deadline = time.monotonic() + LISTEN_S
            while not server.knocks and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(0.5)
        finally:
            stage.lab.dhcp(True)
        must(server.knocks, "the terminal never tried the rogue server")
        return f"a terminal says {server.heard[0][:80]!r}" if server.heard else ""


def genuine_server(stage: Stage) -> ssl.SSLContext:
    """What every positive control shows: TLS 1.3 and a server's certificate of the group."""
    return _shown_by(stage, Identity("server", "server1"), genuine=True, low=False)


def forged_server(stage: Stage) -> ssl.SSLContext:
    """The same by a CA that the attacker has made."""
    return _shown_by(stage, Identity("server", "server1"), genuine=False, low=False)


def _lure(
    stage: Stage, identity: Identity | None, *, genuine: bool = False, low: bool = False
) -> str:
    """What a terminal says to such a rogue; to one with a server's certificate it says hello."""
    shown = _shown_by(stage, identity, genuine=genuine, low=low) if identity else None
    got = _visit(stage, shown)
    must(_visit(stage, genuine_server(stage)), "a server of the group is not greeted either")
    return got


@attack("rogue-server-of-another-ca")
def rogue_another_ca(stage: Stage) -> str:
    """A server with the right name and a certificate of a CA that the attacker has made."""
    return _lure(stage, Identity("server", "server1"))


@attack("rogue-server-with-a-terminal's-certificate")
def rogue_terminal(stage: Stage) -> str:
    """The attacker's terminal, with its genuine certificate, plays the server."""
    return _lure(stage, Identity("dtu", "desk3"), genuine=True)


@attack("rogue-server-without-tls")
def rogue_plain(stage: Stage) -> str:
    """A server that answers TLS with plain lines."""
    return _lure(stage, None)


@attack("rogue-server-with-tls-1.2")
def rogue_low(stage: Stage) -> str:
    """A server with a genuine certificate of the group that knows TLS 1.2 only."""
    return _lure(stage, Identity("server", "server1"), genuine=True, low=True)


@attack("terminal's-ports")
def terminal_ports(stage: Stage) -> str:
    """Ports of a terminal that accept connections."""

    def knock() -> list[int]:
        found = []
        for port in [*range(1, 1100), 4713, 5900, 7009, 7010, 7011]:
            with socket.socket() as link:
                link.settimeout(0.3)
                if link.connect_ex((address, port)) == 0:
                    found.append(port)
        return found

    address = stage.address(VICTIM)
    found = stage.evil(knock)
    address = stage.address("server1")
    must(stage.evil(knock), "nobody's ports are open")
    return f"ports {found} are open" if found else ""
