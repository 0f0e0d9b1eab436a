"""Screens, scan codes, lamps, names, fences, continuous updates, cursors. Pictures are not here."""

import struct

import numpy as np
import pytest

from dtu.core.rfb import (
    CursorChanged,
    Failed,
    LedState,
    NameChanged,
    Rect,
    Resized,
    RfbClient,
    Updated,
)
from dtu.core.rfb.layout import check_layout
from roamwire.errors import LocalProtocolError

CURSOR_WITH_ALPHA, DESKTOP_NAME, EXTENDED_KEYS = -314, -307, -258
QEMU_LEDS, VMWARE_LEDS, DESKTOP_SIZE = -261, 0x574D5668, -223
MORE_BUTTONS = -316
REQUEST_CHANGES = struct.pack(">BBHHHH", 3, 1, 0, 0, 64, 48)


def failure(events):
    assert isinstance(events[-1], Failed), events
    return events[-1].error.reason


def wish(width, height, *screens):
    head = struct.pack(">BxHHBx", 251, width, height, len(screens))
    return head + b"".join(struct.pack(">IHHHHI", *screen) for screen in screens)


def attached(server, feed, *layout):
    client = RfbClient(layout)
    feed(client, server.handshake())
    client.data_to_send()
    return client


# -- screens


def test_a_session_is_asked_for_the_wanted_screen_once(server, feed):
    client = attached(server, feed, Rect(0, 0, 100, 90))
    feed(client, server.update(server.extended_size(0, 0, 64, 48)))
    assert client.data_to_send() == wish(100, 90, (7, 0, 0, 100, 90, 3)) + REQUEST_CHANGES
    events = feed(client, server.update(server.extended_size(1, 0, 100, 90)))
    assert events == [Resized(100, 90), Updated(())]
    feed(client, server.update(server.extended_size(0, 0, 80, 70, screens=())))
    assert client.data_to_send() == (
        struct.pack(">BBHHHH", 3, 0, 0, 0, 100, 90) + struct.pack(">BBHHHH", 3, 0, 0, 0, 80, 70)
    )


def test_two_screens_keep_the_numbers_that_the_session_has(server, feed):
    client = attached(server, feed, Rect(0, 0, 100, 90), Rect(100, 0, 80, 60))
    feed(client, server.update(server.extended_size(0, 0, 64, 48, screens=((0, 5),))))
    expected = wish(180, 90, (0, 0, 0, 100, 90, 5), (1, 100, 0, 80, 60, 0))
    assert client.data_to_send() == expected + REQUEST_CHANGES


def test_the_wanted_screens_may_be_there_already(server, feed):
    client = attached(server, feed, Rect(0, 0, 32, 48), Rect(32, 0, 32, 48))
    screens = ((3, 0, 0, 32, 48, 0), (4, 32, 0, 32, 48, 0))
    feed(client, server.update(server.extended_size(0, 0, 64, 48, screens)))
    assert client.data_to_send() == REQUEST_CHANGES


def test_one_large_screen_is_not_two_small_ones(server, feed):
    client = attached(server, feed, Rect(0, 0, 32, 48), Rect(32, 0, 32, 48))
    feed(client, server.update(server.extended_size(0, 0, 64, 48)))
    assert client.data_to_send()[:1] == b"\xfb"


def test_screens_may_change_while_the_session_is_shown(client, server, feed):
    assert not client.set_layout((Rect(0, 0, 100, 100),))
    feed(client, server.update(server.extended_size(0, 0, 64, 48)))
    assert client.data_to_send()[:1] == b"\xfb"
    assert client.set_layout((Rect(0, 0, 90, 80), Rect(0, 80, 90, 80)))
    expected = wish(90, 160, (7, 0, 0, 90, 80, 3), (0, 0, 80, 90, 80, 0))
    assert client.data_to_send() == expected


