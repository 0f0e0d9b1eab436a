"""Attacks on passwords: guessed, of the wrong people, unasked, and too many at once.

Each attack is beside its positive control: a person with the right password, by the same steps.
"""

import contextlib
import time
from collections.abc import Iterator

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.own_session import guest, is_in
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL_USER, SERVERS, Stage
from roamtools.lab import plan
from roamwire.control import Answer, Ask, Cause, Connect, Insert, Line, Notice, Redirect, Remove
from roamwire.tokens import Token
from sessionhost.adapters.password_helper import MAX_CHECKS

TERMINALS = 5
GUESSES = 12
PAM_S = 8.0
"""PAM waits some two seconds after a wrong password."""

CROWD = 6
LINKS = 4
"""As many connections as one terminal may have."""

PATIENCE_S = 12.0
"""A person who has typed the right password waits no longer than this."""


def _asked(peer: Peer, dtu: str) -> Line | None:
    """What Enter on "Insert your card" gets."""
    return peer.insert(Insert(Token("pseudo", dtu), Cause.INSERT, 1), Ask, Notice)


def _answer(peer: Peer, user: str, password: str, seconds: float = PAM_S) -> Line | None:
    peer.send(Answer(1, user, password))
    return peer.until(Ask, Notice, Connect, Redirect, seconds=seconds)


def _right_password_opens(
    stage: Stage, server: str, dtu: str, user: str = EVIL_USER, seconds: float = PAM_S
) -> str:
    """What somebody with the right password gets, in words, if it is no session."""
    with guest(stage, dtu, server) as peer:
        asked = _asked(peer, dtu)
        line = _answer(peer, user, plan.PASSWORD, seconds) if isinstance(asked, Ask) else asked
        peer.send(Remove(1))
    return "" if is_in(line) else f"{user}'s right password gets {line}"


@attack("password-guessed-from-many-terminals", flood=True)
def passwords(stage: Stage) -> str:
    """Bob's password is guessed at five terminals and two servers; one guess is right."""
    tried = 0
    for number in range(TERMINALS):
        for server in SERVERS:
            name = f"guesser{number}"
            with guest(stage, name, server) as peer:
                line = _asked(peer, name)
                while isinstance(line, Ask) and tried < GUESSES:
                    tried += 1
                    guess = plan.PASSWORD if tried == GUESSES else f"guess {tried}"
                    line = _answer(peer, "bob", guess)
                    if is_in(line):
                        return f"in after {tried} guesses"
    must(tried, "no terminal was ever asked for a password")
    must(not (lacks := _right_password_opens(stage, "server1", "guesser9")), lacks)
    return ""


@contextlib.contextmanager
def _all_have_passwords(stage: Stage, server: str) -> Iterator[None]:
    """root and the daemons have the password of everybody else for a while."""
    shadow = stage.lab.node_dir(server) / "etc" / "shadow"
    before = shadow.read_text()
    lines = [line.split(":") for line in before.splitlines()]
    names = [fields[0] for fields in lines]
    given = [":".join((name, plan.PASSWORD_HASH, *rest)) for name, _, *rest in lines]
    given += [f"{name}:{plan.PASSWORD_HASH}:19000:0:99999:7:::" for name in ("daemon", "nobody")]
    must(not {"daemon", "nobody"} & set(names), "they have an entry of their own now")
    shadow.write_text("\n".join(given) + "\n")
    try:
        yield
    finally:
        shadow.write_text(before)


@attack("password-of-the-system's-users")
def system_users(stage: Stage) -> str:
    """Login as root, as the daemons, and with names that are none, each with its right password."""
    names = ["root", "daemon", "nobody", *(user.name for user in plan.DAEMON_USERS)]
    odd = ["", "bob\x00", "bob\n", "../bob", "bob:x", "x" * 60]
    server = "server2"
    with _all_have_passwords(stage, server):
        for number, name in enumerate((*names, *odd)):
            dtu = f"asker{number}"
            with guest(stage, dtu, server) as peer:
                line = _asked(peer, dtu)
                must(isinstance(line, Ask), f"a login of {name!r} gets {line} and no question")
                if is_in(_answer(peer, name, plan.PASSWORD)):
                    return f"a session of {name!r}"
        must(not (lacks := _right_password_opens(stage, server, "asker99")), lacks)
    return ""


@attack("password-unasked")
def password_unasked(stage: Stage) -> str:
    """The right password of carol, to a question that nobody asked."""
    with guest(stage, "unasked", "server1") as peer:
        peer.send(Answer(1, EVIL_USER, plan.PASSWORD))
        got = [line for line in peer.heard(2.0) if is_in(line)]
    must(not (lacks := _right_password_opens(stage, "server1", "unasked")), lacks)
    return f"the server says {got[0]}" if got else ""


@attack("passwords-more-than-are-checked-at-once", flood=True)
def crowd(stage: Stage) -> str:
    """Many passwords at once, of users that are none; a person with the right one gets in."""
    server = "server1"
    peers: list[Peer] = []
    try:
        for number in range(CROWD * LINKS):
            dtu = f"crowd{number // LINKS}"
            peers.append(guest(stage, dtu, server))
            must(isinstance(_asked(peers[-1], dtu), Ask), f"{dtu} is not asked for a password")
        for number, peer in enumerate(peers):
            peer.send(Answer(1, f"ghost{number}", "guess"))
        began = time.monotonic()
        got = _right_password_opens(stage, server, "honest", "alice", PATIENCE_S)
        took = time.monotonic() - began
        answers = [peer.until(Ask, Notice, Connect, Redirect, seconds=PAM_S) for peer in peers]
    finally:
        for peer in peers:
            peer.close()
    must(len(answers) > MAX_CHECKS, f"only {len(answers)} passwords at once")
    if any(is_in(line) for line in answers):
        return "a guess got in"
    return got or (f"the right password took {took:.1f} s" if took > PATIENCE_S else "")
