"""Attacks by numbers: what can be read off a card, guessed, or typed off a badge.

The policy lets registered numbers in, so what is refused here is refused because nobody registered
it. A copy of a registered number opens what that card opens: tests/system/test_proof_real.py.
"""

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.own_session import first_word, guest, is_in
from roamtools.hostile.stage import Stage
from roamtools.lab import plan
from roamwire.control import Cause, Connect, Insert, Notice, Redirect, Remove
from roamwire.notices import NoticeCode
from roamwire.tokens import Token

NUMBERS = 200
OWN_NUMBER = Token.parse(plan.CARDS["C"].token)
"""Carol's other card, which is a number and registered as one."""


def _own_number_opens(stage: Stage, cause: Cause = Cause.INSERT) -> None:
    """The positive control: a number that is registered gets in by the same steps."""
    with guest(stage, "owner", "server1") as peer:
        line = first_word(peer, Insert(OWN_NUMBER, cause, 1))
        must(is_in(line), f"carol's registered number gets {line}")
        peer.send(Remove(1))


@attack("card-number-instead-of-the-card")
def number_only(stage: Stage) -> str:
    """Bob's PIV card claimed by what can be read of it: its key's hash, whole and in parts."""
    key = stage.badge("bob").token.value
    got = ""
    for number, value in enumerate((key, key[:32], key[:14], key[-14:])):
        with guest(stage, f"reader{number}", "server1") as peer:
            line = first_word(peer, Insert(Token("uid", value), Cause.INSERT, 1))
            if is_in(line):
                got += f"the number {value} opened a session; "
            told = line.code if isinstance(line, Notice) else line
            must(got or told == NoticeCode.NOT_REGISTERED, f"the number {value} gets {line}")
    _own_number_opens(stage)
    return got


@attack("insert-of-everybody's-cards")
def all_numbers(stage: Stage) -> str:
    """Card numbers in a row, to find one that is registered: alice's is the last but a few."""
    last = int(plan.CARDS["A"].number, 16) + 10
    found = 0
    with guest(stage, "counter", "server1") as peer:
        for seq in range(1, NUMBERS + 1):
            number = f"{last - NUMBERS + seq:014x}"
            line = peer.insert(
                Insert(Token("uid", number), Cause.INSERT, seq), Notice, Connect, Redirect
            )
            found += is_in(line)
        peer.send(Remove(NUMBERS))
    _own_number_opens(stage)
    return f"{found} cards were found" if found else ""
