"""Attacks on what people know: PINs, and passwords of copied cards and of logins."""

import contextlib
import time
from functools import partial
from pathlib import Path

from roamtools.demo.desk import StepFailed, wait_until
from roamtools.hostile.attack import attack
from roamtools.hostile.peer import Peer
from roamtools.hostile.side_stage import COPIED, PINS, SideStage, beside
from roamtools.hostile.stage import EVIL, HOPPER, SERVERS, VICTIM, Stage
from roamtools.lab import plan
from roamtools.lab.piv_cards import PIN, TRIES
from roamwire.control import Answer, Ask, Cause, Connect, Insert, Line, Notice, Redirect, Remove
from roamwire.identity import Identity
from roamwire.notices import NoticeCode
from roamwire.tokens import Token

ASKS_FOR_A_CARD, WRONG_PIN, PIN_BLOCKED = 21, 52, 53
GUESSERS = 5
GUESSES = 12
"""The last one is right: with three tries at each terminal it would be heard at the fourth."""

BOBS = Token.parse(plan.CARDS["B"].token)


def _is_in(line: Line | None) -> bool:
    started = isinstance(line, Notice) and line.code == NoticeCode.STARTING
    return isinstance(line, Connect | Redirect) or started


def _claim(stage: Stage, dtu: str, cause: Cause) -> tuple[Peer, Line | None]:
    """Bob's copied card goes in at one server and follows redirects; where it ends, and how.

    As a terminal that says that it lost its server it goes to the one with his session at once.
    """
    folder = stage.genuine(dtu, Identity("dtu", dtu))
    server = str(stage.victim.server) if cause is Cause.FAILOVER else SERVERS[0]
    insert = Insert(BOBS, cause, 1, lost="server9")
    for _ in SERVERS:
        peer = stage.peer(server, folder)
        assert peer.hello(dtu) is not None
        line = peer.insert(insert, Ask, Notice, Connect, Redirect)
        if not isinstance(line, Redirect):
            break
        peer.close()
        server, insert = line.host, Insert(BOBS, Cause.REDIRECT, 1, line.ticket)
    return peer, line


@attack("card-number-copied-without-the-password")
def copied(stage: Stage) -> str:
    """A copy of bob's card, where a password belongs to it: without one, with another's, empty."""
    side = beside(stage, COPIED)
    got = ""
    for cause in (Cause.INSERT, Cause.FAILOVER, Cause.REDIRECT):
        peer, line = _claim(side, EVIL, cause)
        with peer:
            if not isinstance(line, Ask):
                got += f"{cause.value} of the copy gets {line}; "
                continue
            # The claim alone takes nothing from bob, who sits before his screen.
            got += side.harm()
            answers = [Answer(2, "bob", plan.PASSWORD)]  # to another question
            if cause is Cause.INSERT:  # wrong ones are counted, so there are few
                answers += [Answer(1, "carol", "no"), Answer(1, "", "")]
            for answer in answers:
                peer.send(answer)
                reply = peer.until(Ask, Notice, Connect, Redirect, seconds=4)
                got += f"{answer.user or 'nobody'} is in; " if _is_in(reply) else ""
        got += side.harm()
    return got


@attack("card-number-copied-and-its-password-guessed", flood=True)
def copied_and_guessed(stage: Stage) -> str:
    """The password of a copied card, guessed at five terminals; bob is not locked out."""
    side = beside(stage, COPIED)
    tried = 0
    for number in range(GUESSERS):
        peer, line = _claim(side, f"guesser{number}", Cause.INSERT)
        with peer:
            while isinstance(line, Ask) and tried < GUESSES:
                tried += 1
                guess = plan.PASSWORD if tried == GUESSES else f"guess {tried}"
                peer.send(Answer(1, "", guess))
                line = peer.until(Ask, Notice, Connect, Redirect, seconds=8)
                if _is_in(line):
                    return f"in after {tried} guesses"
    if not tried:
        raise AssertionError("no terminal was ever asked for the password: nothing was attacked")
    got = f"{tried} passwords were tried; " if tried >= GUESSES else ""
    return got + side.harm() + _bob_comes_back(side)


def _bob_comes_back(side: SideStage) -> str:
    """He pulls his card, puts it in again, types his password: no guess of others is in his way."""
    side.lab.remove(VICTIM)
    wait_until("the desk is free", lambda: _code(side, VICTIM) == ASKS_FOR_A_CARD)
    try:
        side.sit_down()
    except StepFailed as error:
        return f"bob is locked out: {error}, his desk says {_code(side, VICTIM)}"
    return side.harm()


def _code(stage: Stage, desk: str) -> int:
    return int(stage.lab.desk_state(desk)["code"])


