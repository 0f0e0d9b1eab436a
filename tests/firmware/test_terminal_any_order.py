"""A terminal keeps its promises whatever happens, in any order."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dtu.core.actions import (
    AskCard,
    Blank,
    Broadcast,
    CloseDisplay,
    Connect,
    Hangup,
    OpenDisplay,
    SendLine,
)
from dtu.core.events import CardAnswered, CardPresented, CardRemoved, CardUnreadable, ReaderMissing
from dtu.core.input.events import Key
from dtu.core.piv.keys import KeyType
from dtu.core.piv.results import Certificate, PinNeeded, PivCard, Signed
from fakes.bench import BOB, READER, S1, S2, S3, Bench, answer
from roamwire import control
from roamwire.control import Disconnect, Insert, Notice, Redirect, Remove
from roamwire.proof import Slot
from roamwire.tokens import Token

# Anything in any order

OPS = (
    "lease", "no lease", "opened", "closed", "welcome", "connect", "redirect", "notice",
    "starting", "taken-over", "ended", "failed", "restarting", "in", "in bob", "out", "unreadable",
    "frame", "display lost", "due", "due", "due", "wait", "late connect", "answer",
    "in piv", "challenge", "challenge 9a", "ask", "signed", "pin needed", "digit", "enter",
    "escape", "lock", "service gone",
)  # fmt: skip


PIV = PivCard(Token("piv", "ab" * 20), "", Certificate(Slot.CARD, KeyType.P256, b"c"))


def card_says(bench, result):
    """To the last request; the terminal may not care any more."""
    asked = bench.of(AskCard)
    if asked:
        number, insertion = asked[-1].request.number, asked[-1].request.insertion
        answer = CardAnswered(number, insertion, result, READER, bench.now)
        bench.terminal.proving.card_answered(answer, bench.now)


def play(bench, op, rng):
    lines = {
        "welcome": control.Welcome(f"s{rng.randint(1, 3)}", 500, 1500, (S1, S2, S3)),
        "connect": control.Connect(bench.seq, "a1", rng.randint(1, 9), "t", 7010),
        "late connect": control.Connect(bench.seq - 1, "a1", rng.randint(1, 9), "t", 7010),
        "redirect": Redirect(bench.seq, "s3", "10.0.0.3", 7009, "t"),
        "notice": Notice(bench.seq, 31),
        "starting": Notice(bench.seq, 36),
        "restarting": Disconnect(bench.seq, "restarting", 3000),
        "challenge": control.Challenge(bench.seq, Slot.CARD, "5a"),
        "challenge 9a": control.Challenge(bench.seq, Slot.PERSON, "5b"),
        "ask": control.Ask(bench.seq, control.Question.LOGIN),
    }
    lines |= {each: Disconnect(bench.seq, each) for each in ("taken-over", "ended", "failed")}
    terminal = bench.terminal
    simple = {
        "lease": lambda: bench.lease("10.0.0.1", "10.0.0.2"),
        "no lease": bench.no_lease,
        "opened": bench.opened,
        "closed": bench.closed,
        "in": bench.card_in,
        "in piv": lambda: bench.card(
            CardPresented(PIV.token, READER, bench.now, piv=PIV, insertion=1)
        ),
        "signed": lambda: card_says(bench, Signed(PIV.certificate, b"s")),
        "pin needed": lambda: card_says(bench, PinNeeded(3)),
        "digit": lambda: terminal.key(Key(ord("7"), True), bench.now),
        "enter": lambda: terminal.key(Key(0xFF0D, True), bench.now),
        "escape": lambda: terminal.key(Key(0xFF1B, True), bench.now),
        "in bob": lambda: bench.card_in(BOB),
        "out": bench.card_out,
        "unreadable": lambda: bench.card(CardUnreadable(READER, "mute", bench.now)),
        "lock": terminal.lock,
        "service gone": lambda: (
            bench.card(CardRemoved(READER, bench.now, seen=False)),
            bench.card(ReaderMissing("no_service")),
        ),
        "frame": lambda: terminal.first_frame(terminal.session, terminal.epoch),
        "display lost": lambda: terminal.display_lost(
            terminal.session, terminal.epoch, "reset", bench.now
        ),
        "wait": lambda: bench.run(rng.choice([0.05, 0.4, 2.0])),
        "due": lambda: bench.due() if terminal.next_deadline() is not None else None,
        "answer": lambda: bench.of(Broadcast) and answer(bench),
    }
    if op in lines:
        bench.hear(lines[op])
    else:
        simple[op]()
    bench.act()


def check(bench):
    """What must hold whatever has happened."""
    links, display, card, links_begun = None, False, False, 0
    for action in bench.done:
        if isinstance(action, Connect):
            assert links is None, "two control connections at a time"
            links, links_begun = action.attempt, action.attempt
        elif isinstance(action, Hangup) and action.attempt == links:
            links = None
        elif isinstance(action, SendLine):
            assert action.attempt == links_begun, "a line to a server that was left"
            line = control.parse_line(action.line)
            card = isinstance(line, Insert) or (card and not isinstance(line, Remove))
        elif isinstance(action, OpenDisplay):
            assert not display, "two displays at a time"
            assert card, "a picture without a card"
            display = True
        elif isinstance(action, CloseDisplay):
            display = False
        elif isinstance(action, Blank):
            card = False
    assert display == bool(bench.terminal.session)
    inside = bench.terminal.token is not None
    assert bench.terminal.token not in bench.terminal._card.locked, "a locked card is in"
    assert inside or not bench.terminal.proving.takes_keys, "a pad without a card"


@settings(max_examples=150)
@given(st.lists(st.sampled_from(OPS), max_size=60), st.integers(0, 1000))
def test_in_any_order_of_events_the_terminal_keeps_its_promises(ops, seed):
    bench, rng = Bench(seed), random.Random(seed)
    for op in ["lease", "due", "opened", "welcome", *ops]:
        play(bench, op, rng)
        check(bench)
    bench.card_out()
    check(bench)
    assert bench.terminal.session == ""
    pictures = [type(a) for a in bench.done if isinstance(a, OpenDisplay | Blank | CloseDisplay)]
    assert not pictures or pictures[-1] is not OpenDisplay
