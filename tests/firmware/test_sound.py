"""When the terminal opens channels for sound."""

import pytest

from dtu.core import timing
from dtu.core.sound import SoundChannels, SoundTarget

TARGET = SoundTarget("10.0.0.1", 7010, "t", "s1", 3)


@pytest.fixture
def plan():
    channels = SoundChannels()
    channels.begin(TARGET, 10.0)
    return channels


def test_nothing_is_opened_without_a_session():
    channels = SoundChannels()
    assert channels.next_deadline() is None
    assert channels.due(1e9) is None


def test_a_session_without_sound_gets_no_channel():
    channels = SoundChannels()
    channels.begin(SoundTarget("10.0.0.1", 7010, "", "s1", 3), 10.0)
    assert channels.target is None
    assert channels.next_deadline() is None


def test_one_channel_waits_until_the_session_takes_it(plan):
    assert plan.next_deadline() == 10.0
    assert plan.due(9.9) is None
    assert plan.due(10.0) == 1
    assert plan.due(10.0) is None
    assert plan.next_deadline() is None


def test_loudspeaker_and_microphone_have_theirs_and_that_is_all(plan):
    plan.carries(plan.due(10.0), 11.0)
    assert plan.due(11.0) == 2
    plan.carries(2, 11.1)
    assert plan.next_deadline() is None


def test_a_channel_that_nobody_waits_for_changes_nothing(plan):
    plan.due(10.0)
    plan.carries(7, 11.0)
    plan.lost(7, 11.0)
    assert plan.next_deadline() is None


def test_a_lost_channel_is_replaced_slower_each_time(plan):
    now, pauses = 10.0, []
    for _ in range(8):
        number = plan.due(now)
        plan.lost(number, now)
        pauses.append(plan.next_deadline() - now)
        now = plan.next_deadline()
    assert pauses[:3] == pytest.approx([timing.SOUND_RETRY_S * 2**n for n in range(3)])
    assert pauses[-1] == timing.MAX_SOUND_RETRY_S


def test_after_a_good_one_the_next_comes_soon(plan):
    for _ in range(6):
        number = plan.due(plan.next_deadline())
        plan.lost(number, 20.0)
    number = plan.due(plan.next_deadline())
    plan.carries(number, 30.0)
    second = plan.due(30.0)
    plan.carries(second, 30.0)
    plan.lost(number, 30.0 + timing.SOUND_STEADY_S)
    assert plan.next_deadline() == pytest.approx(
        30.0 + timing.SOUND_STEADY_S + timing.SOUND_RETRY_S
    )


def test_one_that_broke_at_once_was_not_good(plan):
    for _ in range(6):
        plan.lost(plan.due(plan.next_deadline()), 20.0)
    number = plan.due(plan.next_deadline())
    plan.carries(number, 30.0)
    assert plan.next_deadline() == 30.0
    plan.lost(number, 30.1)
    # The one that was to be opened at once waits, too: it would break in the same way.
    assert plan.next_deadline() == pytest.approx(30.1 + timing.MAX_SOUND_RETRY_S)


def test_while_one_waits_no_other_is_opened(plan):
    plan.carries(plan.due(10.0), 10.0)
    waiting = plan.due(10.0)
    plan.lost(1, 11.0)
    assert plan.next_deadline() is None
    plan.carries(waiting, 12.0)
    assert plan.due(12.0) == 3


def test_after_the_end_nothing_is_opened(plan):
    number = plan.due(10.0)
    plan.end()
    assert plan.target is None
    plan.lost(number, 11.0)
    plan.carries(number, 11.0)
    assert plan.next_deadline() is None


def test_the_next_session_begins_anew(plan):
    plan.carries(plan.due(10.0), 10.0)
    other = SoundTarget("10.0.0.2", 7010, "u", "s2", 1)
    plan.begin(other, 20.0)
    assert plan.target == other
    number = plan.due(20.0)
    plan.lost(1, 20.0)  # of the session before
    assert plan.next_deadline() is None
    plan.carries(number, 21.0)
    assert plan.due(21.0) == number + 1
