"""What a session may say to the terminal's sound server: play and record, nothing else. No I/O.

PulseAudio's native protocol would let a client load modules and open the microphone to the network
for ever. So its frames are read here (pulsecore/pstream.c, native-common.h): five numbers of 32
bits - length, channel, offset (two), flags - and the payload; on channel 0xffffffff that is a
command, on others it is sound.
"""

import enum
import struct

from roamwire.errors import RemoteProtocolError

MAX_COMMAND_BYTES = 64 * 1024
"""The longest command carries a stream's property list, of some hundred bytes."""

MAX_BLOCK_BYTES = 256 * 1024
"""Sound in one frame; PulseAudio's own blocks have 64 KiB."""

_FRAME = struct.Struct(">IIIII")
_NUMBER = struct.Struct(">cI")
_COMMAND_CHANNEL = 0xFFFFFFFF
_SEEK_MODES = 4
_VERSION_BITS = 0xFFFF


class Command(enum.IntEnum):
    """The commands that pass; their numbers are those of pulsecore/native-common.h."""

    CREATE_PLAYBACK_STREAM = 3
    DELETE_PLAYBACK_STREAM = 4
    CREATE_RECORD_STREAM = 5
    DELETE_RECORD_STREAM = 6
    AUTH = 8
    SET_CLIENT_NAME = 9
    DRAIN_PLAYBACK_STREAM = 12
    GET_PLAYBACK_LATENCY = 14
    GET_SERVER_INFO = 20
    GET_SINK_INFO = 21
    GET_SOURCE_INFO = 23
    GET_SINK_INPUT_INFO = 29
    GET_SOURCE_OUTPUT_INFO = 31
    SUBSCRIBE = 35
    CORK_PLAYBACK_STREAM = 41
    FLUSH_PLAYBACK_STREAM = 42
    TRIGGER_PLAYBACK_STREAM = 43
    SET_PLAYBACK_STREAM_NAME = 46
    SET_RECORD_STREAM_NAME = 47
    GET_RECORD_LATENCY = 57
    CORK_RECORD_STREAM = 58
    FLUSH_RECORD_STREAM = 59
    PREBUF_PLAYBACK_STREAM = 60
    SET_PLAYBACK_STREAM_BUFFER_ATTR = 72
    SET_RECORD_STREAM_BUFFER_ATTR = 73
    UPDATE_PLAYBACK_STREAM_SAMPLE_RATE = 74
    UPDATE_RECORD_STREAM_SAMPLE_RATE = 75
    UPDATE_RECORD_STREAM_PROPLIST = 80
    UPDATE_PLAYBACK_STREAM_PROPLIST = 81
    UPDATE_CLIENT_PROPLIST = 82
    REMOVE_RECORD_STREAM_PROPLIST = 83
    REMOVE_PLAYBACK_STREAM_PROPLIST = 84
    REMOVE_CLIENT_PROPLIST = 85


_ALLOWED = frozenset(Command)


class SoundGuard:
    """One connection's way from session to sound server, as bytes that arrive in any pieces."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._passing = 0

    def receive(self, data: bytes) -> bytes:
        """The bytes that may go on to the sound server; RemoteProtocolError ends the connection."""
        passed = bytearray()
        view = memoryview(data)
        while view:
            if not self._passing:
                view = self._take_head(view, passed)
            taken = min(self._passing, len(view))
            passed += view[:taken]
            self._passing -= taken
            view = view[taken:]
        return bytes(passed)

    def _take_head(self, view: memoryview, passed: bytearray) -> memoryview:
        """Collects a frame's head; when it is whole and good it passes, and its rest may follow."""
        needed = self._needed()
        while len(self._head) < needed and view:
            taken = needed - len(self._head)
            self._head += view[:taken]
            view = view[taken:]
            if len(self._head) == needed:
                needed = self._needed()
        if len(self._head) == needed:
            passed += self._head
            length = _FRAME.unpack_from(self._head)[0]
            self._passing = length - (needed - _FRAME.size)
            self._head.clear()
        return view

    def _needed(self) -> int:
        """How long the head is, as far as it is known; raises for what must not pass."""
        head = self._head
        if len(head) < _FRAME.size:
            return _FRAME.size
        length, channel, _, _, flags = _FRAME.unpack_from(head)
        if channel != _COMMAND_CHANNEL:
            if flags >= _SEEK_MODES:
                raise RemoteProtocolError("memory", f"sound in shared memory (flags {flags:#x})")
            if length > MAX_BLOCK_BYTES:
                raise RemoteProtocolError("oversize", f"a block of {length} bytes")
            return _FRAME.size
        if flags:
            raise RemoteProtocolError("memory", f"shared memory (flags {flags:#x})")
        start = _FRAME.size + 2 * _NUMBER.size
        if not 2 * _NUMBER.size <= length <= MAX_COMMAND_BYTES:
            raise RemoteProtocolError("oversize", f"a command of {length} bytes")
        if len(head) < start:
            return start
        command = self._number(_FRAME.size)
        self._number(_FRAME.size + _NUMBER.size)
        if command not in _ALLOWED:
            raise RemoteProtocolError("command", f"command {command} is not for sessions")
        if command != Command.AUTH:
            return start
        if length < 3 * _NUMBER.size:
            raise RemoteProtocolError("oversize", "a greeting without version")
        if len(head) < start + _NUMBER.size:
            return start + _NUMBER.size
        # Beside its version a client says that it can share memory, which no network can.
        version = self._number(start) & _VERSION_BITS
        _NUMBER.pack_into(head, start, b"L", version)
        return start + _NUMBER.size

    def _number(self, place: int) -> int:
        mark, number = _NUMBER.unpack_from(self._head, place)
        if mark != b"L":
            raise RemoteProtocolError("syntax", f"{mark!r} where a number must be")
        return int(number)
