"""A display link whose transport is scripted, and the bytes of a small session. No tests here."""

import asyncio
import ssl
import struct

from dtu.app.display_link import DisplayLink, Drawn
from roamwire.control import Attached, encode_line

WIDTH, HEIGHT = 64, 48
HANDSHAKE = b"RFB 003.008\n\x01\x01" + bytes(4) + struct.pack(">HH16xI", WIDTH, HEIGHT, 1) + b"d"


def update(*rects):
    return struct.pack(">BxH", 0, len(rects)) + b"".join(rects)


def fill(x, y, width, height, shade):
    return struct.pack(">HHHHi", x, y, width, height, 7) + bytes((0x80, shade, shade, shade))


def cursor():
    return struct.pack(">HHHHi", 0, 0, 1, 1, -239) + bytes(5)


WHOLE = update(fill(0, 0, WIDTH, HEIGHT, 7))


class FakeScreen:
    size = (100, 50)

    def __init__(self):
        self.shown = []
        self.moved = []

    def show_session(self, framebuffer, rects, cursor):
        self.shown.append((framebuffer.copy(), tuple(rects), cursor))

    def move_pointer(self, x, y):
        self.moved.append((x, y))


class FakeTls:
    """The other end's certificate, as `ssl` tells it."""

    def __init__(self, role):
        mark = (("URI", f"roamdesk://{role}/s1"),)
        self.certificate = {"subject": ((("commonName", "s1"),),), "subjectAltName": mark}

    def getpeercert(self):
        return self.certificate


class FakeTransport(asyncio.Transport):
    def __init__(self, role="server"):
        super().__init__({"ssl_object": FakeTls(role)})
        self.sent = bytearray()
        self.aborted = False
        self.unsent = 0
        self.paused = False

    def pause_reading(self):
        assert not self.paused
        self.paused = True

    def resume_reading(self):
        assert self.paused
        self.paused = False

    def write(self, data):
        self.sent += data

    def abort(self):
        self.aborted = True

    def get_write_buffer_size(self):
        return self.unsent

    def take(self):
        sent = bytes(self.sent)
        self.sent.clear()
        return sent


class Desk:
    """A display link whose connections are made by hand."""

    def __init__(self, loop):
        self.screen = FakeScreen()
        self.events = []
        self.drawn = []
        self.on_event = self.events.append
        self.connections = []
        self.answer = None
        self.role = "server"
        loop.create_connection = self._create_connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.link = DisplayLink(self.screen, context, self._event)

    def _event(self, event):
        # Painting is told so often that it would hide the rest.
        if isinstance(event, Drawn):
            self.drawn.append(event.pixels)
        else:
            self.on_event(event)

    async def _create_connection(self, factory, address, port, **_):
        if self.answer is not None:
            await self.answer()
        protocol = factory()
        transport = FakeTransport(self.role)
        self.connections.append((protocol, transport))
        protocol.connection_made(transport)
        return transport, protocol

    async def open(self, session="s1", epoch=1):
        self.link.open("192.0.2.1", 7010, "ticket", session, epoch)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.connections[-1] if self.connections else None

    async def show(self, session="s1", epoch=1):
        protocol, transport = await self.open(session, epoch)
        protocol.data_received(encode_line(Attached(session, epoch)) + HANDSHAKE + WHOLE)
        transport.take()
        return protocol, transport


def on_a_desk(play):
    async def run():
        await play(Desk(asyncio.get_running_loop()))

    asyncio.run(run())


def key(keysym, down):
    return struct.pack(">BBHI", 4, down, 0, keysym)
