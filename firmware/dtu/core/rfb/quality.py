"""JPEG quality that follows the measured rate, and lossless once the picture is still. No I/O.

The rate is measured where the network can be seen: over updates that come in several reads. One
that is here at once says nothing but that it was no trouble.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dtu.core.rfb.events import Rect
from dtu.core.rfb.lossy import Areas, LossyTiles, overlap
from dtu.core.timing import (
    MEND_PATIENCE_S,
    MEND_SLICE_S,
    QUALITY_HOLD_S,
    RATE_GAP_S,
    STILL_S,
)

_LEVELS = (
    (2_000_000, 8, 1),
    (1_000_000, 7, 2),
    (500_000, 6, 3),
    (250_000, 4, 5),
    (0, 2, 6),
)
"""From so many bytes a second on: JPEG quality, zlib effort. TigerVNC takes 8 on a LAN; from 7 on
no colour detail is dropped."""

_UP_FACTOR = 1.3
"""So much better than a level asks for must the rate be before it is taken again."""

_SAMPLE_BYTES = 16 * 1024
_NEW_SHARE = 0.3
"""Weight of a new measurement of the rate."""

_LOSSLESS_BYTES = 3
"""A pixel without loss takes no more, as a rule far less."""

_FIRST_SLICE_PIXELS = 1_000_000
_LEAST_SLICE_PIXELS = 128 * 128

_BUSY_PIXELS = 150_000
"""Changed within STILL_S: something larger than a caret, a clock or an icon moves, and would have
to come without loss while the rest is mended."""

_MOST_DOUBLINGS = 6
"""A server that does not answer, or by JPEG, is asked twice as late each time: 20 s at the end."""


@dataclass(frozen=True)
class Wish:
    """What to ask the session for: no quality is no loss; `again` has what shall come anew."""

    quality: int | None
    compression: int
    again: Areas | None = None


class QualityPolicy:
    """Tell it what came and when; ask `decide` after each read and at `next_deadline`.

    Times are seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self._rate: float | None = None
        self._level = 0
        self._level_at = 0.0
        self._begin: float | None = None
        self._last = 0.0
        self._bytes = 0
        self._recent: deque[tuple[float, int, int]] = deque()
        self._old_number = 0
        self._asked: Areas | None = None
        self._asked_at = 0.0
        self._decided = 0.0
        self._left = 0
        self._sent = Wish(*_LEVELS[0][1:])
        self._lossy = False
        self._futile = 0
        self._not_before = 0.0

    def received(self, size: int, now: float) -> None:
        """One read of so many bytes, before what is in it is decoded."""
        if self._begin is None or now - self._last > RATE_GAP_S:
            self._begin, self._bytes = now, 0
        else:
            self._bytes += size
        self._last = now

    def updated(self, rects: Sequence[Rect], same: Sequence[Rect], number: int, now: float) -> None:
        """An update ended: what it changed and what was the same, its number for `LossyTiles`."""
        pixels = sum(rect.width * rect.height for rect in rects)
        if self._asked is not None:
            answered = overlap(rects, self._asked.rects)
            self._left -= answered + overlap(same, self._asked.rects)
            pixels -= answered
        self._recent.append((now, number, pixels))
        self._measure(now)

    def next_deadline(self) -> float | None:
        """When to decide again although nothing comes."""
        if self._asked is not None:
            return max(self._asked_at, self._last) + MEND_PATIENCE_S
        if not self._lossy:
            return None
        changed = self._recent[-1][0] if self._recent else self._decided
        return max(changed + STILL_S, self._not_before)

    def decide(self, now: float, lossy: LossyTiles) -> Wish | None:
        """What to ask for now, if it is something new."""
        self._decided = now
        while self._recent and self._recent[0][0] <= now - STILL_S:
            self._old_number = self._recent.popleft()[1]
        if self._asked is not None and not self._answered(self._asked, now, lossy):
            return None
        self._follow_rate(now)
        _, quality, compression = _LEVELS[self._level]
        wish = Wish(quality, compression)
        self._lossy = lossy.any
        if self._lossy and now >= self._not_before and not self._busy(now):
            areas = lossy.still(self._old_number, self._slice_pixels())
            if areas.rects:
                self._asked, self._asked_at, self._left = areas, now, areas.pixels
                wish = Wish(None, compression, areas)
        if wish == self._sent and wish.again is None:
            return None
        self._sent = wish
        return wish

    def _answered(self, asked: Areas, now: float, lossy: LossyTiles) -> bool:
        """True if what was asked for has come, or is waited for no longer."""
        late = now >= max(self._asked_at, self._last) + MEND_PATIENCE_S
        if self._left > 0 and not late and not self._busy(now):
            return False
        self._asked = None
        if self._left <= 0 and not lossy.came_again(asked):
            self._futile = 0
        elif late or self._left <= 0:
            self._futile = min(self._futile + 1, _MOST_DOUBLINGS)
            self._not_before = now + STILL_S * 2**self._futile
        if self._left <= 0:
            lossy.mended(asked)
        return True

    def _busy(self, now: float) -> bool:
        """True if something large moves, or is on its way; answers are not counted.

        What came before the question does not count against its answer: it may be the answer to
        an earlier one.
        """
        if self._asked is not None:
            moved = sum(pixels for at, _, pixels in self._recent if at > self._asked_at)
            return moved > _BUSY_PIXELS // 4
        if self._begin is not None and now < self._last + STILL_S:
            return True
        return sum(pixels for _, _, pixels in self._recent) > _BUSY_PIXELS

    def _slice_pixels(self) -> int:
        """So much comes without loss in a time that a key press can wait."""
        if self._rate is None:
            return _FIRST_SLICE_PIXELS
        return max(int(self._rate * MEND_SLICE_S / _LOSSLESS_BYTES), _LEAST_SLICE_PIXELS)

    def _measure(self, now: float) -> None:
        if self._bytes >= _SAMPLE_BYTES and self._begin is not None and now > self._begin:
            rate = self._bytes / (now - self._begin)
            old = rate if self._rate is None else self._rate
            self._rate = old + _NEW_SHARE * (rate - old)
        self._begin = None

    def _follow_rate(self, now: float) -> None:
        if self._rate is None or now - self._level_at < QUALITY_HOLD_S:
            return
        level = next(i for i, (least, _, _) in enumerate(_LEVELS) if self._rate >= least)
        while level < self._level and self._rate < _LEVELS[level][0] * _UP_FACTOR:
            level += 1
        if level != self._level:
            self._level, self._level_at = level, now
