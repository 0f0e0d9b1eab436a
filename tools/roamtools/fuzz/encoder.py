"""An RFB server's side of every encoding that a terminal decodes, plain and slow. Sends nothing."""

import random
import struct
import zlib

import numpy as np
import numpy.typing as npt
import simplejpeg

from dtu.core.rfb import requests

Picture = npt.NDArray[np.uint8]
"""(height, width, 3) in B, G, R."""


class Encoder:
    """Builds messages of one connection; keeps its zlib streams."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tight = [zlib.compressobj(1) for _ in range(4)]
        self._zrle = zlib.compressobj(1)

    def handshake(self, width: int, height: int) -> bytes:
        """Everything before the first message."""
        start = struct.pack(">HH16xI", width, height, 4) + b"fuzz"
        return b"RFB 003.008\n\x01\x01" + bytes(4) + start

    def update(self, *rects: bytes) -> bytes:
        """A FramebufferUpdate of rectangles."""
        return struct.pack(">BxH", 0, len(rects)) + b"".join(rects)

    def rect(self, x: int, y: int, width: int, height: int, encoding: int, body: bytes) -> bytes:
        """A rectangle with its head."""
        return struct.pack(">HHHHi", x, y, width, height, encoding) + body

    def picture(self, x: int, y: int, picture: Picture, kind: str) -> bytes:
        """A picture in one of `KINDS`."""
        height, width = picture.shape[:2]
        encoding, make = KINDS[kind]
        return self.rect(x, y, width, height, encoding, make(self, picture))

    # -- bodies

    def raw(self, picture: Picture) -> bytes:
        pixels: Picture = np.dstack([picture, picture[:, :, :1]])
        return pixels.tobytes()

    def fill(self, picture: Picture) -> bytes:
        return b"\x80" + picture[0, 0, ::-1].tobytes()

    def jpeg(self, picture: Picture) -> bytes:
        data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), 80, "BGR")
        return b"\x90" + _length(len(data)) + data

    def copy_filter(self, picture: Picture) -> bytes:
        stream = self._rng.randrange(4)
        return bytes((stream << 4,)) + self._packed(stream, picture[:, :, ::-1].tobytes())

    def gradient(self, picture: Picture) -> bytes:
        # Any bytes are differences of some picture.
        return bytes((0x70, 2)) + self._packed(3, picture.tobytes())

    def palette(self, picture: Picture) -> bytes:
        colours = self._rng.choice((2, 3, 16, 200))
        indices = picture[:, :, 0] % colours
        data = np.packbits(indices, axis=1).tobytes() if colours == 2 else indices.tobytes()
        head = bytes((0x50, 1, colours - 1)) + self._rng.randbytes(colours * 3)
        return head + self._packed(1, data)

    def rre(self, picture: Picture) -> bytes:
        height, width = picture.shape[:2]
        body = struct.pack(">I", 20) + self._rng.randbytes(4)
        for _ in range(20):
            x, y = self._rng.randrange(width), self._rng.randrange(height)
            size = (self._rng.randint(1, width - x), self._rng.randint(1, height - y))
            body += self._rng.randbytes(4) + struct.pack(">HHHH", x, y, *size)
        return body

    def hextile(self, picture: Picture) -> bytes:
        body = b""
        height, width = picture.shape[:2]
        for y in range(0, height, 16):
            for x in range(0, width, 16):
                tile = picture[y : y + 16, x : x + 16]
                body += self._rng.choice((self._raw_tile, self._plain_tile))(tile)
        return body

    def _raw_tile(self, tile: Picture) -> bytes:
        return b"\x01" + self.raw(tile)

    def _plain_tile(self, tile: Picture) -> bytes:
        kind = self._rng.choice((2, 14, 26))
        body = bytes((kind,)) + self._rng.randbytes(4 if kind == 2 else 8 if kind == 14 else 4)
        if kind == 2:
            return body
        count = self._rng.randrange(5)
        body += bytes((count,))
        for _ in range(count):
            x, y = self._rng.randrange(tile.shape[1]), self._rng.randrange(tile.shape[0])
            body += self._rng.randbytes(4 if kind == 26 else 0) + bytes((x << 4 | y, 0))
        return body

    def zrle(self, picture: Picture) -> bytes:
        height, width = picture.shape[:2]
        data = b""
        for y in range(0, height, 64):
            for x in range(0, width, 64):
                tile = np.ascontiguousarray(picture[y : y + 64, x : x + 64])
                make = self._rng.choice((_zrle_raw, _zrle_solid, _zrle_packed, _zrle_rle))
                data += make(tile)
        packed = self._zrle.compress(data) + self._zrle.flush(zlib.Z_SYNC_FLUSH)
        return struct.pack(">I", len(packed)) + packed

    def _packed(self, stream: int, data: bytes) -> bytes:
        if len(data) < 12:
            return data
        out = self._tight[stream].compress(data) + self._tight[stream].flush(zlib.Z_SYNC_FLUSH)
        return _length(len(out)) + out

    # -- what is no picture

    def extensions(self, width: int, height: int) -> bytes:
        """Pointer shapes, lamps, a name, screens, fences, a bell, clipboard, colours."""
        screens = struct.pack(">B3xIHHHHI", 1, 1, 0, 0, width, height, 0)
        cursor = self._rng.randbytes(16 * 9 * 4 + 18)
        update = self.update(
            self.rect(3, 3, 16, 9, requests.CURSOR, cursor),
            self.rect(3, 3, 8, 8, requests.CURSOR_WITH_ALPHA, bytes(4) + self._rng.randbytes(256)),
            self.rect(0, 0, 0, 0, requests.QEMU_LEDS, b"\x05"),
            self.rect(0, 0, 0, 0, requests.VMWARE_LEDS, bytes(3) + b"\x02"),
            self.rect(0, 0, 0, 0, requests.EXTENDED_KEYS, b""),
            self.rect(0, 0, 0, 0, requests.DESKTOP_NAME, struct.pack(">I", 4) + b"name"),
            self.rect(0, 0, width, height, requests.EXTENDED_DESKTOP_SIZE, screens),
            self.rect(9, 9, 40, 30, requests.COPY_RECT, struct.pack(">HH", 20, 20)),
        )
        fence = struct.pack(">B3xIB", 248, 1 << 31 | 1, 4) + b"ping"
        clipboard = struct.pack(">B3xI", 3, 60) + bytes(60)
        colours = struct.pack(">BxHH", 1, 0, 2) + bytes(12)
        return update + fence + b"\x96\x02" + clipboard + colours


KINDS = {
    "raw": (requests.RAW, Encoder.raw),
    "fill": (requests.TIGHT, Encoder.fill),
    "jpeg": (requests.TIGHT, Encoder.jpeg),
    "copy": (requests.TIGHT, Encoder.copy_filter),
    "gradient": (requests.TIGHT, Encoder.gradient),
    "palette": (requests.TIGHT, Encoder.palette),
    "rre": (requests.RRE, Encoder.rre),
    "hextile": (requests.HEXTILE, Encoder.hextile),
    "zrle": (requests.ZRLE, Encoder.zrle),
}


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    if size < 0x4000:
        return bytes((size & 0x7F | 0x80, size >> 7))
    return bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))


def _zrle_raw(tile: Picture) -> bytes:
    return b"".join((b"\x00", tile.tobytes()))


def _zrle_solid(tile: Picture) -> bytes:
    return b"".join((b"\x01", tile[0, 0].tobytes()))


def _zrle_packed(tile: Picture) -> bytes:
    bits = np.packbits(tile[:, :, 0] & 1, axis=1)
    return b"\x02" + tile[0, :2].tobytes().ljust(6, b"\0")[:6] + bits.tobytes()


def _zrle_rle(tile: Picture) -> bytes:
    count = tile.shape[0] * tile.shape[1]
    run = bytes([255] * ((count - 1) // 255)) + bytes(((count - 1) % 255,))
    return b"".join((b"\x80", tile[0, 0].tobytes(), run))
