"""When the monitors sleep and what wakes them."""

import asyncio
import time

import pytest

from dtu.app.screen_sleep import ScreenSleep
from dtu.core.dormancy import Dormancy


@pytest.fixture
def sleepy():
    made = Dormancy(600, 0.0)
    made.message(31, 0.0)
    return made


def until(dormancy, now):
    dormancy.handle_deadline(now)
    return dormancy.lit


def test_the_same_words_for_long_are_dark(sleepy):
    assert sleepy.next_deadline() == 600
    assert until(sleepy, 599.9)
    assert not until(sleepy, 600)
    assert sleepy.next_deadline() is None


def test_a_stir_wakes_and_counts_anew(sleepy):
    until(sleepy, 600)
    sleepy.stirred(700)
    assert sleepy.lit
    assert sleepy.next_deadline() == 1300


def test_other_words_wake_and_the_same_do_not(sleepy):
    until(sleepy, 600)
    sleepy.message(31, 610)
    assert not sleepy.lit
    sleepy.message(26, 620)
    assert sleepy.lit
    assert sleepy.next_deadline() == 1220


def test_a_session_is_never_dark(sleepy):
    sleepy.session_shown(10)
    assert sleepy.next_deadline() is None
    assert until(sleepy, 10_000)
    sleepy.stirred(10_001)
    assert sleepy.next_deadline() is None
    sleepy.message(31, 10_002)
    assert sleepy.next_deadline() == 10_602


def test_nought_is_never():
    never = Dormancy(0, 0.0)
    never.message(31, 0.0)
    assert never.next_deadline() is None


# -- with clock and screen


class Monitors:
    def __init__(self):
        self.told = []

    def power(self, on):
        self.told.append(on)


class Clock:
    """An event loop's timers, and the time."""

    def __init__(self, monkeypatch):
        self.now, self.timers = 100.0, []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def call_later(self, delay, call):
        self.timers.append((self.now + delay, call))
        return self

    def cancel(self):
        self.timers.clear()

    def advance(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for _, call in due:
            call()


def test_the_monitors_are_told_once(monkeypatch):
    clock, monitors = Clock(monkeypatch), Monitors()
    sleep = ScreenSleep(monitors, 600)
    sleep.message(31)
    clock.advance(599)
    for _ in range(1000):
        sleep.stirred()
    assert len(clock.timers) == 1
    clock.advance(2)  # the timer of the beginning finds the later time
    assert monitors.told == []
    clock.advance(598)
    assert monitors.told == [False]
    sleep.stirred()
    sleep.stirred()
    assert monitors.told == [False, True]
    sleep.stop()
    assert clock.timers == []
