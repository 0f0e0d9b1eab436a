"""Which mode a monitor gets and where it stands."""

import pytest

from dtu.core.rfb import Rect
from dtu.core.rfb.framebuffer import fits
from dtu.drivers.display.drm import Connector, Mode
from dtu.drivers.display.monitors import choose_mode, mode_problem, place_monitors


def mode(width, height, hertz=60, preferred=False, progressive=True):
    return Mode(width, height, hertz, preferred, progressive, b"")


def connector(number, *modes, connected=True, encoders=(1,)):
    return Connector(number, f"HDMI-A-{number}", connected, modes, encoders, None, b"")


UHD, FULL, FULL_50, SMALL = (
    mode(3840, 2160, 30),
    mode(1920, 1080, preferred=True),
    mode(1920, 1080, 50),
    mode(640, 480),
)
MODES = (FULL, UHD, FULL_50, SMALL)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("", FULL),
        ("640x480", SMALL),
        ("1920x1080", FULL),
        ("1920x1080@50", FULL_50),
        ("1920x1080@75", FULL),  # the size matters more than the rate
        ("3840x2160@30", UHD),
        ("1024x768", FULL),  # what the monitor has not is not forced on it
    ],
)
def test_the_wish_then_the_monitors_own(wanted, chosen):
    assert choose_mode(MODES, wanted) is chosen


def test_without_a_preferred_mode_the_largest_wins():
    assert choose_mode((SMALL, UHD, FULL_50), "") is UHD


def test_interlaced_modes_are_the_last_resort():
    woven = mode(1920, 1080, preferred=True, progressive=False)
    assert choose_mode((woven, SMALL), "") is SMALL
    assert choose_mode((woven,), "") is woven
    assert choose_mode((), "") is None


@pytest.mark.parametrize("text", ["", "1920x1080", "1920x1080@60", "640x480@144"])
def test_settings_that_are_modes(text):
    assert mode_problem(text) is None


@pytest.mark.parametrize("text", ["1080p", "1920*1080", "0x0", "1920x1080@", "1920x1080@60i"])
def test_settings_that_are_none(text):
    assert "1920x1080@60" in mode_problem(text)


def crtcs(encoder):
    return {1: (10, 11), 2: (11,), 3: (10,)}[encoder]


def test_two_monitors_stand_side_by_side():
    found = place_monitors([connector(1, FULL), connector(2, SMALL)], crtcs, "")
    assert [(each.crtc, each.place) for each in found] == [
        (10, Rect(0, 0, 1920, 1080)),
        (11, Rect(1920, 0, 640, 480)),
    ]


def test_what_cannot_show_anything_is_left_out():
    sockets = [
        connector(1, FULL, connected=False),
        connector(2),
        connector(3, SMALL, encoders=(3,)),
        connector(4, FULL, encoders=(3,)),  # its only CRTC is taken
        connector(5, SMALL, encoders=(3, 2)),
    ]
    found = place_monitors(sockets, crtcs, "")
    assert [each.connector.number for each in found] == [3, 5]
    assert [each.crtc for each in found] == [10, 11]


def test_the_monitors_name_is_in_its_edid():
    edid = bytearray(128)
    edid[72:90] = b"\0\0\0\xfc\0DELL U2412M\n  "
    named = Connector(1, "HDMI-A-1", True, (FULL,), (1,), None, bytes(edid))
    assert named.monitor == "DELL U2412M"
    assert connector(1).monitor == ""


def wide(number, width, height):
    return connector(number, mode(width, height, preferred=True), encoders=(number,))


@pytest.mark.parametrize(
    ("count", "size", "used"),
    [
        (2, (5120, 1440), 1),
        (3, (3840, 2160), 2),
        (4, (2560, 1440), 3),
        (2, (4096, 4320), 1),  # no side is too long, but both have too many pixels
        (2, (4096, 2160), 2),
        (1, (9000, 1080), 0),
    ],
)
def test_what_no_session_could_fill_stays_dark_and_is_named(count, size, used, caplog):
    monitors = [wide(number, *size) for number in range(1, count + 1)]
    found = place_monitors(monitors, lambda encoder: (encoder,), "")
    assert [each.connector.number for each in found] == list(range(1, used + 1))
    assert sum("stays dark" in line for line in caplog.messages) == count - used
    right, bottom = sum(each.mode.width for each in found), size[1]
    assert not found or fits(right, bottom)


def test_a_smaller_monitor_after_one_that_is_left_out_is_used():
    monitors = [wide(1, 5120, 1440), wide(2, 5120, 1440), wide(3, 1920, 1080)]
    found = place_monitors(monitors, lambda encoder: (encoder,), "")
    assert [(each.connector.number, each.place.x) for each in found] == [(1, 0), (3, 5120)]
    found = place_monitors([wide(1, 1920, 1080), wide(2, 5120, 8000)], lambda e: (e,), "")
    assert len(found) == 1, "the taller one counts for both"