def test_screens_are_bounded(client, server, feed):
    data = server.update(server.extended_size(0, 0, 64, 48, screens=((0, 0),) * 17))
    assert failure(feed(client, data)) == "screens"


@pytest.mark.parametrize(
    "layout",
    [
        (),
        (Rect(0, 0, 1, 1),) * 17,
        (Rect(-1, 0, 10, 10),),
        (Rect(0, 0, 0, 10),),
        (Rect(8000, 0, 200, 10),),
    ],
)
def test_what_is_no_layout(layout):
    with pytest.raises(LocalProtocolError):
        check_layout(layout)


def test_a_client_refuses_what_is_no_layout():
    with pytest.raises(LocalProtocolError):
        RfbClient((Rect(0, 0, 0, 0),))


# -- keys, lamps, name


def test_scan_codes_go_to_a_server_that_takes_them(client, server, feed):
    client.send_extended_key(0, 0xE048, True)
    assert client.data_to_send() == b"", "a key without a name, to a server that wants names"
    client.send_extended_key(0xFF52, 0xE048, True)
    assert client.data_to_send() == struct.pack(">BBHI", 4, 1, 0, 0xFF52)
    assert feed(client, server.update(server.rect(0, 0, 0, 0, EXTENDED_KEYS))) == [Updated(())]
    client.data_to_send()
    client.send_extended_key(0xFF52, 0xE048, True)
    client.send_extended_key(0x61, 0x1E, False)
    client.send_extended_key(0xFF13, 0xC6, True)
    assert client.data_to_send() == (
        struct.pack(">BBHII", 255, 0, 1, 0xFF52, 0xC8)
        + struct.pack(">BBHII", 255, 0, 0, 0x61, 0x1E)
        + struct.pack(">BBHII", 255, 0, 1, 0xFF13, 0xC6)
    )
    client.send_extended_key(0x20AC, 0, True)
    assert client.data_to_send() == struct.pack(">BBHI", 4, 1, 0, 0x20AC)
    for keysym, code in ((0x61, 0x100), (0x61, 0xE148), (0x61, -1), (-1, 0x1E)):
        with pytest.raises(LocalProtocolError):
            client.send_extended_key(keysym, code, True)


BACK, FORWARD, LEFT = 1 << 7, 1 << 8, 1


def test_a_server_that_takes_eight_buttons_gets_no_forward(client):
    client.send_pointer(5, 6, LEFT | BACK | FORWARD)
    client.send_pointer(5, 6, FORWARD)
    assert client.data_to_send() == bytes.fromhex("05 81 0005 0006  05 00 0005 0006")


def test_forward_goes_to_a_server_that_takes_it(client, server, feed):
    assert feed(client, server.update(server.rect(0, 0, 0, 0, MORE_BUTTONS))) == [Updated(())]
    client.data_to_send()
    for buttons in (FORWARD, LEFT | BACK, LEFT | BACK | FORWARD, LEFT, 0, 1 << 9):
        client.send_pointer(5, 6, buttons)
    assert client.data_to_send() == bytes.fromhex(
        "05 80 0005 0006 02  05 81 0005 0006 01  05 81 0005 0006 03"
        "05 01 0005 0006     05 00 0005 0006     05 00 0005 0006"
    )


@pytest.mark.parametrize(
    ("lamps", "state"),
    [
        (1, LedState(True, False, False)),
        (2, LedState(False, True, False)),
        (4, LedState(False, False, True)),
        (7, LedState(True, True, True)),
        (0, LedState(False, False, False)),
    ],
)
def test_lamps(client, server, feed, lamps, state):
    qemu = server.rect(0, 0, 0, 0, QEMU_LEDS, bytes((lamps,)))
    vmware = server.rect(0, 0, 0, 0, VMWARE_LEDS, struct.pack(">I", lamps))
    assert feed(client, server.update(qemu, vmware)) == [state, state, Updated(())]


