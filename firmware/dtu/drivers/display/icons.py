"""The icons as strokes and areas on a grid of 24 by 24, drawn for this project. Paints nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dtu.core.words import Icon

GRID = 24
STROKE = 2.0
"""Width of a stroke in units of the grid: at the smallest icon still 5 pixels."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """A line through points, with round ends; `hole` takes away instead of painting."""

    points: tuple[Point, ...]
    width: float = STROKE
    hole: bool = False


@dataclass(frozen=True)
class Area:
    """A filled polygon; `hole` takes away instead of painting."""

    points: tuple[Point, ...]
    hole: bool = False


Shape = Stroke | Area


def _arc(x: float, y: float, radius: float, start: float, end: float) -> tuple[Point, ...]:
    """Points of an arc, clockwise; angles in degrees, 0 is to the right, 90 is down."""
    steps = max(2, int(abs(end - start) / 7.5))
    angles = (math.radians(start + (end - start) * step / steps) for step in range(steps + 1))
    return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


def _line(*points: Point, width: float = STROKE, hole: bool = False) -> Stroke:
    return Stroke(points, width, hole)


def _ring(x: float, y: float, radius: float) -> Stroke:
    return Stroke(_arc(x, y, radius, 0, 360))


def _disc(x: float, y: float, radius: float, hole: bool = False) -> Area:
    return Area(_arc(x, y, radius, 0, 360), hole)


def _box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _frame(left: float, top: float, right: float, bottom: float) -> Stroke:
    corners = _box(left, top, right, bottom)
    return Stroke((*corners, corners[0]))


def _filled(left: float, top: float, right: float, bottom: float, hole: bool = False) -> Area:
    return Area(_box(left, top, right, bottom), hole)


ICONS: Mapping[Icon, tuple[Shape, ...]] = {
    # A network plug, pulled out of its socket.
    Icon.CABLE: (
        _frame(3, 2, 21, 10),
        _line((7, 2), (7, 5)),
        _line((10.4, 2), (10.4, 5)),
        _line((13.6, 2), (13.6, 5)),
        _line((17, 2), (17, 5)),
        Area(
            ((8, 14), (16, 14), (16, 19), (13.5, 19), (13.5, 23), (10.5, 23), (10.5, 19), (8, 19))
        ),
    ),
    # A signpost.
    Icon.ADDRESS: (
        _line((12, 2), (12, 22)),
        Area(((5, 4), (18, 4), (21, 7.5), (18, 11), (5, 11))),
        _line((8, 7.5), (16, 7.5), width=1.6, hole=True),
        _line((8, 22), (16, 22)),
    ),
    Icon.SEARCH: (_ring(10, 10, 7), _line((15.2, 15.2), (21.5, 21.5), width=3.4)),
    # A mains plug on its way into a socket.
    Icon.PLUG: (
        _line((2, 12), (6, 12)),
        Area((*_arc(11, 12, 5, 90, 270), (12.5, 7), (12.5, 17))),
        _line((12.5, 9), (16.5, 9)),
        _line((12.5, 15), (16.5, 15)),
        _line((20, 5), (20, 19), width=3),
    ),
    Icon.CLOCK: (_ring(12, 12, 9.5), _line((12, 6), (12, 12), (16.5, 14.5))),
    # Two arrows that follow each other.
    Icon.UPDATE: (
        Stroke(_arc(12, 12, 8.5, 195, 325)),
        Stroke(_arc(12, 12, 8.5, 15, 145)),
        Area(((20.9, 3.2), (20.9, 10.4), (14.2, 8.2))),
        Area(((3.1, 20.8), (3.1, 13.6), (9.8, 15.8))),
    ),
    # A chip card.
    Icon.CARD: (
        _frame(2, 5, 22, 19),
        _filled(5, 9, 10.4, 14.4),
        _line((5, 11.7), (10.4, 11.7), width=0.8, hole=True),
        _line((7.7, 9), (7.7, 14.4), width=0.8, hole=True),
        _line((14, 10), (19, 10), width=1.6),
        _line((14, 13.5), (19, 13.5), width=1.6),
    ),
    # A reader with a card half in.
    Icon.READER: (
        _frame(6, 2, 18, 11),
        _filled(10, 5, 14, 8.5),
        _filled(2, 11, 22, 21),
        _line((5, 14), (19, 14), width=1.6, hole=True),
        _disc(18, 18, 1.2, hole=True),
    ),
    Icon.LOCK: (
        Stroke(((7, 11), (7, 8), *_arc(12, 8, 5, 180, 360), (17, 8), (17, 11)), 2.4),
        _filled(4, 11, 20, 22),
        _disc(12, 15.4, 1.7, hole=True),
        _line((12, 15.4), (12, 19), width=1.7, hole=True),
    ),
    Icon.PERSON: (
        _disc(12, 7, 4.6),
        Area((*_arc(12, 22, 9, 180, 360), (21, 22), (3, 22))),
    ),
    Icon.LIST: (
        *(_disc(4.5, y, 1.8) for y in (5, 12, 19)),
        *(_line((9.5, y), (21, y), width=2.4) for y in (5, 12, 19)),
    ),
    Icon.SCREEN: (
        _frame(2, 3, 22, 17),
        _line((12, 17), (12, 21)),
        _line((7, 21), (17, 21)),
    ),
    # Two halves of a chain link, apart.
    Icon.BROKEN: (
        Stroke(((9, 7), (6.5, 7), *_arc(6.5, 12, 5, 270, 90), (9, 17)), 2.4),
        Stroke(((15, 7), (17.5, 7), *_arc(17.5, 12, 5, -90, 90), (15, 17)), 2.4),
        _line((10, 21.5), (14, 2.5)),
    ),
    Icon.WARNING: (
        Area(((12, 1.5), (23, 21.5), (1, 21.5))),
        _line((12, 8.5), (12, 14.5), width=2.2, hole=True),
        _disc(12, 18.2, 1.4, hole=True),
    ),
    Icon.OK: (_ring(12, 12, 9.5), _line((7, 12.5), (10.5, 16), (17, 8.5), width=2.6)),
}
"""Every icon's shapes, painted in their order."""
