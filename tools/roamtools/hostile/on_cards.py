"""Attacks on the proof of a card. What is only a number, and passwords: `on_numbers`, `on_logins`.

Each attack is beside its positive control: carol's card with the right answer, at the same server.
"""

import base64
import dataclasses
import os
import time

from roamtools.hostile.attack import attack
from roamtools.hostile.badge import Badge
from roamtools.hostile.controls import must
from roamtools.hostile.own_session import first_word, is_in, proven
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL, EVIL_USER, HOPPER, Stage
from roamwire.control import Cause, Challenge, Insert, Notice, Remove, Response
from roamwire.notices import NoticeCode
from roamwire.proof import Slot
from roamwire.tokens import Token

CHALLENGE_S = 10.0
AT = "server1"
ELSEWHERE = "server2"


def _challenge(peer: Peer, token: Token, seq: int = 1) -> Challenge:
    """The challenge that a claim of this token gets."""
    line = first_word(peer, Insert(token, Cause.INSERT, seq))
    must(isinstance(line, Challenge), f"no challenge but {line}")
    assert isinstance(line, Challenge)
    return line


def _outcome(stage: Stage, peer: Peer, *responses: Response | bytes) -> str:
    """What these responses get: a session or a way to one is too much. The right one gets it."""
    try:
        peer.send(*responses)
        got = [line for line in peer.heard() if is_in(line)]
    except OSError:
        got = []
    peer.close()
    with stage.greeted(AT) as own:
        opened = proven(stage, AT, own, stage.insert(EVIL_USER))
        must(is_in(opened), f"the right answer gets {opened}")
    return f"the server says {got[0]}" if got else ""


def _forger(stage: Stage) -> Badge:
    """The attacker's own card, which is registered and has its key."""
    return stage.badge(EVIL_USER)


@attack("card-without-its-key")
def random_signature(stage: Stage) -> str:
    """Bob's card is claimed, with his certificate and a signature of random bytes."""
    bob = stage.badge("bob")
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, bob.token)
        noise = base64.b64encode(os.urandom(71)).decode()
        shown = base64.b64encode(bob.certificate).decode()
        return _outcome(stage, peer, Response(challenge.seq, noise, shown))


@attack("card-with-another's-certificate")
def cloned_certificate(stage: Stage) -> str:
    """Bob's certificate on a card with a key of its own: a clone of all that can be copied."""
    bob, own = stage.badge("bob"), _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, bob.token)
        answer = own.answer(challenge, AT, EVIL, token=bob.token, shown=bob.certificate)
        return _outcome(stage, peer, answer)


@attack("card-claims-another's-token")
def another_token(stage: Stage) -> str:
    """Bob's token, proven with the attacker's own genuine card and certificate."""
    bob, own = stage.badge("bob"), _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, bob.token)
        return _outcome(stage, peer, own.answer(challenge, AT, EVIL, token=bob.token))


@attack("card-answer-recorded")
def recorded_answer(stage: Stage) -> str:
    """A genuine answer of before is given to the next challenge."""
    own = _forger(stage)
    with stage.greeted(AT) as peer:
        first = _challenge(peer, own.token)
        kept = own.answer(first, AT, EVIL)
        peer.send(Remove(1))
        second = _challenge(peer, own.token, 2)
        return _outcome(stage, peer, dataclasses.replace(kept, seq=second.seq))


@attack("card-answer-given-twice")
def answer_twice(stage: Stage) -> str:
    """The answer to a challenge that was answered wrongly before."""
    own = _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, own.token)
        good = own.answer(challenge, AT, EVIL)
        bad = dataclasses.replace(good, signature=base64.b64encode(b"x" * 70).decode())
        return _outcome(stage, peer, bad, good)


@attack("card-answer-for-another-server")
def relayed_from_a_server(stage: Stage) -> str:
    """An answer that a rogue server got by relaying: it is signed for that server's name."""
    own = _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, own.token)
        return _outcome(stage, peer, own.answer(challenge, ELSEWHERE, EVIL))


@attack("card-answer-of-another-terminal")
def relayed_from_a_terminal(stage: Stage) -> str:
    """An answer that was made at another terminal, which relays it."""
    own = _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, own.token)
        return _outcome(stage, peer, own.answer(challenge, AT, HOPPER))


@attack("card-answer-over-another-connection")
def another_connection(stage: Stage) -> str:
    """A challenge of one connection is answered on another one of the same terminal."""
    own = _forger(stage)
    with stage.greeted(AT) as asked, stage.greeted(AT) as other:
        challenge = _challenge(asked, own.token)
        return _outcome(stage, other, own.answer(challenge, AT, EVIL))


@attack("card-answer-for-the-other-key")
def another_slot(stage: Stage) -> str:
    """An answer that signs key 9A's challenge, to a challenge for key 9E."""
    own = _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, own.token)
        person = dataclasses.replace(challenge, slot=Slot.PERSON)
        return _outcome(stage, peer, own.answer(person, AT, EVIL))


@attack("card-answer-unasked")
def unasked(stage: Stage) -> str:
    """An answer before any challenge, and one for a card event that never was."""
    own = _forger(stage)
    made = Challenge(1, Slot.CARD, "00" * 32)
    with stage.greeted(AT) as peer:
        answer = own.answer(made, AT, EVIL)
        return _outcome(stage, peer, answer, dataclasses.replace(answer, seq=99))


@attack("card-answer-late")
def late(stage: Stage) -> str:
    """A right answer, eleven seconds after the challenge."""
    own = _forger(stage)
    with stage.greeted(AT) as peer:
        challenge = _challenge(peer, own.token)
        answer = own.answer(challenge, AT, EVIL)
        deadline = time.monotonic() + CHALLENGE_S + 1
        while time.monotonic() < deadline:
            peer.send(b"keepalive n=1\n")
            time.sleep(0.5)
        told = [line for line in peer.heard() if isinstance(line, Notice)]
        codes = [notice.code for notice in told]
        must(codes == [NoticeCode.NO_PROOF_IN_TIME], f"the time-out is told by {codes}")
        return _outcome(stage, peer, answer)


@attack("card-certificates-of-garbage")
def garbage_certificates(stage: Stage) -> str:
    """Certificates that are none, empty, huge or cut off."""
    own = _forger(stage)
    bad = [b"", b"0", b"\x30\x82\xff\xff", own.certificate[:-1], os.urandom(9000), b"\0" * 9000]
    got = ""
    for data in bad:
        with stage.greeted(AT) as peer:
            challenge = _challenge(peer, own.token)
            answer = own.answer(challenge, AT, EVIL)
            text = base64.b64encode(data).decode()
            got += _outcome(stage, peer, dataclasses.replace(answer, certificate=text))
    return got


@attack("card-errors-until-it-is-let-in")
def errors(stage: Stage) -> str:
    """The terminal says that the card cannot sign: that is no reason to go without."""
    bob = stage.badge("bob")
    got = ""
    for error in ("no-card", "card-error", "no-key", "pin-blocked", "pin-cancelled"):
        with stage.greeted(AT) as peer:
            challenge = _challenge(peer, bob.token)
            got += _outcome(stage, peer, f"response seq={challenge.seq} error={error}\n".encode())
    return got
