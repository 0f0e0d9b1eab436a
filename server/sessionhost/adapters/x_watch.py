"""Tells when a window manager manages an X screen. Speaks just enough X11; draws nothing.

Windows that are there before the window manager miss its placement rules, so programs that start
faster than it have to wait. It announces itself by a property of the root window (EWMH,
_NET_SUPPORTING_WM_CHECK); we ask to be told, so that no time is lost by polling.
"""

import socket
import struct

_COOKIE_NAME = b"MIT-MAGIC-COOKIE-1"
_PROPERTY = b"_NET_SUPPORTING_WM_CHECK"
_CHANGE_WINDOW_ATTRIBUTES = 2
_INTERN_ATOM = 16
_GET_PROPERTY = 20
_EVENT_MASK_BIT = 0x0800
_PROPERTY_CHANGE_MASK = 0x400000
_PROPERTY_NOTIFY = 28
_ANY_TYPE = 0

MAX_SETUP_BYTES = 64 * 1024
"""The setup reply lists formats and depths; Xtigervnc's has about 1 KiB."""


class XWatch:
    """One connection to an X server; readable when there is news."""

    def __init__(self, display: str, authority: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(1.0)  # for the first four messages, from a server that is up
        try:
            self._socket.connect(f"/tmp/.X11-unix/X{display}")
            root = self._set_up(authority)
            self._atom = self._intern()
            self._send(_CHANGE_WINDOW_ATTRIBUTES, root, _EVENT_MASK_BIT, _PROPERTY_CHANGE_MASK)
            # Asked after the mask is set: the property cannot come unseen in between.
            self._send(_GET_PROPERTY, root, self._atom, _ANY_TYPE, 0, 1)
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            raise
        self._buffer = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def managed(self) -> bool:
        """Takes in what has come; True when there is a window manager. OSError if X is gone."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return False
        if not data:
            raise OSError("the X server closed the connection")
        self._buffer += data
        while len(self._buffer) >= 32:
            kind, body, value = self._buffer[0] & 0x7F, 0, 0
            if kind == 1:  # the reply to GetProperty: bytes after the header, type of the value
                body, value = struct.unpack_from("=II", self._buffer, 4)
            elif kind == _PROPERTY_NOTIFY:
                value = struct.unpack_from("=I", self._buffer, 8)[0] == self._atom
            if value:
                return True
            self._buffer = self._buffer[32 + 4 * body :]
        return False

    def _set_up(self, authority: bytes) -> int:
        """Connection setup (X11 protocol, section 8); returns the root window."""
        order = b"l" if struct.pack("=H", 1) == b"\1\0" else b"B"
        cookie = authority[-16:]
        head = struct.pack("=cxHHHHxx", order, 11, 0, len(_COOKIE_NAME), len(cookie))
        self._socket.sendall(head + _padded(_COOKIE_NAME) + cookie)
        status, words = struct.unpack("=B5xH", self._receive(8))
        reply = self._receive(min(words * 4, MAX_SETUP_BYTES))
        if status != 1:
            raise OSError("the X server refused the connection")
        vendor_bytes, formats = struct.unpack_from("=H", reply, 16)[0], reply[21]
        offset = 32 + len(_padded(bytes(vendor_bytes))) + 8 * formats
        return int(struct.unpack_from("=I", reply, offset)[0])

    def _intern(self) -> int:
        name = _padded(_PROPERTY)
        head = struct.pack("=BxHHxx", _INTERN_ATOM, 2 + len(name) // 4, len(_PROPERTY))
        self._socket.sendall(head + name)
        return int(struct.unpack_from("=I", self._receive(32), 8)[0])

    def _send(self, code: int, *words: int) -> None:
        self._socket.sendall(struct.pack(f"=BxH{len(words)}I", code, 1 + len(words), *words))

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise OSError("the X server closed the connection")
            data += part
        return data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
