"""Attacks on the enrolment port that are many or slow: others must be served meanwhile."""

import contextlib
import os
import random
import socket
import ssl
import time

from roamtools.hostile.attack import attack
from roamtools.hostile.enrol_peer import EnrolPeer, request
from roamtools.hostile.on_enrolment import asked, enrolment_is, served
from roamtools.hostile.stage import ENROL_PORT, SERVERS, Stage
from roamwire import enrolment
from roamwire.enrolment import Enrol, Enrolled, Pending
from sessionhost.core.enrolment import BURST_COUNT

FLOOD_S = 6.0
SLOW_LINKS = 500
HALF_OPEN = 3_000
"""To two servers: to each more than it keeps of all addresses together."""
NAMES = 400
"""More than may wait for a person at a time."""


@attack("enrolment-requests-flood", flood=True)
def requests_flood(stage: Stage) -> str:
    """New names from one address as fast as they go, where everybody is let in."""
    got, admitted, number = "", 0, 0
    csr = request()
    began = time.monotonic()
    while time.monotonic() - began < FLOOD_S:
        number += 1
        answer = asked(stage, "server1", Enrol(f"flood{number}", csr), patient=False)
        admitted += isinstance(answer, Enrolled)
        if number % 100 == 50:
            got += served(stage, "server1")
    took = time.monotonic() - began
    if admitted > BURST_COUNT + 2 + took:
        got += f"{admitted} terminals were admitted from one address in {took:.0f} s"
    return got + served(stage, "server1")


@attack("enrolment-list-filled", flood=True)
def list_filled(stage: Stage) -> str:
    """So many names from one address that nobody else could wait for a person's approval."""
    got = ""
    with enrolment_is(stage, "approve"):
        csr = request()
        deadline = time.monotonic() + 30
        for number in range(NAMES):
            asked(stage, "server2", Enrol(f"fill{number}", csr), patient=False)
            if time.monotonic() > deadline:
                break
        got += served(stage, "server2")
        for number in range(8):  # and many keys for one name
            asked(stage, "server2", Enrol("desk11", request()), patient=number < 4)
        honest = asked(stage, "server2", Enrol("desk11", request()), desk="desk1")
        if not isinstance(honest, Pending):
            got += f"the honest owner of a name is told {honest}"
    return got


@attack("enrolment-slow-loris", flood=True)
def slow_loris(stage: Stage) -> str:
    """All the connections that one may have, and more, each with one byte of a line a second."""
    peers: list[EnrolPeer] = []
    got = ""
    try:
        for _ in range(SLOW_LINKS):
            with contextlib.suppress(OSError):
                peers.append(EnrolPeer(stage, "server1"))
        for byte in b"enrol n":
            for peer in peers:
                with contextlib.suppress(OSError):
                    peer.send(bytes([byte]))
            got += served(stage, "server1")
            time.sleep(0.5)
        time.sleep(8)  # a conversation has ten seconds
        peers[0].socket.settimeout(1)
        try:
            peers[0].socket.recv(1)
        except TimeoutError:
            got += "a connection was kept for longer than ten seconds"
        except OSError:
            pass  # closed, as it should be
        return got
    finally:
        for peer in peers:
            peer.__exit__(None, None, None)


@attack("enrolment-connections-half-open", flood=True)
def half_open(stage: Stage) -> str:
    """Three thousand connections that never begin TLS, and some hundred that stop in the middle."""

    def flood() -> list[socket.socket]:
        links = []
        for number in range(HALF_OPEN):
            link = socket.socket()
            link.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                link.connect((addresses[number % 2], ENROL_PORT))
            links.append(link)
        time.sleep(1)
        for link in links[::10]:
            with contextlib.suppress(OSError):
                link.send(b"\x16\x03\x01\x02\x00\x01")
        return links

    addresses = [stage.address(server) for server in SERVERS]
    links = stage.evil(flood)
    try:
        return "".join(served(stage, server) for server in SERVERS)
    finally:
        for link in links:
            link.close()


@attack("enrolment-lines-of-garbage", flood=True)
def garbage(stage: Stage) -> str:
    """Random bytes, lines without an end, lines that only servers say, a line of a megabyte."""
    rng = random.Random(3)
    answers: list[enrolment.Line] = [
        Pending(1),
        enrolment.Current("x"),
        enrolment.Envelope(1, 1, "x"),
    ]
    lines = [enrolment.encode_line(each) for each in answers]
    lines += [os.urandom(4000), b"enrol " * 5000, b"\n" * 5000, b"enrol name=a csr=" + b"A" * 10**6]
    lines += [b"enrol " + b"a=1 " * 500 + b"\n", b"check\n" * 500, b"\xff\xfe\n", b"check csr=\n"]
    lines += [rng.randbytes(rng.randrange(200)) + b"\n" for _ in range(40)]
    for data in lines:
        with contextlib.suppress(OSError, ssl.SSLError), EnrolPeer(stage, "server2") as peer:
            peer.send(data)
            peer.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while peer.socket.recv(65_536):
                    pass
    return served(stage, "server2")
