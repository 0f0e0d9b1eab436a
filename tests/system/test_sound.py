"""Sound of sessions at desks: real PulseAudio at both ends, a tone played and recorded."""

import contextlib
import os
import subprocess
import time

import pytest
from server_box import wait_for
from sound_desk import assert_tone, sit_down

from roamtools.lab.daemons import MICROPHONE_HZ
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal
from roamtools.lab.sound import at_desk, in_session, tone_file
from roamtools.lab.tone import SILENCE

pytestmark = pytest.mark.system

AT_ONCE_S = 0.5


@pytest.fixture(scope="module")
def lab():
    with Lab(f"sound-{os.getpid()}") as made:
        made.up(2, 2, tied=True, desk_settings={"sound": "pulse"})
        yield made


@pytest.fixture
def playing(lab):
    """Starts programs that play in a session; ends them."""
    with contextlib.ExitStack() as programs:

        def play(place, user, hz=440.0, seconds=60.0):
            tone = tone_file(lab, user, hz, seconds)
            programs.enter_context(place.running(*place.player(tone)))
            wait_for(lambda: place.listed("sink-inputs"), what="the program plays")

        yield play
    for desk in lab.desks():
        lab.remove(desk)
        wait_for(lambda at=desk: not clients(lab, at), what=f"{desk} is silent")


def clients(lab, desk):
    """Who uses a desk's sound server, but for us who ask."""
    listed = at_desk(lab, desk).pactl("list", "short", "clients")
    return [line for line in listed.splitlines() if not line.endswith("pactl")]


