"""Attacks by datagrams that take cards, terminals and screens away: `block`, `blockQ`, `shown`."""

import dataclasses
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roamtools.hostile.attack import attack
from roamtools.hostile.on_revoked import STOLEN, revoked, stolen
from roamtools.hostile.on_the_group import SETTLE_S, ask, bound, host, listen, speak
from roamtools.hostile.stage import EVIL, GUESS, HOPPER, SERVERS, VICTIM, Stage
from roamwire.blocks import dtu_key, token_key
from roamwire.datagrams import (
    Block,
    BlockEntry,
    BlockQ,
    Datagram,
    Host,
    Shown,
    encode_datagram,
    parse_datagram,
)
from roamwire.limits import MAX_STAMP
from roamwire.signing import GroupSecrets
from sessionhost.adapters.keyfiles import load_secrets

OLD_BOOT = "00000000deadbeef"
AHEAD = 20
"""Numbers that the other server has not come to yet when these datagrams arrive."""

LATER = MAX_STAMP // 2
"""A stamp above all that were given."""


def _every_way(message: Datagram) -> list[bytes]:
    """The message as who lacks the secret can send it."""
    body = encode_datagram(message)
    return [
        body,
        GUESS.sign(body),
        body + b" sig=",
        body + b" sig=" + b"0" * 64,
        body + b" sig=" + b"0" * 40,
    ]


def _blocked(stage: Stage) -> str:
    """What is blocked anywhere, in words."""
    for server in SERVERS:
        counts = stage.status(server)["blocked"]
        if any(counts.values()):
            return f"{server} blocks {counts}"
    return ""


def _victims(stage: Stage, *, blocked: bool = True, stamp: int = LATER) -> Block:
    """Two terminals and two people's cards."""
    keys = [dtu_key(VICTIM), dtu_key(HOPPER)]
    keys += [token_key(stage.badge(user).token) for user in ("alice", "bob")]
    entries = tuple(BlockEntry(key, blocked, stamp, "server1") for key in keys)
    return Block("4.00000000deadbeef", "server1", OLD_BOOT, 1, entries=entries)


@attack("block-without-the-secret")
def block_forged(stage: Stage) -> str:
    """Everybody's cards and terminals are said to be lost: unsigned, by a guess, by empty tags."""
    for server in (*SERVERS, "server9"):
        speak(stage, *_every_way(dataclasses.replace(_victims(stage), host=server)))
    time.sleep(SETTLE_S)
    return _blocked(stage)


@attack("block-lifted-without-the-secret")
def allowed_forged(stage: Stage) -> str:
    """A revoked terminal is said to be allowed again."""
    with stolen(stage) as folder:
        forged = Block("1.0", "server1", OLD_BOOT, 1, entries=(_entry(blocked=False),))
        speak(stage, *_every_way(forged))
        return _lifted(stage) or _welcome(stage, folder)


def _entry(*, blocked: bool) -> BlockEntry:
    return BlockEntry(dtu_key(STOLEN), blocked, LATER, "server1")


def _lifted(stage: Stage) -> str:
    time.sleep(SETTLE_S)
    free = [s for s in SERVERS if not stage.status(s)["blocked"]["terminals"]]
    return f"{', '.join(free)} allow the revoked terminal again" if free else ""


def _welcome(stage: Stage, folder: Path) -> str:
    try:
        with stage.peer("server1", folder) as peer:
            return "it is welcome again" if peer.hello(STOLEN) is not None else ""
    except OSError:
        return ""


