"""What becomes of a session's pixels when its view is closed. Painting is tested with the link."""

import gc
import struct
import weakref

import pytest

from dtu.app.session_view import SessionView
from dtu.core.rfb import Rect
from dtu.drivers.display.pygame_screen import open_screen
from roamwire.errors import RemoteProtocolError

WIDTH, HEIGHT = 640, 400
FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
HEAD = b"RFB 003.008\n\x01\x01" + bytes(4) + struct.pack(">HH", WIDTH, HEIGHT) + FORMAT + bytes(4)
UPDATE = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + b"\x50" * (4 * WIDTH * HEIGHT)


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_closed_view_keeps_no_pixels():
    screen = open_screen("headless", WIDTH, HEIGHT)
    told = []
    view = SessionView("one", screen, (Rect(0, 0, WIDTH, HEIGHT),), told.append)
    told.append(view)  # as the link: who is told keeps the view
    view.receive(HEAD + UPDATE[:-100], 0)
    view.receive(UPDATE[-100:] + b"\x00\x00\x00\x01", 0)  # and the beginning of another one
    view.paint(0)
    assert view.painted
    pixels = weakref.ref(view.client.framebuffer)
    view.close()
    assert pixels() is not None  # the screen has them still, to darken them behind words
    screen.blank()
    assert pixels() is None
    screen.close()


@pytest.mark.parametrize("before", [b"", UPDATE], ids=["at once", "after a frame"])
def test_a_bad_size_in_the_same_read_is_the_sessions_fault(before):
    """And no other error: that would be taken for one of the terminal's own, and end it."""
    resize = struct.pack(">BxHHHHHi", 0, 1, 0, 0, 60_000, 60_000, -223)
    screen = open_screen("headless", WIDTH, HEIGHT)
    view = SessionView("one", screen, (Rect(0, 0, WIDTH, HEIGHT),), lambda event: None)
    view.receive(HEAD + before + resize, 0)
    with pytest.raises(RemoteProtocolError):
        view.paint(0)
    screen.close()
