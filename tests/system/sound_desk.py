"""Sitting down at a lab's desk with sound, and what a tone has to be like to count as heard."""

import pytest

from roamtools.lab.sound import in_session

# On a machine whose processors are both busy with other things; `tools/bench sound` measures how it
# is on a quiet one.
SILENT_SHARE = 0.2
LONGEST_GAP_S = 0.5
HZ_ERROR = 1.0
PURITY = 0.9


def sit_down(lab, desk, card, user):
    """A card in; the session's sound server when it can be heard."""
    with lab.trace(desk) as trace:
        lab.insert(desk, card)
        trace.wait("first_frame", 20)
    return in_session(lab, desk, user)


def assert_tone(place, source, hz, seconds=2):
    """This tone and no other, for most of the time."""
    heard = place.record(source, seconds)
    assert heard.hz == pytest.approx(hz, abs=HZ_ERROR), heard
    assert heard.purity >= PURITY, heard
    assert heard.silent_share < SILENT_SHARE, heard
    assert heard.longest_gap < LONGEST_GAP_S, heard
