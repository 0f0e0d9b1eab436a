"""Which parts of a framebuffer came by JPEG, and in which update. When to mend them is not here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dtu.core.rfb.events import Rect

TILE = 64
"""Pixels: the tile in which TigerVNC looks for changes."""

_MOST_RECTS = 64
"""What is asked for at once; a request is 10 bytes."""


@dataclass(frozen=True)
class Areas:
    """Places to mend, and the number of the update up to which they are meant."""

    rects: tuple[Rect, ...]
    number: int

    @property
    def pixels(self) -> int:
        """All of them together."""
        return sum(rect.width * rect.height for rect in self.rects)


class LossyTiles:
    """The number of the update that last brought each tile by JPEG; 0 if it is exact."""

    def __init__(self, width: int, height: int, number: int = 1) -> None:
        self._size = (width, height)
        shape = ((height + TILE - 1) // TILE, (width + TILE - 1) // TILE)
        self._numbers: npt.NDArray[np.uint64] = np.zeros(shape, np.uint64)
        self.number = number

    def mark(self, rect: Rect) -> None:
        """These pixels came by JPEG, in the present update."""
        self._tiles(rect)[...] = self.number

    def copy(self, source: Rect, rect: Rect) -> None:
        """These pixels were copied from there."""
        if self._tiles(source).any():
            self.mark(rect)

    @property
    def any(self) -> bool:
        """True if there is something to mend."""
        return bool(self._numbers.any())

    def still(self, number: int, most_pixels: int) -> Areas:
        """Tiles that no update after this one has touched, some at least, if there are any."""
        wanted = (self._numbers > 0) & (self._numbers <= number)
        rects: list[Rect] = []
        pixels = 0
        for y in np.flatnonzero(wanted.any(axis=1)):
            for x, count in _runs(wanted[y]):
                rect = self._clipped(x, int(y), count)
                if rects and pixels + rect.width * rect.height > most_pixels:
                    return Areas(tuple(rects), number)
                rects.append(rect)
                pixels += rect.width * rect.height
                if len(rects) == _MOST_RECTS:
                    return Areas(tuple(rects), number)
        return Areas(tuple(rects), number)

    def mended(self, areas: Areas) -> None:
        """The areas are exact now, but for what came by JPEG after they were asked for."""
        for rect in areas.rects:
            tiles = self._tiles(rect)
            tiles[tiles <= areas.number] = 0

    def came_again(self, areas: Areas) -> bool:
        """True if some of the areas came by JPEG after they were asked for."""
        return any(bool((self._tiles(rect) > areas.number).any()) for rect in areas.rects)

    def _tiles(self, rect: Rect) -> npt.NDArray[np.uint64]:
        return self._numbers[
            rect.y // TILE : (rect.y + rect.height + TILE - 1) // TILE,
            rect.x // TILE : (rect.x + rect.width + TILE - 1) // TILE,
        ]

    def _clipped(self, x: int, y: int, count: int) -> Rect:
        left, top = x * TILE, y * TILE
        width = min(count * TILE, self._size[0] - left)
        return Rect(left, top, width, min(TILE, self._size[1] - top))


def _runs(row: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where the True ones begin, and how many there are in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def overlap(rects: Sequence[Rect], others: Sequence[Rect]) -> int:
    """Pixels of the first that are in the others too; counted twice if they are there twice.

    By numpy: a server may name 65,535 rectangles in one update.
    """
    if not rects:
        return 0
    x, y, width, height = np.array(rects, np.int64).T
    pixels = 0
    for other in others:
        wide = np.minimum(x + width, other.x + other.width) - np.maximum(x, other.x)
        high = np.minimum(y + height, other.y + other.height) - np.maximum(y, other.y)
        pixels += int((np.maximum(wide, 0) * np.maximum(high, 0)).sum())
    return pixels
