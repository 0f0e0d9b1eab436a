"""Plays a monitor that comes, goes or changes its size: VNC's SetDesktopSize to QEMU. No pixels.

QEMU tells a virtio-gpu that the window of an output has this size now, and the guest's kernel sees
a hotplug with another preferred mode; size 0x0 is an output with nothing connected.
"""

import socket
import struct
from pathlib import Path

_ANSWER_S = 30.0
_EXTENDED_DESKTOP_SIZE = -308
_NO_SECURITY = 1


class MonitorError(Exception):
    """QEMU's VNC server did not take the size."""


def set_monitor_size(path: Path, width: int, height: int) -> None:
    """Tell QEMU's output behind the VNC socket at `path` its size in pixels."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(_ANSWER_S)
        stream.connect(str(path))
        _shake_hands(stream)
        stream.sendall(struct.pack(">BxHi", 2, 1, _EXTENDED_DESKTOP_SIZE))
        screen = struct.pack(">IHHHHI", 0, 0, 0, width, height, 0)
        stream.sendall(struct.pack(">BxHHBx", 251, width, height, 1) + screen)
        # QEMU reads in order: when it answers what follows, it has taken the size.
        stream.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))
        _exactly(stream, 4)


def _shake_hands(stream: socket.socket) -> None:
    _exactly(stream, 12)
    stream.sendall(b"RFB 003.008\n")
    kinds = _exactly(stream, _exactly(stream, 1)[0])
    if _NO_SECURITY not in kinds:
        raise MonitorError(f"QEMU's VNC server wants a password: {kinds!r}")
    stream.sendall(bytes([_NO_SECURITY]))
    if _exactly(stream, 4) != bytes(4):
        raise MonitorError("QEMU's VNC server refused us")
    stream.sendall(b"\x01")
    name_length = struct.unpack(">20xI", _exactly(stream, 24))[0]
    _exactly(stream, name_length)


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise MonitorError("QEMU's VNC server hung up")
        data += more
    return data
