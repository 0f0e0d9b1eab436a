"""A terminal with two readers (contact and contactless): only ours can end the session."""

import pytest

from dtu.core.events import CardPresented, CardRemoved, CardUnreadable, ReaderMissing, ReaderReady
from dtu.core.presence import Presence
from roamwire.tokens import Token

ALICE = Token("uid", "04a1")


class NoChance:
    """Presence draws lots for pauses only."""


@pytest.fixture
def presence():
    presence = Presence(NoChance())
    presence.arrives(CardPresented(ALICE, "left", 0.5))
    return presence


@pytest.mark.parametrize(
    ("event", "beside"),
    [
        (CardRemoved("right", 1.0), True),
        (CardUnreadable("right", "mute", 1.0), True),
        (ReaderReady("right"), True),
        (ReaderReady("left"), True),
        (CardRemoved("left", 1.0), False),
        (CardUnreadable("left", "pulled", 1.0), False),
        (ReaderMissing("no_service"), False),
        (CardPresented(ALICE, "right", 1.0), False),
    ],
)
def test_what_happens_beside_our_card(presence, event, beside):
    assert presence.is_beside(event) is beside


def test_without_a_card_every_reader_is_ours(presence):
    presence.leaves()
    assert not presence.is_beside(CardUnreadable("right", "mute", 1.0))
