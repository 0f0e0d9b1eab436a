"""Sound of a session at a desk whose sound server is PipeWire; the session's is PulseAudio."""

import os
import time

import pytest
from server_box import wait_for
from sound_desk import assert_tone, sit_down

from roamtools.lab.lab import Lab
from roamtools.lab.pipewire import MICROPHONE_HZ
from roamtools.lab.sound import at_desk, in_session, tone_file
from roamtools.lab.tone import SILENCE

pytestmark = pytest.mark.system

PLAYED_HZ = 880.0  # another tone than the microphone's
AT_ONCE_S = 0.5
OFF_S = 30.0
"""The session's server lets its tunnel go after 5 s, the desk's its microphone after 5 more."""


@pytest.fixture(scope="module")
def lab():
    with Lab(f"pipewire-{os.getpid()}") as made:
        made.up(1, 1, tied=True, desk_settings={"sound": "pulse"}, pipewire=True)
        yield made


@pytest.fixture
def session(lab):
    yield sit_down(lab, "desk1", "A", "alice")
    if lab.card("desk1") is not None:
        lab.remove("desk1")


@pytest.fixture
def desk(lab):
    return at_desk(lab, "desk1")


@pytest.fixture
def playing(lab, session):
    """A program in the session plays a tone."""
    tone = tone_file(lab, "alice", PLAYED_HZ, 60.0)
    with session.running(*session.player(tone)):
        wait_for(lambda: session.listed("sink-inputs"), what="the program plays")
        yield


def state(place, source):
    (found,) = [each for each in place.listed("sources") if each["name"] == source]
    return found["state"]


def assert_nothing_refused(lab):
    assert "is not for sessions" not in lab.logs("desk1", "dtu")
    assert "shared memory" not in lab.logs("desk1", "dtu")


def test_the_desks_server_is_pipewire(desk):
    assert "on PipeWire" in desk.pactl("info")


def test_what_a_session_plays_is_heard_at_its_desk(lab, desk, playing):
    assert_tone(desk, "loudspeaker.monitor", PLAYED_HZ, 4)
    assert_nothing_refused(lab)


def test_what_is_said_at_the_desk_is_heard_in_its_session(lab, session):
    assert_tone(session, "microphone", MICROPHONE_HZ, 4)
    assert_nothing_refused(lab)


def test_both_directions_at_once(desk, session, playing):
    assert_tone(session, "microphone", MICROPHONE_HZ, 2)
    with session.running(*session.recorder("microphone")):
        assert_tone(desk, "loudspeaker.monitor", PLAYED_HZ, 2)


def test_the_microphone_is_off_while_nobody_listens(desk, session):
    def off():
        return state(desk, "microphone") == "SUSPENDED"

    wait_for(off, OFF_S, what="the microphone is off")
    with session.running(*session.recorder("microphone")):
        wait_for(lambda: state(desk, "microphone") == "RUNNING", what="the microphone is on")
    wait_for(off, OFF_S, what="the microphone is off again")


def test_card_out_ends_sound_and_microphone_at_once(lab, desk, session, playing):
    with session.running(*session.recorder("microphone")):
        wait_for(lambda: desk.listed("source-outputs"), what="the session listens")
        assert desk.listed("sink-inputs")
        with lab.trace("desk1") as trace:
            lab.remove("desk1")
            trace.wait("blank", 5)
        blank = time.monotonic()
        while desk.listed("sink-inputs") or desk.listed("source-outputs"):
            assert time.monotonic() - blank < AT_ONCE_S
        assert desk.record("loudspeaker.monitor", 1) == SILENCE


def test_a_dead_sound_server_of_a_desk_is_found_again(lab, desk, session, playing):
    lab.stop_process("desk1", "sound", hard=True)
    wait_for(lambda: lab.desk_state("desk1")["sound"] == 0, what="the channels are closed")
    lab.start_process("desk1", "sound")
    in_session(lab, "desk1", "alice")
    assert_tone(desk, "loudspeaker.monitor", PLAYED_HZ, 2)
