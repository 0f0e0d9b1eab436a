"""A scripted RFB server: builds the bytes that a server sends. What a client does is not here."""

import struct
import zlib

import pytest

from dtu.core.rfb import RfbClient

RAW, COPY_RECT, TIGHT = 0, 1, 7
CURSOR, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, LAST_RECT = -239, -223, -308, -224


class ScriptedServer:
    """Builds messages; keeps the four zlib streams as a real server does."""

    def __init__(self):
        self.streams = [zlib.compressobj(1) for _ in range(4)]

    def handshake(self, width=64, height=48, name=b"desk"):
        start = struct.pack(">HH", width, height) + bytes(16)
        return b"RFB 003.008\n\x02\x01\x02" + bytes(4) + start + struct.pack(">I", len(name)) + name

    def update(self, *rects, count=None):
        count = len(rects) if count is None else count
        return struct.pack(">BxH", 0, count) + b"".join(rects)

    def rect(self, x, y, width, height, encoding, body=b""):
        return struct.pack(">HHHHi", x, y, width, height, encoding) + body

    def tight(self, x, y, width, height, body):
        return self.rect(x, y, width, height, TIGHT, body)

    def fill(self, x, y, width, height, red, green, blue):
        return self.tight(x, y, width, height, bytes((0x80, red, green, blue)))

    def length(self, size):
        out = bytearray()
        for shift in (0, 7):
            if size >> shift < 0x80:
                out.append(size >> shift)
                return bytes(out)
            out.append(size >> shift & 0x7F | 0x80)
        out.append(size >> 14)
        return bytes(out)

    def packed(self, stream, data):
        """Data as a Tight stream carries it: alone if under 12 bytes, else by zlib."""
        if len(data) < 12:
            return data
        compressor = self.streams[stream]
        out = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return self.length(len(out)) + out

    def extended_size(self, reason, result, width, height, screens=((7, 3),)):
        """Screens are (number, flags) of the whole size, or whole ones of six numbers."""
        body = struct.pack(">B3x", len(screens))
        for screen in screens:
            number, flags = screen[0], screen[-1]
            place = screen[1:5] if len(screen) == 6 else (0, 0, width, height)
            body += struct.pack(">IHHHHI", number, *place, flags)
        return self.rect(reason, result, width, height, EXTENDED_DESKTOP_SIZE, body)

    def fence(self, flags, payload):
        return struct.pack(">B3xIB", 248, flags, len(payload)) + payload

    def end_of_continuous_updates(self):
        return b"\x96"


@pytest.fixture
def server():
    return ScriptedServer()


@pytest.fixture
def client(server):
    """A client after its handshake, with nothing left to fetch or to send."""
    made = RfbClient()
    made.receive_data(server.handshake())
    drain(made)
    made.data_to_send()
    return made


def drain(client):
    events = []
    while (event := client.next_event()) is not None:
        events.append(event)
    return events


@pytest.fixture
def feed():
    """Feeds bytes and returns the events they make."""

    def run(client, data):
        client.receive_data(data)
        return drain(client)

    return run
