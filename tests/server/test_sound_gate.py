"""Who may carry which session's sound."""

import pytest

from sessionhost.core.gateway import Refused
from sessionhost.core.sound_gate import MAX_CHANNELS, SoundAdmitted, SoundGate


@pytest.fixture
def gate():
    shown = SoundGate()
    shown.opened(7, "t", "desk1")
    return shown


def test_a_ticket_is_good_for_its_display(gate):
    assert gate.attach("t", "desk1") == SoundAdmitted(7)


def test_an_unknown_ticket_is_refused(gate):
    assert gate.attach("x", "desk1") == Refused("ticket")
    assert gate.attach("", "desk1") == Refused("ticket")


def test_a_ticket_is_no_other_dtus(gate):
    assert gate.attach("t", "desk2") == Refused("dtu")
    assert gate.attach("t", "desk1") == SoundAdmitted(7)


def test_a_display_has_so_many_channels_and_no_more(gate):
    for _ in range(MAX_CHANNELS):
        assert gate.attach("t", "desk1") == SoundAdmitted(7)
    assert gate.attach("t", "desk1") == Refused("full")
    gate.left(7)
    assert gate.attach("t", "desk1") == SoundAdmitted(7)


def test_with_the_display_its_ticket_is_gone(gate):
    gate.attach("t", "desk1")
    gate.closed(7)
    assert gate.attach("t", "desk1") == Refused("ticket")
    gate.left(7)  # its channels are closed after it
    gate.closed(7)


def test_displays_do_not_share_anything(gate):
    gate.opened(8, "u", "desk1")
    gate.closed(7)
    assert gate.attach("u", "desk1") == SoundAdmitted(8)