class _Recorder:
    """Datagrams that broadcast brings to the attacker's terminal."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def take(self, beginning: bytes, about: str, seconds: float = 1.5) -> list[bytes]:
        """What came since the last time, and still comes within that time."""
        found = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._link.settimeout(left)
            try:
                data = self._link.recv(4096)
            except TimeoutError:
                break
            if data.startswith(beginning) and about.encode() in data:
                found.append(data)
        if not found:
            raise AssertionError(f"no {beginning.decode()} datagram was heard: nothing to play")
        return found


@contextmanager
def _recorder(stage: Stage) -> Iterator[_Recorder]:
    with stage.evil(bound) as link:
        yield _Recorder(link)


@attack("block-recorded")
def block_recorded(stage: Stage) -> str:
    """True datagrams that revoke a terminal, played after it was allowed again, and the reverse."""
    key = dtu_key(STOLEN)
    with _recorder(stage) as recorder:
        with revoked(stage):
            blocks = recorder.take(b"block=", key)
        allows = recorder.take(b"block=", key)
        speak(stage, *blocks * 10)
        time.sleep(SETTLE_S)
        if found := _blocked(stage):
            return found
        with revoked(stage):
            speak(stage, *allows * 10)
            return _lifted(stage)


@attack("block-of-an-earlier-boot")
def block_of_an_earlier_boot(stage: Stage) -> str:
    """A true datagram that revokes a terminal, from before a restart of the server that said it."""
    with _recorder(stage) as recorder:
        with revoked(stage):
            said = recorder.take(b"block=", dtu_key(STOLEN))
        server = stage.idle_server
        stage.lab.restart(server)
        stage.restarted(server)
        speak(stage, *said * 10)
    time.sleep(SETTLE_S)
    return _blocked(stage)


@attack("blocks-asked-for-without-the-secret")
def blocks_asked_for(stage: Stage) -> str:
    """The list of lost cards and revoked terminals, for somebody who lacks the secret."""
    got = ""
    with revoked(stage):  # so that there is something to tell
        for server in SERVERS:
            other = next(each for each in SERVERS if each != server)
            now = _announced(stage, other)
            for boot, seq in ((OLD_BOOT, 1), (now.boot, now.seq + AHEAD)):
                asked = _every_way(BlockQ("1", other, boot, seq))
                got += f"{server} answers; " if ask(stage, server, *asked) else ""
    return got


@attack("blocks-offered-without-the-secret")
def blocks_offered(stage: Stage) -> str:
    """Host messages with the summary of a longer list, so that servers ask the attacker for it."""
    got = ""
    for name in (*SERVERS, "server9"):
        offer = host(name, stage.address(EVIL), seq=10**9, blocks="99.00000000deadbeef")
        for server in SERVERS:
            answers = ask(stage, server, *_every_way(offer))
            got += f"{server} asks with {answers[0][:40]!r}; " if answers else ""
    return got


# Fencing: the one terminal that shows a card


def _announced(stage: Stage, server: str) -> Host:
    """What a server says of itself now, as everybody hears it."""
    heard = listen(stage, lambda data: data.startswith(f"host={server} ".encode()))
    message = parse_datagram(GUESS.verify(heard).body)
    assert isinstance(message, Host)
    return message


def _boot(stage: Stage, server: str) -> str:
    return str(stage.status(server)["boot"])


def _claims(stage: Stage, boot: str, seq: int) -> list[Shown]:
    """The idle server shows bob's card at the attacker's desk, since just now, so his desk has to
    give way: as a first word, as an answer, as the decision."""
    home, idle = str(stage.victim.server), stage.idle_server
    (mine,) = [e for e in stage.status(home)["sessions"] if e["session"] == stage.session]
    digest = _secrets(stage).token_digest(stage.badge("bob").token)
    first = Shown("0" * 16, idle, boot, seq, digest, 0, "beef", 10**6, EVIL)
    beaten = [f"{stage.session} {mine['epoch']}", f"{stage.session} {mine['epoch'] - 1}"]
    claims = [first, dataclasses.replace(first, re="0" * 16)]
    claims += [dataclasses.replace(first, re=re, beats=b) for b in beaten for re in ("", "0" * 16)]
    return [dataclasses.replace(each, seq=seq + n) for n, each in enumerate(claims)]


def _secrets(stage: Stage) -> GroupSecrets:
    """The group's own: only to make what an attacker may have recorded, or holds back."""
    return load_secrets(stage.group)


def _taken(stage: Stage) -> str:
    time.sleep(SETTLE_S)
    shown = stage.victim.state()["session"]
    return "" if shown == stage.session else f"{VICTIM} shows {shown or 'nothing'}"


@attack("shown-without-the-secret")
def shown_forged(stage: Stage) -> str:
    """Bob's card is said to be at another desk now: unsigned, by a guess, by empty tags."""
    for boot in (OLD_BOOT, _boot(stage, stage.idle_server)):
        for claim in _claims(stage, boot, 10**9):
            speak(stage, *_every_way(claim))
    return _taken(stage)


@attack("shown-of-an-earlier-boot")
def shown_of_an_earlier_boot(stage: Stage) -> str:
    """The same, as the other server signed it before its last restart."""
    sign = _secrets(stage).sign
    speak(stage, *[sign(encode_datagram(each)) for each in _claims(stage, OLD_BOOT, 1)] * 3)
    return _taken(stage)


@attack("shown-recorded")
def shown_recorded(stage: Stage) -> str:
    """The same, from the other server's present run, with numbers that have been used."""
    home, sign = str(stage.victim.server), _secrets(stage).sign
    claims = _claims(stage, _boot(stage, stage.idle_server), 1)
    before = stage.status(home)["dropped"].get("replay", 0)
    speak(stage, *[sign(encode_datagram(each)) for each in claims] * 3)
    taken = _taken(stage)
    dropped = stage.status(home)["dropped"].get("replay", 0) - before
    return taken or ("" if dropped >= len(claims) else f"only {dropped} were seen to be old")


@attack("shown-held-back")
def shown_held_back(stage: Stage) -> str:
    """The same, genuine, never heard before, and let go later: it answers no question of now."""
    home, idle, secrets = str(stage.victim.server), stage.idle_server, _secrets(stage)
    claims = _claims(stage, _boot(stage, idle), 1)
    before = stage.status(home)["dropped"].get("replay", 0)
    now = _announced(stage, idle)
    fresh = [dataclasses.replace(e, seq=e.seq + now.seq + AHEAD) for e in claims]
    speak(stage, *[secrets.sign(encode_datagram(e)) for e in fresh], to=stage.address(home))
    old = stage.status(home)["dropped"].get("replay", 0) - before
    if old >= len(claims):
        raise AssertionError("all of them were taken for old ones: nothing was attacked")
    return _taken(stage)
