"""Attacks on the proof of a card, on passwords, and on what is only a number."""

import base64
import dataclasses
import os
import time

from roamtools.hostile.attack import attack
from roamtools.hostile.badge import Badge
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL, HOPPER, SERVERS, Stage
from roamtools.lab import plan
from roamwire.control import (
    Answer,
    Ask,
    Cause,
    Challenge,
    Connect,
    Insert,
    Line,
    Notice,
    Redirect,
    Remove,
    Response,
)
from roamwire.identity import Identity
from roamwire.proof import Slot
from roamwire.tokens import Token

TERMINALS = 5
GUESSES = 12
CHALLENGE_S = 10.0


def _challenge(peer: Peer, token: Token, seq: int = 1) -> Challenge:
    """The challenge that a claim of this token gets."""
    line = peer.insert(Insert(token, Cause.INSERT, seq), Challenge, Notice, Connect, Redirect)
    if not isinstance(line, Challenge):
        raise AssertionError(f"no challenge but {line}")
    return line


def _outcome(peer: Peer, *responses: Response | bytes) -> str:
    """What these responses get: a session or a way to one is too much."""
    try:
        peer.send(*responses)
    except OSError:
        return ""
    line = peer.until(Connect, Redirect, Notice)
    while isinstance(line, Notice) and line.code == _STARTING:
        return "a session is made for it"
    return f"the server says {type(line).__name__.lower()}" if _opens(line) else ""


_STARTING = 36


def _opens(line: Line | None) -> bool:
    return isinstance(line, Connect | Redirect)


def _forger(stage: Stage) -> Badge:
    """A card of the attacker's own making, with a key of his own."""
    return stage.badge("carol")


@attack("card-without-its-key")
def random_signature(stage: Stage) -> str:
    """Bob's card is claimed, with his certificate and a signature of random bytes."""
    bob = stage.badge("bob")
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, bob.token)
        noise = base64.b64encode(os.urandom(71)).decode()
        shown = base64.b64encode(bob.certificate).decode()
        return _outcome(peer, Response(challenge.seq, noise, shown))


@attack("card-with-another's-certificate")
def cloned_certificate(stage: Stage) -> str:
    """Bob's certificate on a card with a key of its own: a clone of all that can be copied."""
    bob, own = stage.badge("bob"), _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, bob.token)
        answer = own.answer(challenge, "server1", EVIL, token=bob.token, shown=bob.certificate)
        return _outcome(peer, answer)


@attack("card-claims-another's-token")
def another_token(stage: Stage) -> str:
    """Bob's token, proven with the attacker's own genuine card and certificate."""
    bob, own = stage.badge("bob"), _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, bob.token)
        return _outcome(peer, own.answer(challenge, "server1", EVIL, token=bob.token))


@attack("card-answer-recorded")
def recorded_answer(stage: Stage) -> str:
    """A genuine answer of before is given to the next challenge."""
    own = _forger(stage)
    with stage.greeted("server1") as peer:
        first = _challenge(peer, own.token)
        kept = own.answer(first, "server1", EVIL)
        peer.send(Remove(1))
        second = _challenge(peer, own.token, 2)
        return _outcome(peer, dataclasses.replace(kept, seq=second.seq))


@attack("card-answer-given-twice")
def answer_twice(stage: Stage) -> str:
    """The answer to a challenge that was answered wrongly before."""
    own = _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, own.token)
        good = own.answer(challenge, "server1", EVIL)
        bad = dataclasses.replace(good, signature=base64.b64encode(b"x" * 70).decode())
        return _outcome(peer, bad, good)


@attack("card-answer-for-another-server")
def relayed_from_a_server(stage: Stage) -> str:
    """An answer that a rogue server got by relaying: it is signed for that server's name."""
    own = _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, own.token)
        return _outcome(peer, own.answer(challenge, "server2", EVIL))


@attack("card-answer-of-another-terminal")
def relayed_from_a_terminal(stage: Stage) -> str:
    """An answer that was made at another terminal, which relays it."""
    own = _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, own.token)
        return _outcome(peer, own.answer(challenge, "server1", HOPPER))


@attack("card-answer-over-another-connection")
def another_connection(stage: Stage) -> str:
    """A challenge of one connection is answered on another one of the same terminal."""
    own = _forger(stage)
    with stage.greeted("server1") as asked, stage.greeted("server1") as other:
        challenge = _challenge(asked, own.token)
        return _outcome(other, own.answer(challenge, "server1", EVIL))


@attack("card-answer-for-the-other-key")
def another_slot(stage: Stage) -> str:
    """An answer that signs key 9A's challenge, to a challenge for key 9E."""
    own = _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, own.token)
        person = dataclasses.replace(challenge, slot=Slot.PERSON)
        return _outcome(peer, own.answer(person, "server1", EVIL))


