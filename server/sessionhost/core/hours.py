"""Time windows of a week, as people write them: `mon-fri 07:00-19:00, sat 08:00-12:00`.

Times are the server's local ones. A window whose end is not after its start ends on the next day.
What is judged is the moment of an insert: a session that is on a screen then stays there.
"""

import re

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
EXAMPLE = "mon-fri 07:00-19:00"

MAX_HOURS_CHARS = 200
"""Seven windows, one a day, with room."""

_DAY = "|".join(DAYS)
_CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"({_DAY})(?:-({_DAY}))? {_CLOCK}-({_CLOCK}|24:00)\Z")
# 1970-01-01 was a Thursday: the minutes from the Monday before it.
_EPOCH_MINUTE = 3 * DAY_MINUTES

Spans = tuple[tuple[int, int], ...]
"""Minutes since Monday 00:00, first and the one after the last; the end may be in the next week."""


def parse_hours(text: str) -> Spans:
    """The windows of a text, none for an empty one; ValueError says what is wrong."""
    if len(text) > MAX_HOURS_CHARS:
        raise ValueError(f"is longer than {MAX_HOURS_CHARS} characters")
    spans: list[tuple[int, int]] = []
    for part in text.split(",") if text.strip() else []:
        found = _WINDOW.match(" ".join(part.lower().split()))
        if found is None:
            raise ValueError(f"has a time window {part.strip()!r}; it must look like {EXAMPLE!r}")
        first, last, hour, minute, end = found.group(1, 2, 3, 4, 5)
        start = int(hour) * 60 + int(minute)
        length = int(end[:2]) * 60 + int(end[3:]) - start
        day, days = DAYS.index(first), DAYS.index(last or first)
        for each in range((days - day) % 7 + 1):
            at = (day + each) % 7 * DAY_MINUTES + start
            spans.append((at, at + (length if length > 0 else length + DAY_MINUTES)))
    return tuple(spans)


def hours_problem(text: str) -> str | None:
    """What is wrong with a text of windows; None when it is right."""
    try:
        parse_hours(text)
    except ValueError as error:
        return str(error)
    return None


def is_open(text: str, minute: int) -> bool:
    """Whether that minute of the week is within the windows; no windows are always open."""
    spans = parse_hours(text)
    inside = any(
        start <= minute < end or start <= minute + WEEK_MINUTES < end for start, end in spans
    )
    return inside or not spans


def minute_of_week(local_s: float) -> int:
    """Seconds of local time since 1970 as minutes since Monday 00:00."""
    return (int(local_s // 60) + _EPOCH_MINUTE) % WEEK_MINUTES