def test_a_session_may_be_renamed(client, server, feed):
    name = struct.pack(">I", 6) + "Größe".encode("latin-1") + b"!"
    renamed = server.rect(0, 0, 0, 0, DESKTOP_NAME, name)
    assert feed(client, server.update(renamed))[0] == NameChanged("Gr\ufffd\ufffde!")
    endless = server.rect(0, 0, 0, 0, DESKTOP_NAME, struct.pack(">I", 1 << 31))
    assert failure(feed(client, server.update(endless))) == "text-length"


# -- fences and continuous updates


def test_fences_come_back_without_what_we_cannot_promise(client, server, feed):
    assert feed(client, server.fence(0x80000007, b"when?")) == []
    assert client.data_to_send() == server.fence(3, b"when?")
    assert feed(client, server.fence(3, b"an answer to nobody")) == []
    assert client.data_to_send() == b""


def test_a_fence_comes_back_after_what_was_before_it(client, server, feed):
    feed(client, server.update(server.fill(0, 0, 9, 9, 1, 1, 1)) + server.fence(1 << 31, b""))
    assert client.data_to_send() == REQUEST_CHANGES + server.fence(0, b"")


def test_what_a_fence_carries_is_bounded(client, server, feed):
    assert failure(feed(client, server.fence(1 << 31, bytes(65)))) == "fence"


def enable(width, height):
    return struct.pack(">BBHHHH", 150, 1, 0, 0, width, height)


def test_a_server_that_can_sends_without_being_asked(client, server, feed):
    feed(client, server.end_of_continuous_updates())
    assert client.data_to_send() == enable(64, 48)
    feed(client, server.update(server.fill(0, 0, 9, 9, 1, 1, 1)))
    assert client.data_to_send() == b""
    feed(client, server.update(server.rect(0, 0, 32, 16, DESKTOP_SIZE)))
    assert client.data_to_send() == enable(32, 16) + struct.pack(">BBHHHH", 3, 0, 0, 0, 32, 16)
    feed(client, server.end_of_continuous_updates())
    assert client.data_to_send() == struct.pack(">BBHHHH", 3, 1, 0, 0, 32, 16)
    feed(client, server.update(server.fill(0, 0, 9, 9, 1, 1, 1)))
    assert client.data_to_send() == struct.pack(">BBHHHH", 3, 1, 0, 0, 32, 16)


# -- cursor with alpha


def test_cursor_with_alpha(client, server, feed):
    rgba = np.array([[[10, 20, 30, 40], [0, 0, 0, 0], [255, 254, 253, 255]]], np.uint8)
    body = struct.pack(">i", 0) + rgba.tobytes()
    changed, _ = feed(client, server.update(server.rect(2, 1, 3, 1, CURSOR_WITH_ALPHA, body)))
    assert isinstance(changed, CursorChanged)
    assert (changed.cursor.hotspot_x, changed.cursor.hotspot_y) == (2, 1)
    assert changed.cursor.image.tolist() == [[[30, 20, 10, 40], [0] * 4, [253, 254, 255, 255]]]


def test_a_cursor_is_never_brighter_than_its_alpha(client, server, feed):
    body = struct.pack(">i", 0) + bytes((255, 7, 255, 9))
    changed, _ = feed(client, server.update(server.rect(0, 0, 1, 1, CURSOR_WITH_ALPHA, body)))
    assert changed.cursor.image.tolist() == [[[9, 7, 9, 9]]]


@pytest.mark.parametrize(
    ("size", "encoding", "reason"),
    [((1, 1), 7, "cursor-encoding"), ((257, 1), 0, "cursor-size"), ((1, 257), 0, "cursor-size")],
)
def test_cursors_with_alpha_are_bounded(client, server, feed, size, encoding, reason):
    rect = server.rect(0, 0, *size, CURSOR_WITH_ALPHA, struct.pack(">i", encoding))
    assert failure(feed(client, server.update(rect))) == reason
