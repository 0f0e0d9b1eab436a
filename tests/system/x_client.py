"""The X protocol by hand, as much as tests need: pictures in and out, the pointer. No X library."""

import socket
import struct

import numpy as np

PATIENCE_S = 20.0


class XClient:
    """A connection to a display; works on its root window."""

    def __init__(self, display):
        self._x = socket.socket(socket.AF_UNIX)
        self._x.settimeout(PATIENCE_S)
        self._x.connect(f"\0/tmp/.X11-unix/X{display[1:]}")
        self._x.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
        head = self._receive(8)
        assert head[0] == 1, head
        setup = self._receive(struct.unpack("<H", head[6:])[0] * 4)
        self._base = struct.unpack_from("<I", setup, 4)[0]
        vendor, formats = struct.unpack_from("<H", setup, 16)[0], setup[21]
        screen = 32 + (vendor + 3) // 4 * 4 + formats * 8
        self._root = struct.unpack_from("<I", setup, screen)[0]
        self._x.sendall(struct.pack("<BxHIII", 55, 4, self._base, self._root, 0))  # CreateGC
        self.size = struct.unpack_from("<HH", setup, screen + 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._x.close()

    def put_picture(self, picture):
        """PutImage of (height, width, 4) in BGRX at the top left corner; it is drawn then."""
        height, width = picture.shape[:2]
        for y in range(height):
            head = (72, 2, 6 + width, self._root, self._base, width, 1, 0, y, 0, 24)
            self._x.sendall(struct.pack("<BBHIIHHhhBBxx", *head) + picture[y].tobytes())
        self._x.sendall(struct.pack("<BxH", 43, 1))  # GetInputFocus: its answer means all is drawn
        assert self._receive(32)[0] == 1

    def picture(self):
        """GetImage of all of the root window: (height, width, 3) in BGR."""
        width, height = self.size
        request = struct.pack("<BBHIhhHHI", 73, 2, 5, self._root, 0, 0, width, height, 0xFFFFFFFF)
        self._x.sendall(request)
        head = self._receive(32)
        assert head[0] == 1, head
        data = self._receive(struct.unpack_from("<I", head, 4)[0] * 4)
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)[:, :, :3]

    def pointer(self):
        """QueryPointer: x, y and the pressed buttons as in the core protocol."""
        self._x.sendall(struct.pack("<BxHI", 38, 2, self._root))
        reply = self._receive(32)
        assert reply[0] == 1, reply
        x, y, _, _, mask = struct.unpack_from("<hhhhH", reply, 16)
        return x, y, mask >> 8

    def _receive(self, size):
        data = b""
        while len(data) < size:
            piece = self._x.recv(size - len(data))
            assert piece
            data += piece
        return data
