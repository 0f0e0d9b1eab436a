"""A server that plays a recording to one viewer, frame by frame. Measuring is not here.

After each frame stands a fence; the next frame is sent when the viewer has answered it. So every
viewer gets, decodes and draws each frame by itself, as fast as it can. With frames sent ahead it
never waits for one.
"""

import socket
import struct
from collections.abc import Callable

from roamtools.bench.decode_record import Recording
from roamtools.lab.rpc import Refusal

PATIENCE_S = 30.0
_FENCE = 248
_FENCE_REQUEST = 1 << 31

_FIXED = {0: 20, 3: 10, 4: 8, 5: 6, 150: 10, 255: 12}
"""Lengths of a viewer's messages by type; 2, 6, 248 and 251 say theirs themselves."""


class Replay:
    """One listening socket and the one viewer that comes to it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_S)
        self._input = bytearray()

    @property
    def port(self) -> int:
        """Where the viewer must connect to on the loopback interface."""
        return int(self._listener.getsockname()[1])

    def play(self, recording: Recording, warm: Callable[[], None], ahead: int = 1) -> None:
        """Serve one viewer; `warm` is called when it has drawn the first frame, then the rest.

        At most `ahead` frames are on their way without an answer.
        """
        self._viewer, _ = self._listener.accept()
        self._viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._viewer.settimeout(PATIENCE_S)
        self._send(b"RFB 003.008\n")
        self._take(12)
        self._send(b"\x01\x01")
        self._take(1)
        self._send(bytes(4))
        self._take(1)
        self._send(recording.head)
        self._send_frame(0, recording.frames[0])
        self._await_frame(0)
        warm()
        last = len(recording.frames) - 1
        for number in range(1, last + ahead):
            if number <= last:
                self._send_frame(number, recording.frames[number])
            if number >= ahead:
                self._await_frame(number + 1 - ahead)

    def close(self) -> None:
        """Drop the viewer."""
        self._viewer.close()
        self._listener.close()

    def _send_frame(self, number: int, frame: bytes) -> None:
        payload = struct.pack(">QI", 0, number)
        self._send(frame + struct.pack(">B3xIB", _FENCE, _FENCE_REQUEST, 12) + payload)

    def _await_frame(self, number: int) -> None:
        while self._next_fence() != struct.pack(">QI", 0, number):
            pass

    def _next_fence(self) -> bytes:
        """Read on until the viewer answers a fence; its other messages have been answered."""
        while True:
            kind = self._take(1)[0]
            if kind == _FENCE:
                return self._take(self._take(8)[7])
            if kind == 2:
                self._take(struct.unpack(">xH", self._take(3))[0] * 4)
            elif kind == 6:
                self._take(abs(struct.unpack(">3xi", self._take(7))[0]))
            elif kind == 251:
                self._take(self._take(7)[5] * 16)
            elif kind in _FIXED:
                self._take(_FIXED[kind] - 1)
            else:
                raise Refusal(f"the viewer sent a message of type {kind}")

    def _send(self, data: bytes) -> None:
        try:
            self._viewer.sendall(data)
        except OSError as error:
            raise Refusal(f"the viewer went away: {error}") from None

    def _take(self, size: int) -> bytes:
        while len(self._input) < size:
            try:
                piece = self._viewer.recv(65536)
            except OSError as error:
                raise Refusal(f"the viewer does not answer: {error}") from None
            if not piece:
                raise Refusal("the viewer went away")
            self._input += piece
        data = bytes(self._input[:size])
        del self._input[:size]
        return data
