"""Attacks on the questions between servers, tokenQ and tokenR: who has a token's session?

The attacker sees the question on the wire, and the server that was asked is slow. The positive
control is the same answer, or question, with the group's secret.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.on_the_group import PORT, listen, speak
from roamtools.hostile.own_session import (
    first_word,
    home_of_own,
    is_in,
    other_server,
    sent_away,
)
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL, EVIL_USER, GUESS, Stage
from roamtools.hostile.wiretap import Wiretap, silenced
from roamwire.control import Cause, Challenge, Connect, Line, Notice, Redirect, Remove, SignOff
from roamwire.datagrams import (
    Claim,
    Host,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
    renumbered,
)
from roamwire.notices import NoticeCode
from sessionhost.adapters.keyfiles import load_secrets

AHEAD = 20
"""A number that the other server has not come to yet."""

QUESTIONS = 10_000
"""More than a server has room for nonces: MAX_NONCES in `sessionhost.core.vouchers`."""

REPEATS = 20

Answers = Callable[[TokenQ], list[bytes]]


@dataclass(frozen=True)
class _Sender:
    """A server as its neighbours know it: its present boot and the number of its last message."""

    host: str
    boot: str
    seq: int


def _sender(stage: Stage, server: str) -> _Sender:
    heard = listen(stage, lambda data: data.startswith(f"host={server} ".encode()))
    message = parse_datagram(GUESS.verify(heard).body)
    assert isinstance(message, Host)
    return _Sender(server, message.boot, message.seq)


def _question(data: bytes) -> TokenQ | None:
    if not data.startswith(b"tokenQ="):
        return None
    message = parse_datagram(GUESS.verify(data).body)
    return message if isinstance(message, TokenQ) and message.token else None


def _is_about(stage: Stage, asker: str) -> Callable[[bytes], bool]:
    """Whether a datagram is that server's question for a card at the attacker's terminal."""
    place = stage.address(EVIL)

    def wanted(data: bytes) -> bool:
        question = _question(data)
        return question is not None and question.host == asker and str(question.dtu) == place

    return wanted


def _insert_and_answer(stage: Stage, at: str, answers: Answers) -> tuple[Peer, Line | None]:
    """Carol's card goes in at a server, which asks the silent other one, and we answer."""
    peer = stage.greeted(at)
    challenge = first_word(peer, stage.insert(EVIL_USER))
    must(isinstance(challenge, Challenge), f"no challenge but {challenge}")
    assert isinstance(challenge, Challenge)
    response = stage.badge(EVIL_USER).answer(challenge, at, EVIL)
    with Wiretap(stage, at) as tap, silenced(stage, other_server(at)):
        peer.send(response)
        question = _question(tap.wait(_is_about(stage, at), 1.0))
        assert question is not None
        speak(stage, *answers(question), to=stage.address(at))
        return peer, peer.until(Connect, Redirect, Notice)


def _forged(question: TokenQ, sender: _Sender) -> bytes:
    """The other server has this session, shown a moment ago, and would take the terminal."""
    claims = (Claim("00000000feed", 0, 10**6),)
    answer = TokenR(
        question.tokenQ, sender.host, sender.boot, sender.seq + AHEAD, question.boot,
        nonce="0" * 24, claims=claims,
    )  # fmt: skip
    return encode_datagram(answer)


@attack("tokenr-forged")
def token_answer_forged(stage: Stage) -> str:
    """ "I have that session", to a question that was seen: unsigned, by a guess, by empty tags."""
    home = home_of_own(stage)
    sender = _sender(stage, other_server(home))

    def in_every_way(question: TokenQ) -> list[bytes]:
        body = _forged(question, sender)
        zeros = b" sig=" + b"0" * 64
        return [body, GUESS.sign(body), body + b" sig=", body + zeros, body + zeros + zeros]

    peer, line = _insert_and_answer(stage, home, in_every_way)
    with peer:
        must(is_in(line), f"carol's card gets {line}")
        peer.send(Remove(1))
    sign = load_secrets(stage.group).sign
    sender = _sender(stage, other_server(home))
    peer, right = _insert_and_answer(stage, home, lambda q: [sign(_forged(q, sender))])
    peer.close()
    must(isinstance(right, Redirect), f"the answer with the group's secret gets {right}")
    return f"the terminal was sent to {line.host}" if isinstance(line, Redirect) else ""


