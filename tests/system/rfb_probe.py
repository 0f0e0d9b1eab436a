"""A plain RFB client over any connected socket: raw frames, keys. Only for tests."""

import socket
import ssl
import struct
import time
from pathlib import Path


class RfbProbe:
    """Reads the screen as raw pixels (B, G, R, x) and types."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")
        assert self._read(12) == b"RFB 003.008\n"
        self._socket.sendall(b"RFB 003.008\n")
        self._read(self._read(1)[0])
        self._socket.sendall(b"\1")
        assert self._read(4) == bytes(4)
        self._socket.sendall(b"\1")  # asks to share; the X server refuses to (NeverShared)
        self.width, self.height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self.name = self._read(struct.unpack(">I", self._read(4))[0]).decode()
        self._socket.sendall(struct.pack(">BxHi", 2, 1, 0))
        pixels = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self._socket.sendall(struct.pack(">Bxxx", 0) + pixels)
        self.frame = bytearray(self.width * self.height * 4)
        self._incremental = 0

    @classmethod
    def at(cls, path: Path | str) -> "RfbProbe":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        return cls(connection)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def update(self) -> None:
        """Waits for the next change of the screen (at first: for the whole screen)."""
        self._socket.sendall(
            struct.pack(">BBHHHH", 3, self._incremental, 0, 0, self.width, self.height)
        )
        self._incremental = 1
        while (kind := self._read(1)[0]) != 0:
            assert kind in (2, 3), f"message {kind}"
            if kind == 3:
                self._read(3)
                self._read(struct.unpack(">I", self._read(4))[0])
        for _ in range(struct.unpack(">xH", self._read(3))[0]):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self._read(12))
            assert encoding == 0
            data = self._read(width * height * 4)
            for row in range(height):
                start = ((y + row) * self.width + x) * 4
                part = data[row * width * 4 : (row + 1) * width * 4]
                self.frame[start : start + width * 4] = part

    def pixel(self, x: int, y: int) -> str:
        """A colour as in #rrggbb."""
        start = (y * self.width + x) * 4
        blue, green, red = self.frame[start : start + 3]
        return f"#{red:02x}{green:02x}{blue:02x}"

    def until(self, condition, seconds: float = 10.0) -> float:
        """Updates until `condition(self)`; returns the seconds that it took."""
        began = time.monotonic()
        self._socket.settimeout(seconds)
        try:
            self.update()
            while not condition(self):
                self.update()
        except TimeoutError:
            seen = [self.pixel(*place) for place in ((2, 2), (400, 600), (900, 600))]
            raise AssertionError(f"the screen is not as it should be: {seen}") from None
        return time.monotonic() - began

    def key(self, keysym: int, down: bool) -> None:
        self._socket.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text: str) -> None:
        for character in text:
            self.key(ord(character), True)
            self.key(ord(character), False)

    def control(self, character: str) -> None:
        self.key(0xFFE3, True)
        self.type(character)
        self.key(0xFFE3, False)

    def ended(self, seconds: float = 5.0) -> bool:
        """Whether the other end closes within this time."""
        self._socket.settimeout(seconds)
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise EOFError(f"closed after {len(data)} of {size} bytes")
        return data


def painted(probe: RfbProbe) -> bool:
    """The desktop recipe at 1280x800: root, terminal on the left, editor on the right."""
    return (probe.pixel(2, 2), probe.pixel(400, 600), probe.pixel(900, 600)) == (
        "#2f4f5f",
        "#fdfdf8",
        "#ffffff",
    )


def attach(port: int, context: ssl.SSLContext, line: bytes) -> tuple[ssl.SSLSocket, bytes]:
    """Connects to a display gateway, sends a first line, returns the answer line."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=5)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer = b""
    try:
        secure = context.wrap_socket(plain)
    except OSError:
        plain.close()
        raise
    try:
        secure.sendall(line)
        while not answer.endswith(b"\n") and (part := secure.recv(1)):
            answer += part
    except OSError:
        secure.close()
        raise
    return secure, answer
