"""The terminal's log: sentences that a person can follow, without a whole token in them."""

import pytest

from dtu.core import story
from dtu.core.actions import Report
from dtu.core.events import (
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from fakes.bench import ALICE, BOB, READER, S1, S2, Bench
from roamwire import control
from roamwire.control import Server
from roamwire.tokens import Token


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("uid", "04a1000000000a", "uid …000a"),
        ("piv", "0123456789abcdef" * 2, "piv …cdef"),
        ("pseudo", "abc", "pseudo …c"),
        ("uid", "a", "uid …"),
    ],
)
def test_a_token_is_shortened_to_half_of_it_at_most(kind, value, shown):
    assert story.token(Token(kind, value)) == shown


class CardAnswered:
    """An event of another kind, with something in it that nobody may read."""

    secret = "123456"


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (CardPresented(Token("uid", "04a1000000000a"), "R", 1.0), "card in: uid …000a, at R"),
        (CardRemoved("R", 1.0), "card out of R"),
        (CardRemoved("R", 1.0, seen=False), "card out of R, which is gone"),
        (CardUnreadable("R", "mute", 1.0), "the card in R does not answer"),
        (CardUnreadable("R", "new", 1.0), "the card in R new"),
        (ReaderMissing("no_service"), "pcscd"),
        (ReaderMissing("new"), "no card reader: new"),
        (ReaderReady("R"), "card reader R is ready"),
        (CardAnswered(), "the reader tells of CardAnswered"),
    ],
)
def test_each_event_at_a_reader_is_a_sentence(event, sentence):
    assert sentence in story.card(event)


def test_a_server_has_a_name_and_an_address():
    assert story.server(Server("s1", "10.0.0.1", 7009)) == "s1 (10.0.0.1:7009)"
    assert story.server(Server("", "10.0.0.1", 7009)) == "unnamed (10.0.0.1:7009)"
    assert story.server(None) == "?"


def test_a_day_at_a_desk_reads_as_a_story_without_a_card_number():
    bench = Bench()
    bench.lease("10.0.0.1")
    bench.due()
    bench.welcome("s1", S1, S2)
    bench.card_in(ALICE)
    bench.hear(control.Connect(bench.seq, "5e55", 1, "ticket", 7010, "alice"))
    bench.picture()
    bench.card(CardPresented(BOB, "another reader", bench.now))
    bench.card(CardRemoved(READER, bench.now))
    bench.card(CardUnreadable("another reader", "pulled", bench.now))
    bench.card(ReaderMissing("no_reader"))
    bench.server_dies()
    bench.due()
    bench.welcome("s2", S1, S2)
    told = [action.text for action in bench.of(Report)]
    assert [line for line in told if line.startswith(("card", "the card", "no card"))] == [
        f"card in: uid …a1, at {READER}",
        "card out",
        "card in: uid …b0, at another reader",
        f"card out of {READER}, beside the card that is in",
        "card out",
        "the card in another reader was pulled while it was read",
        "no card reader is plugged in",
    ]
    assert "connected to s1 (10.0.0.1:7009)" in told
    assert told[-2:] == [
        "server s1 (10.0.0.1:7009) lost: reset by peer",
        "connected to s2 (10.0.0.2:7009)",
    ]
    assert not [line for line in told if ALICE.value in line or BOB.value in line]