@attack("pin-guessed-at-many-terminals")
def pin_guessed(stage: Stage) -> str:
    """The PIN of a stolen card, at one terminal after the other: the card itself counts."""
    side = beside(stage, PINS)
    if "desk4" not in side.lab.desks():
        side.lab.add_desk()  # desk4
    guesses = 0
    for _ in range(TRIES + 1):
        for desk in (HOPPER, "desk4"):
            guesses += _guesses_pin(side, desk, f"{guesses:06d}")
    got = f"{guesses} PINs were tried; " if guesses > TRIES else ""
    if guesses < TRIES:
        raise AssertionError(f"only {guesses} PINs were tried: nothing was attacked")
    got += _right_pin_in_vain(side) + side.harm()
    # The terminals, and everybody else's cards, are as before.
    for desk, card in ((HOPPER, "carol"), ("desk4", "carol")):
        side.lab.insert(desk, "", piv=card)
        side.types(desk, "pin", PIN)
        with contextlib.suppress(StepFailed):
            wait_until("she is in", partial(_is_in_at, side, desk))
        if not _is_in_at(side, desk):
            got += f"{card} is kept out of {desk}, which says {_code(side, desk)}; "
        side.lab.remove(desk)
    return got


def _guesses_pin(side: SideStage, desk: str, pin: str) -> bool:
    """Alice's card goes in, a PIN is typed, the card goes out; whether it was looked at."""

    def asks() -> bool:
        return bool(side.lab.desk_state(desk)["asks"] == "pin")

    wait_until(f"{desk} is free", lambda: _code(side, desk) == ASKS_FOR_A_CARD)
    side.lab.insert(desk, "", piv="alice")
    wait_until(f"{desk} asks or refuses", lambda: asks() or _code(side, desk) == PIN_BLOCKED)
    tried = asks()
    if tried:
        before = side.lab.desk_state(desk)["text"]
        side.lab.type(desk, f"{pin}\n")
        wait_until("the card has judged", partial(_has_judged, side, desk, before))
    side.lab.remove(desk)
    return tried


def _has_judged(side: SideStage, desk: str, before: str) -> bool:
    """While it computes other words stand there; a card that is pulled then has judged nothing."""
    said = side.lab.desk_state(desk)
    return said["code"] in (WRONG_PIN, PIN_BLOCKED) and said["text"] != before


def _is_in_at(side: SideStage, desk: str) -> bool:
    return bool(side.lab.desk_state(desk)["session"])


def _right_pin_in_vain(side: SideStage) -> str:
    """The card is blocked, with its right PIN too."""
    wait_until("the desk is free", lambda: _code(side, HOPPER) == ASKS_FOR_A_CARD)
    side.lab.insert(HOPPER, "", piv="alice")
    wait_until("it says something", lambda: _code(side, HOPPER) in (PIN_BLOCKED, 51, 52))
    if _code(side, HOPPER) != PIN_BLOCKED:
        side.lab.type(HOPPER, f"{PIN}\n")
        time.sleep(2)
    shown = side.lab.desk_state(HOPPER)["session"]
    side.lab.remove(HOPPER)
    return "the blocked card opens a session; " if shown else ""


@attack("password-guessed-and-its-owner-not-locked-out", flood=True)
def owner_not_locked_out(stage: Stage) -> str:
    """Alice's password, guessed at five terminals; where she has been it still opens."""
    home = stage.genuine("desk7", Identity("dtu", "desk7"))
    if not _is_in(_login(stage, home, "desk7", plan.PASSWORD)):
        raise AssertionError("alice cannot sign in at all: nothing was attacked")
    looked_at = 0
    for number in range(GUESSERS):
        name = f"other{number}"
        folder = stage.genuine(name, Identity("dtu", name))
        for guess in range(4):
            line = _login(stage, folder, name, f"guess {number} {guess}")
            looked_at += isinstance(line, Ask)
        if number == GUESSERS - 1 and _is_in(_login(stage, folder, name, plan.PASSWORD)):
            return "the right password was heard at a terminal after all those guesses"
    if not looked_at:
        raise AssertionError("no guess was ever looked at: nothing was attacked")
    line = _login(stage, home, "desk7", plan.PASSWORD)
    return "" if _is_in(line) else f"alice is locked out of her own desk: {line}"


def _login(stage: Stage, folder: Path, name: str, password: str) -> Line | None:
    """What a person who signs in as alice is told."""
    with stage.peer("server2", folder) as peer:
        assert peer.hello(name) is not None
        line = peer.insert(
            Insert(Token("pseudo", name), Cause.INSERT, 1), Ask, Notice, Connect, Redirect
        )
        if isinstance(line, Ask):
            peer.send(Answer(1, "alice", password))
            line = peer.until(Ask, Notice, Connect, Redirect, seconds=8)
        peer.send(Remove(1))
    return line
