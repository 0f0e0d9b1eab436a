"""The kernel's mode setting (DRM/KMS) by ioctl: connectors, modes, dumb buffers, scan-out.

Numbers and layouts are those of <drm/drm.h> and <drm/drm_mode.h>. Which monitor gets which mode,
and what is drawn, is not here. Every call raises OSError as the kernel gave it.
"""

import array
import contextlib
import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dtu.core.rfb import Rect

Pixels = npt.NDArray[np.uint32]
"""A buffer's pixels, (height, width), 0xXXRRGGBB (XRGB8888)."""

DPMS_ON, DPMS_OFF = 0, 3

_CAP_DUMB_BUFFER = 1
_CONNECTED = 1
_XRGB8888 = 0x34325258
_VBLANK_RELATIVE = 1
_FLIP_EVENT = 1
_FLIP_COMPLETE = 2
_MAX_CLIPS = 256
_MAX_OBJECTS = 64
"""CRTCs and connectors; the largest PC cards have some ten."""

_MODE_PREFERRED = 1 << 3
_MODE_INTERLACED, _MODE_DOUBLE_SCAN = 1 << 4, 1 << 5

_CONNECTOR_NAMES = (
    "Unknown", "VGA", "DVI-I", "DVI-D", "DVI-A", "Composite", "SVIDEO", "LVDS", "Component", "DIN",
    "DP", "HDMI-A", "HDMI-B", "TV", "eDP", "Virtual", "DSI", "DPI", "Writeback", "SPI", "USB",
)  # fmt: skip

_MODE = struct.Struct("=I10H3I32s")
_CAP, _RESOURCES = struct.Struct("=QQ"), struct.Struct("=4Q8I")
_CRTC, _ENCODER = struct.Struct("=Q7I68s"), struct.Struct("=5I")
_CONNECTOR, _PROPERTY = struct.Struct("=4Q12I"), struct.Struct("=QQII32sII")
_SET_PROPERTY, _BLOB = struct.Struct("=QII"), struct.Struct("=IIQ")
_FLIP, _DIRTY = struct.Struct("=4IQ"), struct.Struct("=4IQ")
_CREATE, _MAP, _NUMBER = struct.Struct("=6IQ"), struct.Struct("=IIQ"), struct.Struct("=I")
_FRAMEBUFFER, _CLIP = struct.Struct("=17I4x4Q"), struct.Struct("=4H")
_VBLANK = struct.Struct("@IIll")
_EVENT = struct.Struct("=II")


@dataclass(frozen=True)
class Mode:
    """One way to drive a monitor; `raw` is the kernel's own record of it."""

    width: int
    height: int
    hertz: int
    preferred: bool
    progressive: bool
    raw: bytes


@dataclass(frozen=True)
class Connector:
    """A socket for a monitor, and what is in it; `edid` is empty if the monitor told nothing."""

    number: int
    name: str
    connected: bool
    modes: tuple[Mode, ...]
    encoders: tuple[int, ...]
    dpms_property: int | None
    edid: bytes

    @property
    def monitor(self) -> str:
        """The monitor's name as its EDID has it; empty if it tells none."""
        for start in range(54, 126, 18):
            block = self.edid[start : start + 18]
            if block[:4] == b"\0\0\0\xfc":
                return block[5:].split(b"\n")[0].decode("cp437").strip()
        return ""


