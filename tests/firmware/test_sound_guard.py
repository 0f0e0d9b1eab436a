"""What a session may say to the terminal's sound server, frame by frame."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core.sound_guard import MAX_BLOCK_BYTES, MAX_COMMAND_BYTES, Command, SoundGuard
from roamwire.errors import RemoteProtocolError

LOAD_MODULE, EXIT, SET_DEFAULT_SINK, REGISTER_MEMFD = 51, 7, 44, 104
COOKIE = bytes(range(256))


def frame(channel, payload, flags=0):
    return struct.pack(">IIIII", len(payload), channel, 0, 0, flags) + payload


def command(number, rest=b"", tag=1):
    return frame(0xFFFFFFFF, struct.pack(">cIcI", b"L", number, b"L", tag) + rest)


def auth(version):
    return command(Command.AUTH, struct.pack(">cI", b"L", version) + b"x\0\0\1\0" + COOKIE)


def sound(samples=b"\1\2" * 500, seek=0):
    return frame(3, samples, seek)


def refused(data):
    with pytest.raises(RemoteProtocolError) as caught:
        SoundGuard().receive(data)
    return caught.value.reason


@pytest.mark.parametrize("number", sorted(Command))
def test_what_playing_and_recording_needs_passes(number):
    data = command(number, struct.pack(">cI", b"L", 35))
    assert SoundGuard().receive(data) == data


def test_sound_passes_with_every_seek_mode():
    data = b"".join(sound(seek=seek) for seek in range(4)) + sound(b"")
    assert SoundGuard().receive(data) == data


@pytest.mark.parametrize("number", sorted(set(range(120)) - set(Command)))
def test_no_other_command_passes(number):
    assert refused(command(number)) == "command"


@pytest.mark.parametrize("number", [LOAD_MODULE, EXIT, SET_DEFAULT_SINK, REGISTER_MEMFD])
def test_nothing_of_a_forbidden_frame_passes(number):
    guard = SoundGuard()
    assert guard.receive(sound()) == sound()
    with pytest.raises(RemoteProtocolError):
        guard.receive(command(number))


def test_shared_memory_is_not_agreed_on():
    asked = 0x80000000 | 0x40000000 | 35
    assert SoundGuard().receive(auth(asked)) == auth(35)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(0, bytes(20), flags=0x80000000), "memory"),
        (frame(0, bytes(20), flags=4), "memory"),
        (frame(0xFFFFFFFF, bytes(20), flags=0x40000000), "memory"),
        (frame(0xFFFFFFFF, b""), "oversize"),
        (frame(0xFFFFFFFF, b"L\0\0\0\x08L\0\0\0"), "oversize"),
        (command(Command.AUTH), "oversize"),
        (struct.pack(">IIIII", MAX_COMMAND_BYTES + 1, 0xFFFFFFFF, 0, 0, 0), "oversize"),
        (struct.pack(">IIIII", MAX_BLOCK_BYTES + 1, 0, 0, 0, 0), "oversize"),
        (struct.pack(">IIIII", 0xFFFFFFFF, 0, 0, 0, 0), "oversize"),
        (frame(0xFFFFFFFF, struct.pack(">cIcI", b"B", 8, b"L", 1)), "syntax"),
        (frame(0xFFFFFFFF, struct.pack(">cIcI", b"L", 8, b"t", 1)), "syntax"),
        (frame(0xFFFFFFFF, struct.pack(">cIcIcI", b"L", 8, b"L", 1, b"t", 35)), "syntax"),
    ],
)
def test_what_is_not_the_protocol_is_refused(data, reason):
    assert refused(data) == reason


def test_the_largest_frames_pass():
    rest = bytes(MAX_COMMAND_BYTES - 10)
    data = command(Command.SET_CLIENT_NAME, rest) + frame(0, bytes(MAX_BLOCK_BYTES))
    assert SoundGuard().receive(data) == data


TALK = (
    auth(35) + command(Command.CREATE_PLAYBACK_STREAM, b"x" * 80) + sound() + sound(b"") + sound()
)


@given(st.lists(st.integers(0, len(TALK)), max_size=20))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts):
    guard = SoundGuard()
    places = [0, *sorted(cuts), len(TALK)]
    pieces = [TALK[a:b] for a, b in itertools.pairwise(places)]
    assert b"".join(map(guard.receive, pieces)) == TALK


@given(st.binary(max_size=400), st.lists(st.integers(1, 30), max_size=20))
def test_any_bytes_pass_whole_frames_or_are_refused(data, sizes):
    guard = SoundGuard()
    passed = b""
    try:
        for size in sizes:
            passed += guard.receive(data[:size])
            data = data[size:]
    except RemoteProtocolError:
        return
    assert len(passed) <= sum(sizes)
