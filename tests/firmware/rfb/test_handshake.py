"""The RFB handshake and what the client sends. Pictures are not here."""

import struct

import pytest

from dtu.core.rfb import Bell, Connected, Failed, RfbClient, Updated
from dtu.core.rfb.limits import MAX_CUT_TEXT_BYTES, MAX_NAME_BYTES
from dtu.core.rfb.requests import set_encodings
from roamwire.errors import LocalProtocolError


def failure(events):
    assert isinstance(events[-1], Failed), events
    return events[-1].error.reason


def test_handshake_asks_for_everything(server, feed):
    client = RfbClient()
    assert not client.connected
    assert not client.painted
    with pytest.raises(LocalProtocolError):
        _ = client.framebuffer
    assert feed(client, server.handshake(80, 60, b"caf\xc3\xa9 \xff")) == [
        Connected(80, 60, "café \ufffd")
    ]
    sent = client.data_to_send()
    assert sent.startswith(b"RFB 003.008\n\x01\x00")
    assert sent.endswith(struct.pack(">BBHHHH", 3, 0, 0, 0, 80, 60))
    assert struct.pack(">i", 7) in sent
    assert client.data_to_send() == b""
    assert client.framebuffer.shape == (60, 80, 4)
    assert client.connected
    assert not client.painted


def test_bytes_may_come_one_by_one(server, feed):
    client = RfbClient()
    data = server.handshake() + server.update(server.fill(0, 0, 64, 48, 1, 2, 3)) + b"\x02"
    events = [event for byte in data for event in feed(client, bytes((byte,)))]
    assert [type(event) for event in events] == [Connected, Updated, Bell]
    assert client.painted


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RFB 003.003\n\x00\x00\x00\x02", "security"),
        (b"RFB 003.003\n\x00\x00\x00\x00\x00\x00\x00\x02no", "refused"),
        (b"RFB 003.007\n\x02\x02\x10", "security"),
        (b"RFB 004.001\n", "version"),
        (b"HTTP/1.1 400", "version"),
        (b"RFB 003.00x\n", "version"),
        (b"RFB 003.008\n\x01\x02", "security"),
        (b"RFB 003.008\n\x00\x00\x00\x00\x03bye", "refused"),
        (b"RFB 003.008\n\x01\x01\x00\x00\x00\x01\x00\x00\x00\x02no", "refused"),
        (b"RFB 003.008\n\x00" + struct.pack(">I", MAX_NAME_BYTES + 1), "text-length"),
    ],
)
def test_refused_handshakes(feed, data, reason):
    client = RfbClient()
    assert failure(feed(client, data)) == reason
    assert not client.connected
    assert feed(client, b"more") == []


@pytest.mark.parametrize(
    ("version", "security", "answer"),
    [
        (b"003.003", b"\x00\x00\x00\x01", b"RFB 003.003\n\x00"),
        (b"003.005", b"\x00\x00\x00\x01", b"RFB 003.003\n\x00"),
        (b"003.007", b"\x02\x02\x01", b"RFB 003.007\n\x01\x00"),
        (b"003.889", b"\x01\x01" + bytes(4), b"RFB 003.008\n\x01\x00"),
    ],
)
def test_older_versions(server, feed, version, security, answer):
    client = RfbClient()
    start = server.handshake(80, 60)[19:]
    assert feed(client, b"RFB " + version + b"\n" + security + start) == [Connected(80, 60, "desk")]
    assert client.data_to_send().startswith(answer + struct.pack(">B3x", 0))


def test_the_reason_of_a_refusal_is_told(feed):
    events = feed(RfbClient(), b"RFB 003.008\n\x00\x00\x00\x00\x08too many")
    assert events[0].error.detail == "too many"


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (8193, 1), (1, 8193), (8192, 8192)])
def test_framebuffers_are_bounded(server, feed, size):
    assert failure(feed(RfbClient(), server.handshake(*size))) == "framebuffer-size"


def test_a_name_is_bounded(server, feed):
    data = server.handshake(name=b"")[:-4] + struct.pack(">I", 0xFFFFFFFF)
    assert failure(feed(RfbClient(), data)) == "text-length"


def test_keys_and_pointer(client):
    client.send_key(0x61, True)
    client.send_pointer(-5, 70000, 0x101)
    assert client.data_to_send() == (
        struct.pack(">BBHI", 4, 1, 0, 0x61) + struct.pack(">BBHH", 5, 1, 0, 65535)
    )
    with pytest.raises(LocalProtocolError):
        client.send_key(-1, True)


def test_nothing_is_sent_without_a_connection(client, feed):
    with pytest.raises(LocalProtocolError):
        RfbClient().send_key(0x61, True)
    assert failure(feed(client, b"\xfe")) == "message"
    with pytest.raises(LocalProtocolError):
        client.send_pointer(0, 0, 0)


@pytest.mark.parametrize(("quality", "compression"), [(-1, 0), (10, 0), (0, 10), (0, -1)])
def test_quality_and_compression_have_ten_levels(quality, compression):
    with pytest.raises(LocalProtocolError):
        set_encodings((7,), quality, compression)


def test_colour_maps_and_clipboard_are_skipped(client, feed):
    colours = struct.pack(">BxHH", 1, 0, 2) + bytes(12)
    clipboard = struct.pack(">B3xI", 3, 600_000) + bytes(600_000)
    assert feed(client, colours + clipboard + b"\x02") == [Bell()]


def test_clipboard_is_bounded(client, feed):
    data = struct.pack(">B3xI", 3, MAX_CUT_TEXT_BYTES + 1)
    assert failure(feed(client, data)) == "cut-text"


def test_events_of_one_read_are_bounded(client, feed):
    assert failure(feed(client, b"\x02" * 70_000)) == "event-flood"
