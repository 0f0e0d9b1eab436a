"""The terminal's table: every transition once, and every event at every state."""

import pytest

from dtu.core.events import (
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from dtu.core.states import TRANSITIONS, State, Step
from dtu.core.terminal import Terminal
from fakes.bench import ALICE, READER, S2, S3, Bench, bench_at
from roamwire import control
from roamwire.control import Redirect
from roamwire.errors import LocalProtocolError


class Watched(Terminal):
    """Writes down its transitions."""

    def __init__(self, *args):
        self.moves = []
        super().__init__(*args)

    def _move(self, step):
        self.moves.append((self.state, step))
        super()._move(step)


def lost(bench):
    if bench.state is State.CONNECTED:
        bench.closed()
    else:  # a restarting server that named no time does not come back
        bench = bench_at(State.CONNECTED, ALICE, terminal=Watched)
        bench.hear(control.Disconnect(bench.seq, "restarting", 0))
        bench.due()
    return bench


def redirected(bench):
    bench.hear(Redirect(bench.seq, "s3", "10.0.0.3", 7009, "t"))


def tried(bench):
    if bench.state is State.SEEKING:
        bench.closed()
        bench = bench_at(State.NO_ADDRESS, ALICE, terminal=Watched)
        bench.lease("10.0.0.1")
    bench.due()
    return bench


DRIVE = {
    Step.ADDRESS: lambda bench: bench.lease("10.0.0.8") and None,
    Step.NO_ADDRESS: lambda bench: bench.no_lease() and None,
    Step.TRY: tried,
    Step.FAILED: lambda bench: bench.closed("refused") and None,
    Step.WELCOME: lambda bench: bench.welcome() and None,
    Step.LOST: lost,
    Step.REDIRECTED: redirected,
    Step.RESTART: lambda bench: bench.hear(control.Disconnect(9, "restarting", 5000)) and None,
}


@pytest.mark.parametrize(("state", "step"), TRANSITIONS)
def test_every_transition_leads_where_the_table_says(state, step):
    bench = bench_at(state, ALICE, terminal=Watched)
    bench = DRIVE[step](bench) or bench
    moves = bench.terminal.moves
    at = max(number for number, move in enumerate(moves) if move == (state, step))
    reached = moves[at + 1][0] if at + 1 < len(moves) else bench.state
    assert reached is TRANSITIONS[state, step]


def test_every_state_can_be_reached_and_left():
    assert set(TRANSITIONS.values()) == set(State)
    for state in State:
        assert {target for (source, _), target in TRANSITIONS.items() if source is state} - {state}


@pytest.mark.parametrize(
    ("state", "step"),
    [(state, step) for state in State for step in Step if (state, step) not in TRANSITIONS],
)
def test_a_step_that_is_not_in_the_table_is_our_bug(state, step):
    bench = bench_at(state)
    with pytest.raises(LocalProtocolError, match=state.value):
        bench.terminal._move(step)
    assert bench.state is state


# Every event at every state: where it leads, if not nowhere

N, S, C, U, R = (
    State.NO_ADDRESS, State.SEEKING, State.CONNECTING, State.CONNECTED, State.RETURNING,
)  # fmt: skip
EVENTS = {
    "lease": (lambda bench: bench.lease("10.0.0.8"), {N: S}),
    "no lease": (lambda bench: bench.no_lease(), {S: N, C: N, R: N}),
    "opened": (lambda bench: bench.opened(), {}),
    "opened, stale": (lambda bench: bench.opened(bench.attempt + 40), {}),
    "closed": (lambda bench: bench.closed(), {C: S, U: S}),
    "closed, stale": (lambda bench: bench.closed(attempt=bench.attempt - 1), {}),
    "welcome": (lambda bench: bench.hear(control.Welcome("s1", 500, 1500)), {C: U}),
    "welcome, stale": (
        lambda bench: bench.hear(control.Welcome("s1", 500, 1500), bench.attempt - 1),
        {},
    ),
    "alive": (lambda bench: bench.hear(control.Alive(1)), {}),
    "servers": (lambda bench: bench.hear(control.Servers((S2, S3))), {}),
    "connect": (lambda bench: bench.hear(control.Connect(bench.seq, "a", 1, "t", 7010)), {}),
    "redirect": (
        lambda bench: bench.hear(Redirect(bench.seq, "s3", "10.0.0.3", 7009, "t")),
        {U: C},
    ),
    "redirect, late": (
        lambda bench: bench.hear(Redirect(bench.seq - 1, "s3", "10.0.0.3", 7009, "t")),
        {},
    ),
    "notice": (lambda bench: bench.hear(control.Notice(bench.seq, 31)), {}),
    "taken over": (lambda bench: bench.hear(control.Disconnect(bench.seq, "taken-over")), {}),
    "failed": (lambda bench: bench.hear(control.Disconnect(bench.seq, "failed")), {}),
    "restarting": (
        lambda bench: bench.hear(control.Disconnect(bench.seq, "restarting", 3000)),
        {U: R},
    ),
    "not for terminals": (lambda bench: bench.hear(control.Hello("desk9")), {}),
    "garbage": (lambda bench: bench.hear_bytes(b"\x00\xff"), {}),
    "card in": (lambda bench: bench.card_in(), {}),
    "card in twice": (lambda bench: [bench.card_in(), bench.card_in()], {}),
    "card out": (lambda bench: bench.card_out(), {}),
    "card unreadable": (lambda bench: bench.card(CardUnreadable(READER, "mute", 1.0)), {}),
    "reader missing": (lambda bench: bench.card(ReaderMissing("no_reader")), {}),
    "reader ready": (lambda bench: bench.card(ReaderReady(READER)), {}),
    "datagram": (
        lambda bench: bench.terminal.receive_datagram(b"x", ("10.0.0.6", 7009), bench.now),
        {},
    ),
    "first frame": (lambda bench: bench.terminal.first_frame("a", 1), {}),
    "display lost": (lambda bench: bench.terminal.display_lost("a", 1, "reset", bench.now), {}),
    "nothing due": (lambda bench: bench.terminal.handle_deadline(bench.now - 50.0), {}),
}


@pytest.mark.parametrize("card", [None, ALICE], ids=["no card", "card"])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_at_every_state(event, state, card):
    bench = bench_at(state, card)
    happen, leads = EVENTS[event]
    expected = leads.get(state, state)
    if event == "redirect" and card is None:
        expected = state  # nobody asked
    happen(bench)
    bench.act()
    assert bench.state is expected
    bench.run(30.0)  # and whatever follows from it does no harm


@pytest.mark.parametrize("state", State)
def test_time_alone_does_no_harm(state):
    bench = bench_at(state)
    bench.run(120.0)
    if state is State.NO_ADDRESS:
        assert bench.terminal.next_deadline() is None
    else:
        assert bench.state in (State.SEEKING, State.CONNECTING)


def test_cards_before_anything_else_are_remembered():
    bench = Bench()
    for event in (
        ReaderMissing("no_service"), ReaderReady(READER), CardUnreadable(READER, "mute", 1.0),
        CardRemoved(READER, 2.0), CardPresented(ALICE, READER, 3.0),
    ):  # fmt: skip
        bench.card(event)
    bench.lease("10.0.0.1")
    bench.due()
    bench.welcome()
    assert [line.token for line in bench.said(control.Insert)] == [ALICE]