def test_what_a_session_plays_is_heard_at_its_desk(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    playing(session, "alice")
    assert_tone(at_desk(lab, "desk1"), "loudspeaker.monitor", 440, 4)


def test_what_is_said_at_the_desk_is_heard_in_its_session(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    assert_tone(session, "microphone", MICROPHONE_HZ, 4)


def test_the_microphone_is_off_while_nobody_listens(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    desk = at_desk(lab, "desk1")

    def state():
        (source,) = [s for s in desk.listed("sources") if s["name"] == "microphone"]
        return source["state"]

    wait_for(lambda: state() == "SUSPENDED", what="the microphone is off")
    with session.running(*session.recorder("microphone")):
        wait_for(lambda: state() == "RUNNING", what="the microphone is on")
    wait_for(lambda: state() == "SUSPENDED", what="the microphone is off again")


def test_card_out_ends_sound_and_microphone_at_once(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    playing(session, "alice")
    with session.running(*session.recorder("microphone")):
        desk = at_desk(lab, "desk1")
        wait_for(lambda: desk.listed("source-outputs"), what="the session listens")
        with lab.trace("desk1") as trace:
            lab.remove("desk1")
            trace.wait("blank", 5)
        blank = time.monotonic()
        while clients(lab, "desk1"):
            assert time.monotonic() - blank < AT_ONCE_S
        assert desk.listed("source-outputs") == []
        assert desk.record("loudspeaker.monitor", 1) == SILENCE


def test_the_same_stream_goes_on_at_the_next_desk(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    playing(session, "alice")
    before = session.listed("sink-inputs")[0]["index"]
    assert_tone(at_desk(lab, "desk1"), "loudspeaker.monitor", 440, 1)
    lab.remove("desk1")
    wait_for(lambda: not clients(lab, "desk1"), what="desk1 is silent")
    assert session.listed("sink-inputs")[0]["index"] == before  # it plays on, for nobody
    session = sit_down(lab, "desk2", "A", "alice")
    assert session.listed("sink-inputs")[0]["index"] == before
    assert_tone(at_desk(lab, "desk2"), "loudspeaker.monitor", 440, 3)
    assert at_desk(lab, "desk1").record("loudspeaker.monitor", 1) == SILENCE
    assert clients(lab, "desk1") == []


def test_a_taken_over_session_is_heard_at_one_desk_only(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    playing(session, "alice")
    sit_down(lab, "desk2", "A", "alice")  # the card has a twin: the first is not taken out
    wait_for(lambda: not clients(lab, "desk1"), what="desk1 is silent")
    assert_tone(at_desk(lab, "desk2"), "loudspeaker.monitor", 440, 2)


def test_nobody_hears_another_session(lab, playing):
    alice = sit_down(lab, "desk1", "A", "alice")
    bob = sit_down(lab, "desk2", "B", "bob")
    playing(alice, "alice", 440)
    playing(bob, "bob", 880)
    assert_tone(at_desk(lab, "desk1"), "loudspeaker.monitor", 440, 2)
    assert_tone(at_desk(lab, "desk2"), "loudspeaker.monitor", 880, 2)


def test_a_dead_sound_server_of_a_desk_is_found_again(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    playing(session, "alice")
    stream = session.listed("sink-inputs")[0]["index"]
    lab.stop_process("desk1", "sound", hard=True)
    wait_for(lambda: lab.desk_state("desk1")["sound"] == 0, what="the channels are closed")
    assert lab.desk_state("desk1")["session"]  # the picture does not care
    lab.start_process("desk1", "sound")
    session = in_session(lab, "desk1", "alice")
    assert session.listed("sink-inputs")[0]["index"] == stream
    assert_tone(at_desk(lab, "desk1"), "loudspeaker.monitor", 440, 2)


def test_a_dead_sound_server_of_a_session_is_started_again(lab, playing):
    sit_down(lab, "desk1", "A", "alice")
    server = lab.desk_state("desk1")["server"]
    pid = lab.run(server, ["pgrep", "-u", "alice", "-x", "pulseaudio"]).stdout.split()[0]
    lab.run(server, ["kill", "-9", pid])
    wait_for(lambda: lab.desk_state("desk1")["sound"] == 0, what="the channels are closed")
    session = in_session(lab, "desk1", "alice")
    assert_tone(session, "microphone", MICROPHONE_HZ, 2)


def test_a_session_can_play_and_record_but_not_more(lab, playing):
    session = sit_down(lab, "desk1", "A", "alice")
    server, name = (lab.desk_state("desk1")[key] for key in ("server", "session"))
    desk = at_desk(lab, "desk1")
    direct = session.command(
        "pactl", f"--server=unix:/run/roamdesk/sessions/{name}/sound/socket",
        "load-module", "module-native-protocol-tcp", "auth-anonymous=1",
    )  # fmt: skip
    # One of its own two connections has to give way for it.
    pid = lab.run(server, ["pgrep", "-u", "alice", "-x", "pulseaudio"]).stdout.split()[0]
    lab.run(server, ["kill", "-STOP", pid])
    try:
        lab.stop_process("desk1", "sound", hard=True)
        lab.start_process("desk1", "sound")
        wait_for(desk.answers, what="the desk's sound server")
        modules = desk.listed("modules")

        def refused():  # again, until one of the two has given way
            done = subprocess.run(direct, capture_output=True, text=True, timeout=20, check=False)
            assert done.returncode != 0
            return "command 51 is not for sessions" in lab.logs("desk1", "dtu")

        wait_for(refused, what="the terminal says which command it refused")
        assert desk.listed("modules") == modules
    finally:
        lab.run(server, ["kill", "-CONT", pid])
    in_session(lab, "desk1", "alice")


def test_another_user_of_the_server_gets_no_sound(lab, playing):
    sit_down(lab, "desk1", "A", "alice")
    server, name = (lab.desk_state("desk1")[key] for key in ("server", "session"))
    socket = f"/run/roamdesk/sessions/{name}/sound/socket"
    done = lab.run(server, ["pactl", f"--server=unix:{socket}", "info"], user="bob")
    assert done.returncode != 0
    assert "asked for its sound" in lab.logs(server, "displayd")


def test_a_session_without_a_sound_server_works(lab, playing):
    """Nor does one whose sound server is not installed stay unpainted."""
    for server in lab.servers():
        assert lab.run(server, ["mount", "--bind", "/dev/null", "/usr/bin/pulseaudio"]).stderr == ""
    try:
        with lab.trace("desk2") as trace:
            lab.insert("desk2", "C")
            trace.wait("first_frame", 20)
        state = lab.desk_state("desk2")
        log = f"/run/roamdesk/sessions/{state['session']}/log"
        wait_for(
            lambda: "service sound" in lab.run(state["server"], ["cat", log]).stdout,
            what="its sound server failed",
        )
        lab.type("desk2", "no sound<ctrl-s>")
        notes = lab.directory / "home" / "carol" / "notes.txt"
        wait_for(lambda: notes.exists() and "no sound" in notes.read_text(), what="saved")
        assert lab.desk_state("desk2")["sound"] == 0
    finally:
        for server in lab.servers():
            lab.run(server, ["umount", "/usr/bin/pulseaudio"])


def test_sound_comes_with_the_new_session_after_a_servers_death(lab, playing):
    sit_down(lab, "desk1", "A", "alice")
    dead = lab.desk_state("desk1")["server"]
    with lab.trace("desk1") as trace:
        lab.kill(dead)
        trace.wait("first_frame", 20)
    session = in_session(lab, "desk1", "alice")
    assert lab.desk_state("desk1")["server"] != dead
    playing(session, "alice")
    assert_tone(at_desk(lab, "desk1"), "loudspeaker.monitor", 440, 2)
    with pytest.raises(Refusal):
        lab.run(dead, ["true"])
