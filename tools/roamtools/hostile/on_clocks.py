"""Attacks by clocks that stand at 1970 and at 2100, at a terminal and at a server.

libfaketime gives one process the wrong wall clock, OpenSSL's included; the monotonic one is right,
as on a machine whose clock was set wrongly.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from roamtools.demo.desk import wait_until
from roamtools.hostile.attack import attack
from roamtools.hostile.enrol_peer import EnrolPeer, leaf
from roamtools.hostile.on_enrolment import asked
from roamtools.hostile.side_stage import beside
from roamtools.hostile.stage import EVIL, HOPPER, POLICY, VICTIM, Stage
from roamtools.lab.daemons import SERVER_DAEMONS
from roamtools.lab.rpc import Refusal
from roamwire.control import Connect, Notice, Redirect
from roamwire.enrolment import Enrol, Enrolled
from roamwire.notices import NoticeCode

YEARS = {1970: "@1970-01-02 00:00:00", 2100: "@2100-01-01 00:00:00"}
DAEMONS = (*SERVER_DAEMONS, "enrold")
CLOCK_WRONG, NO_SERVER_TAKES_IT, ASKS_FOR_A_CARD = 16, 19, 21
"""What a terminal says (docs/screens.md)."""

YEAR_S = 365 * 24 * 3600


def _clock(year: int) -> dict[str, str]:
    """The environment of a process in that year."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Refusal("libfaketime is not installed: run 'make install'")
    stays = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": YEARS[year], **stays}


@contextlib.contextmanager
def _terminal_in(stage: Stage, year: int) -> Iterator[None]:
    """desk1 starts anew in that year; afterwards in the present."""
    stage.lab.stop_process(HOPPER, "dtu")
    stage.lab.start_process(HOPPER, "dtu", _clock(year))
    try:
        yield
    finally:
        stage.lab.stop_process(HOPPER, "dtu")
        stage.lab.start_process(HOPPER, "dtu")
        wait_until("desk1 is back", lambda: _code(stage, HOPPER) == ASKS_FOR_A_CARD)


@contextlib.contextmanager
def _server_in(stage: Stage, year: int) -> Iterator[str]:
    """All daemons of the server that does not have bob's session start anew in that year."""
    server = stage.idle_server
    _restart(stage, server, _clock(year))
    hosts = stage.status(str(stage.victim.server))["topology"]
    (timeoff,) = [h["timeoff"] for h in hosts if h["host"] == server and h["trusted"]]
    assert abs(timeoff) > 10 * YEAR_S, f"its clock is only {timeoff} s off"
    try:
        yield server
    finally:
        _restart(stage, server, {})


def _restart(stage: Stage, server: str, env: dict[str, str]) -> None:
    for name in reversed(DAEMONS):
        stage.lab.stop_process(server, name)
    for name in DAEMONS:
        stage.lab.start_process(server, name, env)
    stage.restarted(server)
    wait_until("the group is whole", lambda: _trusts(stage, stage.victim.server, server))


def _trusts(stage: Stage, server: str, about: str) -> bool:
    hosts = stage.status(server)["topology"]
    return any(h["host"] == about and h["trusted"] and not h["down"] for h in hosts)


def _code(stage: Stage, desk: str) -> int:
    try:
        return int(stage.lab.desk_state(desk)["code"])
    except OSError:  # it is just starting
        return 0


def _says(stage: Stage, desk: str, code: int, seconds: float = 15.0) -> str:
    """Whether a terminal says it, in words if not."""
    deadline = time.monotonic() + seconds
    while _code(stage, desk) != code:
        if time.monotonic() > deadline:
            said = stage.lab.desk_state(desk)
            return f"{desk} says {said['code']} ({said['text'][:80]!r}) instead of {code}; "
        time.sleep(0.1)
    return ""


def _opens(stage: Stage, desk: str, card: str) -> str:
    """Whether a person's card shows a session at a desk; in words if not."""
    with stage.lab.trace(desk) as trace:
        stage.lab.insert(desk, "", piv=card)
        try:
            trace.wait("first_frame", 15)
        except (Refusal, TimeoutError):
            return f"{desk} says {_code(stage, desk)} to {card}'s card; "
        finally:
            stage.lab.remove(desk)
    return _says(stage, desk, ASKS_FOR_A_CARD)


