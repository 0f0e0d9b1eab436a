"""Time windows: what they say, when they are open, what is no window."""

import datetime

import pytest

from sessionhost.core.hours import (
    DAY_MINUTES,
    MAX_HOURS_CHARS,
    WEEK_MINUTES,
    hours_problem,
    is_open,
    minute_of_week,
)


def at(day, clock):
    hour, minute = clock.split(":")
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return days.index(day) * DAY_MINUTES + int(hour) * 60 + int(minute)


@pytest.mark.parametrize(
    ("hours", "day", "clock", "is_within"),
    [
        ("", "sun", "03:00", True),
        ("  ", "sun", "03:00", True),
        ("mon-fri 07:00-19:00", "mon", "06:59", False),
        ("mon-fri 07:00-19:00", "mon", "07:00", True),
        ("mon-fri 07:00-19:00", "fri", "18:59", True),
        ("mon-fri 07:00-19:00", "fri", "19:00", False),
        ("mon-fri 07:00-19:00", "sat", "12:00", False),
        ("mon-fri 07:00-19:00, sat 08:00-12:00", "sat", "11:59", True),
        ("Sat 08:00-12:00", "sat", "08:00", True),
        ("sat-mon 08:00-09:00", "sun", "08:30", True),
        ("sat-mon 08:00-09:00", "mon", "08:30", True),
        ("sat-mon 08:00-09:00", "tue", "08:30", False),
        ("mon 00:00-24:00", "mon", "23:59", True),
        ("mon 00:00-24:00", "tue", "00:00", False),
        ("fri 22:00-06:00", "fri", "23:00", True),
        ("fri 22:00-06:00", "sat", "05:59", True),
        ("fri 22:00-06:00", "sat", "06:00", False),
        ("sun 22:00-06:00", "mon", "05:59", True),
        ("sun 22:00-06:00", "mon", "06:00", False),
        ("tue 08:00-08:00", "wed", "07:59", True),
        ("tue 08:00-08:00", "wed", "08:00", False),
    ],
)
def test_a_window_is_open_from_its_start_and_before_its_end(hours, day, clock, is_within):
    assert is_open(hours, at(day, clock)) is is_within


@pytest.mark.parametrize(
    "hours",
    [
        "always", "mon", "mon 7:00-19:00", "mon 07:00", "mon 07:00-24:01", "mon 24:00-07:00",
        "moon 07:00-19:00", "mon-fri 07:00-19:00,", ", mon 07:00-19:00", "mon 07:60-19:00",
        "x" * (MAX_HOURS_CHARS + 1),
    ],
)  # fmt: skip
def test_what_is_no_window_is_told(hours):
    assert hours_problem(hours)


def test_a_right_text_has_no_problem():
    assert hours_problem("mon-fri 07:00-19:00, sat 08:00-12:00") is None


@pytest.mark.parametrize("day", [1, 20000, 20001, 20006])
def test_the_minute_of_a_week_is_the_calendars(day):
    moment = datetime.datetime.fromtimestamp(day * 86400 + 3661, datetime.UTC)
    expected = moment.weekday() * DAY_MINUTES + 61
    assert minute_of_week(day * 86400 + 3661.9) == expected < WEEK_MINUTES
