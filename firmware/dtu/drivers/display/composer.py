"""Composes a session's frame and its pointer into screen pixels. The pixels' owner is not here."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dtu.core.rfb import Cursor, Rect
from dtu.core.rfb.events import Bytes, bounding_box
from dtu.drivers.display.base import origin

Target = npt.NDArray[np.uint32]
"""The screen's pixels, (height, width), 0xXXRRGGBB; lent for one call and never kept."""

_MAX_SINGLE_RECTS = 64
"""More rectangles are painted as their bounding box: cheaper than as many small copies."""

_FULL_SHARE = 0.75
"""So much of their bounding box that it is copied, and told to the output, at once."""


class Composer:
    """Paints into lent pixels; keeps the session's frame, its pointer's shape and place.

    The paint methods return the rectangles of the screen that they changed; all but `take_frame`
    and `move` need a frame.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._frame: Bytes | None = None
        self._cursor: Cursor | None = None
        self._pointer: tuple[int, int] | None = None

    @property
    def pointer(self) -> tuple[int, int] | None:
        """Where the pointer is; None before it was moved."""
        return self._pointer

    @property
    def has_frame(self) -> bool:
        """True while a session's frame is kept."""
        return self._frame is not None

    def is_frame(self, framebuffer: Bytes) -> bool:
        """True if this is the frame that is kept."""
        return self._frame is framebuffer

    def take_frame(self, framebuffer: Bytes, cursor: Cursor | None, target: Target) -> list[Rect]:
        """Keep another frame and paint all of the screen."""
        self.keep_frame(framebuffer, cursor)
        return self.repaint(target)

    def keep_frame(self, framebuffer: Bytes, cursor: Cursor | None) -> None:
        """Keep another frame or pointer, and paint nothing."""
        self._frame = framebuffer
        self._cursor = cursor

    def repaint(self, target: Target) -> list[Rect]:
        """Paint all of the screen: the frame, black beside it, and the pointer."""
        whole = Rect(0, 0, *self._size)
        self._restore(whole, target)
        self._paint_cursor(target)
        return [whole]

    def update(self, rects: Sequence[Rect], cursor: Cursor | None, target: Target) -> list[Rect]:
        """Paint what changed in the frame, and the pointer if it has another shape."""
        dirty: list[Rect] = []
        if cursor is not self._cursor:
            dirty += self._wipe_cursor(target)
            self._cursor = cursor
            dirty += self._cursor_rects()
        if len(rects) > 1:
            box = bounding_box(rects)
            pixels = sum(rect.width * rect.height for rect in rects)
            if len(rects) > _MAX_SINGLE_RECTS or pixels >= _FULL_SHARE * box.width * box.height:
                rects = [box]
        assert self._frame is not None
        if self._frame.shape[:2] == target.shape:
            source = self._frame.view("<u4")[:, :, 0]
            for rect in rects:
                x, y, width, height = rect
                there = slice(y, y + height), slice(x, x + width)
                np.copyto(target[there], source[there])
                dirty.append(rect)
        else:
            dirty += self._update_within(rects, target)
        self._paint_cursor(target)
        return dirty

    def _update_within(self, rects: Sequence[Rect], target: Target) -> list[Rect]:
        """Paint parts of a frame that has another size than the screen."""
        left, top = self._origin()
        moved = [Rect(rect.x + left, rect.y + top, rect.width, rect.height) for rect in rects]
        there = [rect for rect in map(self._clip, moved) if rect is not None]
        for rect in there:
            self._restore(rect, target)
        return there

    def move(self, x: int, y: int, target: Target) -> list[Rect]:
        """Paint the pointer at another place of the screen."""
        dirty = self._wipe_cursor(target)
        self.place_pointer(x, y)
        self._paint_cursor(target)
        return dirty + self._cursor_rects()

    def place_pointer(self, x: int, y: int) -> None:
        """Remember where the pointer is, for the next paint."""
        self._pointer = (x, y)

    def repaint_dimmed(self, target: Target) -> list[Rect]:
        """Paint all of the screen, darkened to a quarter so that words are readable on it."""
        dirty = self.repaint(target)
        np.right_shift(target, 2, out=target)
        np.bitwise_and(target, 0x3F3F3F, out=target)
        return dirty

    def resize(self, size: tuple[int, int]) -> None:
        """The screen has another size; the caller paints it."""
        self._size = size

    def drop_frame(self) -> None:
        """Keep the frame no longer; its owner may still be filling it."""
        self._frame = None
        self._cursor = None

    def wipe_frame(self) -> None:
        """Overwrite the frame and keep it no longer."""
        if self._frame is not None:
            self._frame.fill(0)
        self.drop_frame()

    def _origin(self) -> tuple[int, int]:
        assert self._frame is not None
        height, width = self._frame.shape[:2]
        return origin(self._size, (width, height))

    def _clip(self, rect: Rect) -> Rect | None:
        x, y = max(rect.x, 0), max(rect.y, 0)
        width = min(rect.x + rect.width, self._size[0]) - x
        height = min(rect.y + rect.height, self._size[1]) - y
        return Rect(x, y, width, height) if width > 0 and height > 0 else None

    def _restore(self, rect: Rect, target: Target) -> None:
        """Paint a rectangle of the screen without the pointer."""
        area = target[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width]
        assert self._frame is not None
        left, top = self._origin()
        pixels = self._frame.view("<u4")[:, :, 0]
        right, bottom = left + pixels.shape[1], top + pixels.shape[0]
        x0, x1 = max(rect.x, left), min(rect.x + rect.width, right)
        y0, y1 = max(rect.y, top), min(rect.y + rect.height, bottom)
        if (x1 - x0, y1 - y0) != (rect.width, rect.height):
            area.fill(0)
        if x1 > x0 and y1 > y0:
            source = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
            # Half of what masking the unused byte takes: nothing reads it.
            np.copyto(target[y0:y1, x0:x1], source)

    def _cursor_rects(self) -> list[Rect]:
        cursor = self._cursor
        if self._frame is None or self._pointer is None or cursor is None:
            return []
        x, y = self._pointer
        place = Rect(x - cursor.hotspot_x, y - cursor.hotspot_y, cursor.width, cursor.height)
        clipped = self._clip(place)
        return [] if clipped is None else [clipped]

    def _wipe_cursor(self, target: Target) -> list[Rect]:
        rects = self._cursor_rects()
        for rect in rects:
            self._restore(rect, target)
        return rects

    def _paint_cursor(self, target: Target) -> None:
        for rect in self._cursor_rects():
            assert self._cursor is not None
            assert self._pointer is not None
            left = rect.x - (self._pointer[0] - self._cursor.hotspot_x)
            top = rect.y - (self._pointer[1] - self._cursor.hotspot_y)
            shape = self._cursor.image[top : top + rect.height, left : left + rect.width]
            area = target[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width]
            below = np.ascontiguousarray(area).view(np.uint8).reshape(shape.shape)
            through = 255 - shape[:, :, 3:].astype(np.uint16)
            # Colours of a cursor carry their alpha already; 127 rounds to the nearest.
            drawn = shape + ((below * through + 127) // 255).astype(np.uint8)
            area[...] = drawn.view("<u4")[:, :, 0] & 0xFFFFFF
