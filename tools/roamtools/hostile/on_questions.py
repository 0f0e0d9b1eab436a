"""Attacks on the questions between servers, tokenQ and tokenR: who has a token's session?

The attacker sees the question on the wire, and the server that was asked is slow. The positive
control is the same answer, or question, with the group's secret.
"""

from collections.abc import Callable
from dataclasses import dataclass

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.on_the_group import GUESS, listen, speak
from roamtools.hostile.own_session import (
    first_word,
    home_of_own,
    is_in,
    other_server,
)
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL, EVIL_USER, Stage
from roamtools.hostile.wiretap import Wiretap, silenced
from roamwire.control import Challenge, Connect, Line, Notice, Redirect, Remove
from roamwire.datagrams import (
    Claim,
    Host,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
)
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
