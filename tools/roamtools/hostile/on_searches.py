"""Attacks on a terminal that looks for a server by serverQ, whose answers nobody signs.

The terminal has just started, and its network tells it nothing: it asks everybody. The attacker
hears the question, and so its nonce and the port at which the terminal waits for answers.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

from roamtools.demo.desk import StepFailed, wait_until
from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.on_terminals import forged_server, genuine_server, rogue
from roamtools.hostile.on_the_group import PORT
from roamtools.hostile.stage import EVIL, NEWCOMER, SERVERS, VICTIM, Stage
from roamtools.lab import plan
from roamtools.lab.dhcp import DHCP_OPTIONS, DhcpOptions
from roamwire.datagrams import ServerQ, ServerR, encode_datagram, parse_datagram
from roamwire.errors import RemoteProtocolError

FOUND_S = 20.0
"""A terminal has a server by then, whatever else it is told."""

SILENT = DhcpOptions()
FLOOD_S = 6.0
BURST = 250
PAUSE_S = 0.02
BLACK_HOLES = [plan.NETWORK[number] for number in range(230, 250)]
"""Nobody is there: a connection to them takes its full time-out."""

Answers = Callable[[str], list[bytes]]


class _Answerer:
    """Answers each question of a terminal; if `stubborn`, the last one again and again."""

    def __init__(self, link: socket.socket, answers: Answers, stubborn: bool) -> None:
        self.asked = 0
        self._link = link
        self._answers = answers
        self._stubborn = stubborn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answers")
        self._thread.start()

    def close(self) -> None:
        """Say no more."""
        self._stop.set()
        self._thread.join()
        self._link.close()

    def _run(self) -> None:
        self._link.settimeout(PAUSE_S)
        nonce, place = "", ("", 0)
        while not self._stop.is_set():
            try:
                data, source = self._link.recvfrom(4096)
                question = parse_datagram(data) if data.startswith(b"serverQ=") else None
            except TimeoutError:
                question = None
            except RemoteProtocolError:
                continue
            fresh = isinstance(question, ServerQ) and question.dtu == NEWCOMER
            if isinstance(question, ServerQ) and fresh:
                nonce, place = question.serverQ, source
                self.asked += 1
            if nonce and (fresh or self._stubborn):
                for answer in self._answers(nonce):
                    self._link.sendto(answer, place)


@contextmanager
def _answering(stage: Stage, answers: Answers, *, stubborn: bool = False) -> Iterator[_Answerer]:
    def heard_by_all() -> socket.socket:
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.bind(("", PORT))
        return link

    answerer = _Answerer(stage.evil(heard_by_all), answers, stubborn)
    try:
        yield answerer
    finally:
        answerer.close()


def _have_newcomer(stage: Stage) -> None:
    if NEWCOMER not in stage.lab.desks():
        stage.start_newcomer()
        stage.lab.wait_ready(NEWCOMER)


@contextmanager
def _unreachable(stage: Stage) -> Iterator[Callable[[], None]]:
    """No server can be reached by the newcomer, until the function that is given is called."""
    places = [stage.address(server) for server in SERVERS]

    def route(verb: str) -> bool:
        commands = [["ip", "route", verb, "blackhole", place] for place in places]
        return all(stage.lab.run(NEWCOMER, each).returncode == 0 for each in commands)

    _have_newcomer(stage)
    must(route("add"), "the newcomer's routes cannot be changed")
    try:
        yield lambda: must(route("del"), "the newcomer's routes are not there any more")
    finally:
        route("del")


@contextmanager
def _search(stage: Stage, told: DhcpOptions = SILENT) -> Iterator[None]:
    """The newcomer starts anew, and has nothing to find a server by but DHCP and serverQ."""
    _have_newcomer(stage)
    settings = stage.lab.node_dir(NEWCOMER) / "etc" / "roamdesk" / "dtu.toml"
    before = settings.read_text()
    settings.write_text(before + "dns_names = false\nmdns = false\n")
    stage.lab.dhcp(True, told)
    try:
        stage.start_newcomer()
        yield
    finally:
        settings.write_text(before)
        stage.lab.dhcp(True)
        stage.start_newcomer()


def _wait_for_a_server(stage: Stage) -> None:
    def found() -> bool:
        state = stage.lab.desk_state(NEWCOMER)
        return state["state"] == "connected" and state["server"] in SERVERS

    stage.lab.wait_ready(NEWCOMER)
    wait_until("the terminal has a server", found, FOUND_S)


def _answer(nonce: str, address: str | IPv4Address, host: str = "server9") -> bytes:
    """The idlest server of all is there."""
    return encode_datagram(ServerR(nonce, host, IPv4Address(address), cpus=64))


@attack("serverr-forged")
def server_answer_forged(stage: Stage) -> str:
    """A searching terminal is told of a server at the attacker's address: its question is known."""
    own = stage.address(EVIL)

    def here(nonce: str) -> list[bytes]:
        return [_answer(nonce, own)]

    def to_another_question(nonce: str) -> list[bytes]:
        return [_answer(f"{int(nonce, 16) ^ number:016x}", own) for number in range(1, 50)]

    got = ""
    with (
        rogue(stage, genuine_server(stage)) as server,
        _answering(stage, to_another_question) as answers,
        _search(stage),
    ):
        _wait_for_a_server(stage)
        must(answers.asked, "the terminal never asked")
        got += "it goes where an answer to no question of its leads; " * bool(server.knocks)
    with rogue(stage, forged_server(stage)) as server, _answering(stage, here), _search(stage):
        _wait_for_a_server(stage)
        must(server.knocks, "the terminal never tried the attacker's server")
        got += f"it says {server.heard[0][:80]!r}; " if server.heard else ""
    with rogue(stage, genuine_server(stage)) as server, _answering(stage, here), _search(stage):
        deadline = time.monotonic() + FOUND_S
        while not server.heard and time.monotonic() < deadline:
            time.sleep(0.1)
        must(server.heard, "a server of the group is not greeted either")
    return got