@attack("card-answer-unasked")
def unasked(stage: Stage) -> str:
    """An answer before any challenge, and one for a card event that never was."""
    own = _forger(stage)
    made = Challenge(1, Slot.CARD, "00" * 32)
    with stage.greeted("server1") as peer:
        answer = own.answer(made, "server1", EVIL)
        return _outcome(peer, answer, dataclasses.replace(answer, seq=99))


@attack("card-answer-late")
def late(stage: Stage) -> str:
    """A right answer, eleven seconds after the challenge."""
    own = _forger(stage)
    with stage.greeted("server1") as peer:
        challenge = _challenge(peer, own.token)
        answer = own.answer(challenge, "server1", EVIL)
        deadline = time.monotonic() + CHALLENGE_S + 1
        while time.monotonic() < deadline:
            peer.send(b"keepalive n=1\n")
            time.sleep(0.5)
        return _outcome(peer, answer)


@attack("card-certificates-of-garbage")
def garbage_certificates(stage: Stage) -> str:
    """Certificates that are none, empty, huge or cut off."""
    own = _forger(stage)
    bad = [b"", b"0", b"\x30\x82\xff\xff", own.certificate[:-1], os.urandom(9000), b"\0" * 9000]
    got = ""
    for data in bad:
        with stage.greeted("server2") as peer:
            challenge = _challenge(peer, own.token)
            answer = own.answer(challenge, "server2", EVIL)
            text = base64.b64encode(data).decode()
            got += _outcome(peer, dataclasses.replace(answer, certificate=text))
    return got


@attack("card-number-instead-of-the-card")
def number_only(stage: Stage) -> str:
    """Bob's badge number, which everybody can read, where cards have to prove themselves."""
    with stage.greeted("server1") as peer:
        token = Token.parse(plan.CARDS["B"].token)
        line = peer.insert(Insert(token, Cause.INSERT, 1), Connect, Redirect, Notice)
        return "his number opened a session" if _opens(line) else ""


@attack("card-errors-until-it-is-let-in")
def errors(stage: Stage) -> str:
    """The terminal says that the card cannot sign: that is no reason to go without."""
    bob = stage.badge("bob")
    got = ""
    for error in ("no-card", "card-error", "no-key", "pin-blocked", "pin-cancelled"):
        with stage.greeted("server2") as peer:
            challenge = _challenge(peer, bob.token)
            got += _outcome(peer, f"response seq={challenge.seq} error={error}\n".encode())
    return got


@attack("password-guessed-from-many-terminals", flood=True)
def passwords(stage: Stage) -> str:
    """Bob's password is guessed at five terminals and two servers; one guess is right."""
    tried = 0
    for number in range(TERMINALS):
        folder = stage.genuine(f"guesser{number}", Identity("dtu", f"guesser{number}"))
        for server in SERVERS:
            with stage.peer(server, folder) as peer:
                if peer.hello(f"guesser{number}") is None:
                    continue
                line = peer.insert(
                    Insert(Token("pseudo", f"guesser{number}"), Cause.INSERT, 1), Ask, Notice
                )
                while isinstance(line, Ask) and tried < GUESSES:
                    tried += 1
                    guess = plan.PASSWORD if tried == GUESSES else f"guess {tried}"
                    peer.send(Answer(1, "bob", guess))
                    line = peer.until(Ask, Notice, Connect, Redirect, seconds=8)
                    if _opens(line) or (isinstance(line, Notice) and line.code == _STARTING):
                        return f"in after {tried} guesses"
    return "" if tried else "no terminal was ever asked for a password: nothing was attacked"


@attack("password-of-the-system's-users")
def system_users(stage: Stage) -> str:
    """Login as root, as the daemons, with empty passwords and with names that are none."""
    names = ("root", "roamdesk", "roamdesk-display", "nobody", "", "bob\x00", "../bob", "x" * 60)
    for name in names:
        with stage.greeted("server2") as peer:
            line = peer.insert(Insert(Token("pseudo", EVIL), Cause.INSERT, 1), Ask, Notice)
            if not isinstance(line, Ask):
                continue
            try:
                peer.send(Answer(1, name, ""))
            except ValueError:
                continue
            line = peer.until(Ask, Notice, Connect, Redirect, seconds=8)
            if _opens(line) or (isinstance(line, Notice) and line.code == _STARTING):
                return f"a session of {name!r}"
    return ""


@attack("password-unasked")
def password_unasked(stage: Stage) -> str:
    """The right password of bob, to a question that nobody asked."""
    with stage.greeted("server1") as peer:
        peer.send(Answer(1, "bob", plan.PASSWORD))
        line = peer.until(Connect, Redirect, seconds=2)
        return "a session was opened" if line else ""
