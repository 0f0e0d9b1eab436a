"""Attacks on terminals: rogue servers by every way in which a terminal finds one."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

from roamtools.hostile.attack import attack
from roamtools.hostile.on_the_group import speak
from roamtools.hostile.stage import CONTROL_PORT, EVIL, SERVERS, VICTIM, Stage
from roamtools.lab.dhcp import DhcpOptions
from roamtools.lab.rpc import Refusal
from roamwire.control import Welcome, encode_line
from roamwire.datagrams import ServerR, encode_datagram
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


def _lure(
    stage: Stage, identity: Identity | None, *, genuine: bool = False, low: bool = False
) -> str:
    """A terminal starts anew, and DHCP tells it of the rogue alone; what it says to that one."""
    context = None
    if identity is not None:
        make = stage.genuine if genuine else stage.forged
        folder = make(f"rogue-{identity.role}-{genuine}", identity)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if low:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(folder / "dtu.crt", folder / "dtu.key")
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
        if not server.knocks:
            raise Refusal("the terminal never tried the rogue server: nothing was attacked")
        return f"a terminal says {server.heard[0][:80]!r}" if server.heard else ""


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
    """A server with another CA's certificate that knows TLS 1.2 only."""
    return _lure(stage, Identity("server", "server1"), low=True)


@attack("terminal-flooded", flood=True)
def terminal_flooded(stage: Stage) -> str:
    """Fifty thousand datagrams for the victim's terminal, some like answers to serverQ."""
    answer = encode_datagram(ServerR("0", "server9", IPv4Address(stage.address(EVIL))))
    for _ in range(50):
        speak(stage, *[answer, b"serverR=1", b"\0" * 1200] * 333, to=stage.address(VICTIM))
    servers = {str(stage.hopper.server), str(stage.victim.server)}
    return "" if servers <= set(SERVERS) else f"a terminal is at {servers}"


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
    return f"ports {found} are open" if found else ""