@attack("clock-of-1970-at-a-terminal")
def terminal_in_1970(stage: Stage) -> str:
    """A terminal that has just been switched on: it works, as certificates are valid since then."""
    side = beside(stage, POLICY)
    with _terminal_in(side, 1970):
        return _says(side, HOPPER, ASKS_FOR_A_CARD) + _opens(side, HOPPER, "alice") + side.harm()


@attack("clock-of-2100-at-a-terminal")
def terminal_in_2100(stage: Stage) -> str:
    """To it all certificates have run out: it says that its clock is wrong, and shows nothing."""
    side = beside(stage, POLICY)
    with _terminal_in(side, 2100):
        got = _says(side, HOPPER, CLOCK_WRONG)
        side.lab.insert(HOPPER, "", piv="alice")
        time.sleep(2)
        shown = side.lab.desk_state(HOPPER)["session"]
        side.lab.remove(HOPPER)
        got += f"it shows {shown}; " if shown else ""
    return got + side.harm()


@attack("clock-of-1970-at-a-server")
def server_in_1970(stage: Stage) -> str:
    """A server of 1970: cards are not valid yet, and it says so; others take nothing it signs."""
    side = beside(stage, POLICY)
    got = ""
    with _server_in(side, 1970) as server:
        with side.greeted(server) as peer:
            line = side.opened(server, peer, side.insert("carol"))
            if isinstance(line, Connect | Redirect):
                got += "a card whose certificate is not valid yet opens a session; "
            elif not isinstance(line, Notice) or line.code != NoticeCode.CERTIFICATE_REFUSED:
                got += f"the person with the card is told {line}; "
        got += _others_go_on(side) + _enrols(side, server)
    return got


@attack("clock-of-2100-at-a-server")
def server_in_2100(stage: Stage) -> str:
    """A server of 2100: to it all terminals' certificates have run out; others go on without it."""
    side = beside(stage, POLICY)
    got = ""
    with _server_in(side, 2100) as server:
        with contextlib.suppress(OSError), side.peer(server) as peer:
            got += "it takes certificates that have run out; " if peer.hello(EVIL) else ""
        got += _others_go_on(side)
        # When it is the only one that is left, people are told what is wrong, and wait.
        home = str(side.victim.server)
        side.lab.cut(home)
        try:
            got += _says(side, VICTIM, NO_SERVER_TAKES_IT)
        finally:
            side.lab.heal(home)
        wait_until("bob is back", lambda: side.victim.state()["session"] == side.session)
    return got


def _others_go_on(stage: Stage) -> str:
    """Bob's session, a new insert at the right server, and trust in what the wrong one signs."""
    home, wrong = str(stage.victim.server), stage.idle_server
    got = stage.harm()
    with stage.greeted(home) as peer:
        line = stage.opened(home, peer, stage.insert("carol"))
        got += "" if isinstance(line, Connect | Redirect) else f"at {home} carol gets {line}; "
        peer.send(b"remove seq=1\n")
    time.sleep(5)  # a host is down after four seconds: freshness goes by no wall clock
    return got + ("" if _trusts(stage, home, wrong) else f"{home} takes {wrong} for dead; ")


def _enrols(stage: Stage, server: str) -> str:
    """A certificate that the server of 1970 signs ends in 1971: nobody takes it, and it is renewed
    at another one."""
    home = str(stage.victim.server)
    name = f"fresh{time.monotonic_ns() % 10**6}"
    with EnrolPeer(stage, server) as peer:
        answer = peer.ask(Enrol(name, peer.csr()))
        if not isinstance(answer, Enrolled):
            return f"{server} enrols nobody: {answer}; "
        ends = leaf(answer).not_valid_after_utc.year
        folder = peer.keep(answer, stage.folder / name)
    got = "" if ends <= 1972 else f"a certificate of {server} ends in {ends}; "
    with contextlib.suppress(OSError), stage.peer(home, folder) as control:
        got += f"{home} takes a certificate of 1971; " if control.hello(name) else ""
    again = asked(stage, home, Enrol(name, peer.csr()))
    return got + ("" if isinstance(again, Enrolled) else f"{home} tells it {again}; ")