class Buffer:
    """A dumb buffer with its framebuffer number; `pixels` is what is scanned out."""

    def __init__(self, card: "Card", width: int, height: int) -> None:
        self._card = card
        made = card.call(0xB2, _CREATE, height, width, 32, 0, 0, 0, 0)
        self._handle, pitch, size = made[4], made[5], made[6]
        handles, pitches = (self._handle, 0, 0, 0), (pitch, 0, 0, 0)
        self.number: int = card.call(
            0xB8, _FRAMEBUFFER, 0, width, height, _XRGB8888, 0, *handles, *pitches, *[0] * 8
        )[0]
        offset = card.call(0xB3, _MAP, self._handle, 0, 0)[2]
        self._map = mmap.mmap(card.fileno(), size, offset=offset)
        rows = np.frombuffer(self._map, np.uint32, pitch // 4 * height).reshape(height, pitch // 4)
        self.pixels: Pixels = rows[:, :width]

    def close(self) -> None:
        """Give the memory back; nobody may keep `pixels`."""
        del self.pixels
        with contextlib.suppress(OSError):  # a card that was pulled has let go of all already
            self._card.call(0xAF, _NUMBER, self.number)
            self._card.call(0xB4, _NUMBER, self._handle)
        self._map.close()


class Card:
    """An open graphics card that can drive monitors."""

    def __init__(self, path: str) -> None:
        """Open /dev/dri/cardN; raises OSError also for one that only renders."""
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if self.call(0x0C, _CAP, _CAP_DUMB_BUFFER, 0)[1] != 1:
                raise OSError(errno.EOPNOTSUPP, "has no dumb buffers")
            self.crtcs, self.connector_numbers = self._resources()
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Readable when `flips_done` has something to tell."""
        return self._file

    def close(self) -> None:
        """Let go of the card; the kernel's own console has the screen again."""
        os.close(self._file)

    def become_master(self) -> None:
        """Take the right to set modes; raises OSError if another program has it."""
        fcntl.ioctl(self._file, 0x641E)

    def connector(self, number: int) -> Connector:
        """Ask the monitor; takes up to 0.1 s where there is one."""
        # Without room for modes the kernel asks the monitor, else it says what it knows.
        counts = self.call(0xA7, _CONNECTOR, *[0] * 8, number, *[0] * 7)[4:7]
        modes = array.array("B", bytes(_MODE.size * counts[0]))
        names, values = _numbers("I", counts[1]), _numbers("Q", counts[1])
        encoders = _numbers("I", counts[2])
        places = (_at(encoders), _at(modes), _at(names), _at(values))
        found = self.call(0xA7, _CONNECTOR, *places, *counts, 0, number, *[0] * 7)
        if any(now > before for now, before in zip(found[4:7], counts, strict=True)):
            raise OSError(errno.EAGAIN, "the monitor has changed while it was asked")
        kind, kind_number, connection = found[9:12]
        properties = {
            self._property_name(name): (name, value)
            for name, value in zip(names[: found[5]], values[: found[5]], strict=True)
        }
        edid = properties.get("EDID", (0, 0))[1]
        kind_name = _CONNECTOR_NAMES[kind if kind < len(_CONNECTOR_NAMES) else 0]
        raw = modes.tobytes()
        return Connector(
            number,
            f"{kind_name}-{kind_number}",
            connection == _CONNECTED,
            tuple(_mode(raw[i * _MODE.size :][: _MODE.size]) for i in range(found[4])),
            tuple(encoders[: found[6]]),
            properties["DPMS"][0] if "DPMS" in properties else None,
            self._blob(edid) if edid else b"",
        )

    def possible_crtcs(self, encoder: int) -> tuple[int, ...]:
        """The numbers of the CRTCs that can feed an encoder."""
        bits = self.call(0xA6, _ENCODER, encoder, 0, 0, 0, 0)[3]
        return tuple(crtc for index, crtc in enumerate(self.crtcs) if bits >> index & 1)

    def set_crtc(self, crtc: int, buffer: Buffer, connector: int, mode: Mode) -> None:
        """Scan a buffer out to a connector."""
        connectors = array.array("I", [connector])
        self.call(
            0xA2, _CRTC, _at(connectors), 1, crtc, buffer.number, 0, 0, 0, 1, mode.raw
        )  # fmt: skip

    def stop_crtc(self, crtc: int) -> None:
        """Scan nothing out; the monitor loses its signal."""
        self.call(0xA2, _CRTC, 0, 0, crtc, 0, 0, 0, 0, 0, b"")

    def scanned_out(self, crtc: int) -> int:
        """The number of the framebuffer on a CRTC, 0 if it is off."""
        found = self.call(0xA1, _CRTC, 0, 0, crtc, 0, 0, 0, 0, 0, b"")
        return int(found[3]) if found[7] else 0

    def set_dpms(self, connector: Connector, state: int) -> None:
        """DPMS_ON or DPMS_OFF; OSError ENOTSUP if the driver cannot."""
        if connector.dpms_property is None:
            raise OSError(errno.ENOTSUP, "this driver has no DPMS")
        self.call(0xAB, _SET_PROPERTY, state, connector.dpms_property, connector.number)

    def has_vblank(self) -> bool:
        """True if the hardware tells when a picture has gone out, so that flips are synchronous."""
        try:
            self.call(0x3A, _VBLANK, _VBLANK_RELATIVE, 0, 0, 0)
        except OSError as error:
            return error.errno != errno.EOPNOTSUPP
        return True

    def flip(self, crtc: int, buffer: Buffer) -> None:
        """Show another buffer at the next blanking; `flips_done` tells of it."""
        self.call(0xB0, _FLIP, crtc, buffer.number, _FLIP_EVENT, 0, crtc)

    def flips_done(self) -> list[int]:
        """The CRTCs whose flips are done since the last call; never waits."""
        try:
            data = os.read(self._file, 4096)
        except BlockingIOError:
            return []
        done = []
        while len(data) >= _EVENT.size:
            kind, length = _EVENT.unpack_from(data)
            if kind == _FLIP_COMPLETE:
                done.append(struct.unpack_from("=Q", data, _EVENT.size)[0])
            data = data[max(length, _EVENT.size) :]
        return done

    def tell_dirty(self, buffer: Buffer, rects: Sequence[Rect]) -> None:
        """Bring changed rectangles to the screen; OSError ENOSYS where memory is scanned out."""
        for start in range(0, len(rects), _MAX_CLIPS):
            part = rects[start : start + _MAX_CLIPS]
            packed = b"".join(
                _CLIP.pack(r.x, r.y, r.x + r.width, r.y + r.height) for r in part
            )  # fmt: skip
            clips = array.array("B", packed)
            self.call(0xB1, _DIRTY, buffer.number, 0, 0, len(part), _at(clips))

    def call(self, number: int, layout: struct.Struct, *values: int | bytes) -> tuple[Any, ...]:
        """One of DRM's ioctls, which read and write one record."""
        record = bytearray(layout.pack(*values))
        fcntl.ioctl(self._file, 3 << 30 | layout.size << 16 | ord("d") << 8 | number, record)
        return layout.unpack(record)

    def _resources(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        crtcs, connectors = _numbers("I"), _numbers("I")
        counts = (0, _MAX_OBJECTS, _MAX_OBJECTS, 0)
        found = self.call(
            0xA0, _RESOURCES, 0, _at(crtcs), _at(connectors), 0, *counts, *[0] * 4
        )  # fmt: skip
        if max(found[5:7]) > _MAX_OBJECTS or 0 in found[5:7]:
            raise OSError(errno.EOPNOTSUPP, "drives no monitors")
        return tuple(crtcs[: found[5]]), tuple(connectors[: found[6]])

    def _property_name(self, number: int) -> str:
        found = self.call(0xAA, _PROPERTY, 0, 0, number, 0, b"", 0, 0)
        name: bytes = found[4]
        return name.rstrip(b"\0").decode("ascii", "replace")

    def _blob(self, number: int) -> bytes:
        length = self.call(0xAC, _BLOB, number, 0, 0)[1]
        data = array.array("B", bytes(length))
        self.call(0xAC, _BLOB, number, length, _at(data))
        return data.tobytes()


def _numbers(kind: str, count: int = _MAX_OBJECTS) -> "array.array[int]":
    return array.array(kind, [0] * count)


def _at(values: "array.array[int]") -> int:
    """The address of an array, which must outlive the call."""
    return values.buffer_info()[0]


def _mode(raw: bytes) -> Mode:
    clock, width, _, _, htotal, _, height, _, _, vtotal, _, hertz, flags, kind, _ = _MODE.unpack(
        raw
    )
    if not hertz and htotal and vtotal:
        hertz = round(clock * 1000 / (htotal * vtotal))
    progressive = not flags & (_MODE_INTERLACED | _MODE_DOUBLE_SCAN)
    return Mode(width, height, hertz, bool(kind & _MODE_PREFERRED), progressive, raw)