@attack("tokenr-recorded")
def token_answer_recorded(stage: Stage) -> str:
    """A true "I have that session" of a moment ago, to the next question for the same card."""
    home = home_of_own(stage)
    away = other_server(home)
    with stage.greeted(away) as peer, Wiretap(stage, away) as tap:
        challenge = first_word(peer, stage.insert(EVIL_USER))
        assert isinstance(challenge, Challenge)
        peer.send(stage.badge(EVIL_USER).answer(challenge, away, EVIL))
        question = _question(tap.wait(_is_about(stage, away)))
        assert question is not None
        begin = f"tokenR={question.tokenQ} host={home} ".encode()
        recorded = tap.wait(lambda data: data.startswith(begin) and b" session=" in data)
        line = peer.until(Redirect)
        must(isinstance(line, Redirect), f"carol's card gets {line} and no redirect")
    before = stage.status(away)["dropped"].get("replay", 0)
    peer, line = _insert_and_answer(stage, away, lambda _question: [recorded] * REPEATS)
    with peer:
        if isinstance(line, Notice) and line.code == NoticeCode.STARTING:
            must(peer.until(Connect, seconds=15), "the new session never starts")
            peer.send(SignOff(1))  # carol has another one there now, which is of no use
            peer.heard()
    dropped = stage.status(away)["dropped"].get("replay", 0) - before
    if isinstance(line, Redirect):
        return f"the terminal was sent to {line.host}"
    must(dropped >= REPEATS, f"{dropped} of {REPEATS} recordings arrived")
    return ""


@attack("tokenq-recorded", flood=True)
def token_question_recorded(stage: Stage) -> str:
    """A true question, ten thousand times: no answer, and no redirect's nonce is pushed out."""
    home = home_of_own(stage)
    away = other_server(home)
    secrets = load_secrets(stage.group)
    with Wiretap(stage, home) as tap, sent_away(stage) as sent:
        must(sent.home == home, "carol's session has moved")
        recorded = tap.wait(_is_about(stage, away))
        question = _question(recorded)
        assert question is not None
        now = _sender(stage, away)
        own = secrets.sign(encode_datagram(renumbered(question, now.boot, now.seq + AHEAD)))
        before = stage.status(home)["dropped"].get("replay", 0)
        answered = _answers(stage, home, own)
        began = time.monotonic()
        got = _answers(stage, home, *[recorded] * QUESTIONS)
        took = time.monotonic() - began
        dropped = stage.status(home)["dropped"].get("replay", 0) - before
        with stage.greeted(home) as peer:
            insert = stage.insert(EVIL_USER, cause=Cause.REDIRECT, ticket=sent.ticket)
            line = first_word(peer, insert)
            peer.send(Remove(1))
    must(answered, "a question with the group's secret is not answered either")
    must(dropped > QUESTIONS // 10, f"{dropped} of {QUESTIONS} recordings arrived")
    must(took < 8, f"the flood took {took:.1f} s, longer than a ticket lives")
    if got:
        return f"{got} answers to a recorded question"
    return "" if isinstance(line, Connect) else f"the flood has made a ticket void: {line}"


def _answers(stage: Stage, server: str, *asked: bytes) -> int:
    """How many answers these questions get at the attacker's terminal."""

    address = stage.address(server)

    def exchange() -> int:
        found = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            link.bind(("", PORT))
            for data in asked:
                link.sendto(data, (address, PORT))
            deadline = time.monotonic() + 1.0
            while (left := deadline - time.monotonic()) > 0:
                link.settimeout(left)
                try:
                    found += link.recv(4096).startswith(b"tokenR=")
                except TimeoutError:
                    break
        return found

    return stage.evil(exchange)