def _udp_ports(stage: Stage, desk: str) -> list[int]:
    """UDP ports at which a terminal waits; an attacker finds them by trying all."""
    table = stage.lab.run(desk, ["cat", "/proc/net/udp"]).stdout.splitlines()[1:]
    ports = [int(line.split()[1].rpartition(":")[2], 16) for line in table]
    must(ports, f"{desk} has no UDP port")
    return ports


@attack("terminal-flooded", flood=True)
def terminal_flooded(stage: Stage) -> str:
    """Tens of thousands of datagrams for the port where a terminal waits, which shows a session."""
    address, ports = stage.address(VICTIM), _udp_ports(stage, VICTIM)
    data = [_answer("0", stage.address(EVIL)), b"serverR=1", b"\0" * 1200]

    def flood() -> int:
        sent = 0
        deadline = time.monotonic() + FLOOD_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            while time.monotonic() < deadline:
                for port in ports:
                    try:
                        link.sendto(data[sent % len(data)], (address, port))
                    except ConnectionRefusedError:
                        pass  # a port that was there for one look-up
                    sent += 1
        return sent

    sent = stage.evil(flood)
    must(sent > 20_000, f"only {sent} datagrams were sent")
    servers = {str(stage.hopper.server), str(stage.victim.server)}
    return "" if servers <= set(SERVERS) else f"a terminal is at {servers}"


@attack("serverr-flood", flood=True)
def server_answers_flood(stage: Stage) -> str:
    """A searching terminal is told without end of idle servers where nobody is.

    DHCP names the true servers, which were not there when it started. Its nonce is right: that the
    answers are believed at all is the positive control.
    """
    own = stage.address(EVIL)

    def everywhere(nonce: str) -> list[bytes]:
        places = [_answer(nonce, address, f"hole{address}") for address in BLACK_HOLES]
        return [_answer(nonce, own), *places, b"\0" * 1200] * (BURST // len(BLACK_HOLES))

    with (
        rogue(stage, forged_server(stage)) as server,
        _answering(stage, everywhere, stubborn=True),
        _unreachable(stage) as reach,
        _search(stage, DHCP_OPTIONS),
    ):
        deadline = time.monotonic() + FOUND_S
        while not server.knocks and time.monotonic() < deadline:
            time.sleep(0.1)
        must(server.knocks, "the terminal does not hear the answers")
        reach()
        try:
            _wait_for_a_server(stage)
        except StepFailed as error:
            return f"it tries the attacker's servers only: {error}"
    return ""
