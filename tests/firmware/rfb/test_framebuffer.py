"""The framebuffer knows what a fill changes, whatever was written in between."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dtu.core.rfb import Rect, framebuffer
from dtu.core.rfb.framebuffer import Framebuffer

WIDTH, HEIGHT = 12, 9
COLOURS = st.integers(1, 3)
RECTS = st.tuples(
    st.integers(0, WIDTH), st.integers(0, HEIGHT), st.integers(0, WIDTH), st.integers(0, HEIGHT)
).map(lambda it: Rect(it[0], it[1], min(it[2], WIDTH - it[0]), min(it[3], HEIGHT - it[1])))
WRITES = st.tuples(st.sampled_from(("fill", "jpeg", "copy", "rgb")), RECTS, COLOURS)


def painted(width, height):
    buffer = Framebuffer(width, height)
    buffer.mark_painted(Rect(0, 0, width, height))
    assert buffer.painted
    return buffer


def by_jpeg(buffer, rect, colour):
    """As the JPEG decoder does: told first, then written from C."""
    buffer.touch(rect)
    rows = slice(rect.y, rect.y + rect.height), slice(rect.x, rect.x + rect.width)
    buffer.pixels[rows] = colour


@settings(max_examples=300, deadline=None)
@given(st.lists(WRITES, max_size=60))
def test_a_fill_is_told_as_a_change_if_it_is_one(writes):
    small, framebuffer._FILL_PIXELS = framebuffer._FILL_PIXELS, 4
    few, framebuffer._MOST_FILLS = framebuffer._MOST_FILLS, 3
    try:
        buffer = painted(WIDTH, HEIGHT)
        for how, rect, colour in writes:
            rows = slice(rect.y, rect.y + rect.height), slice(rect.x, rect.x + rect.width)
            if how == "fill":
                area = buffer.pixels[rows]
                changes = area.size == 0 or bool((area != colour).any())
                assert buffer.put_colour(rect, colour) == changes
                assert (buffer.pixels[rows] == colour).all()
            elif how == "jpeg":
                by_jpeg(buffer, rect, colour)
            elif how == "rgb":
                buffer.put_rgb(rect, bytes((0, 0, colour)) * (rect.width * rect.height))
            else:
                for _ in buffer.copy(0, 0, rect):
                    pass
    finally:
        framebuffer._FILL_PIXELS, framebuffer._MOST_FILLS = small, few


def test_a_large_fill_that_comes_again_is_not_looked_at():
    buffer = painted(200, 200)
    whole = Rect(0, 0, 200, 200)
    assert buffer.put_colour(whole, 7)
    left = buffer.work.left
    assert not buffer.put_colour(whole, 7)
    assert buffer.work.left == left
    by_jpeg(buffer, Rect(199, 199, 1, 1), 8)
    assert buffer.put_colour(whole, 7)
    assert buffer.put_colour(whole, 9)


def test_its_memory_begins_at_a_cache_line_and_is_black():
    for width, height in ((1920, 1080), (33, 17), (1, 1)):
        buffer = Framebuffer(width, height)
        assert buffer.address % 64 == 0
        assert buffer.array.shape == (height, width, 4)
        assert buffer.array.flags["C_CONTIGUOUS"]
        assert not np.any(buffer.array)
