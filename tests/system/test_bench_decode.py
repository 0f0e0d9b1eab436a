"""The decoding bench is fair: both viewers show what was recorded. What it measures is not here."""

import os
import socket
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from dtu.app.session_view import Painted, SessionView
from dtu.core.rfb import Rect, RfbClient
from dtu.drivers.display.pygame_screen import open_screen
from roamtools.bench import decode
from roamtools.bench.decode_record import HEIGHT, WIDTH, record, start_x, stop
from roamtools.bench.decode_replay import Replay

pytestmark = pytest.mark.system

FRAMES = 6


@pytest.fixture(scope="module")
def recording():
    return record("web", FRAMES)


def last_frame(recording):
    client = RfbClient()
    client.receive_data(b"RFB 003.008\n\x01\x01" + bytes(4) + recording.head)
    for frame in recording.frames:
        client.receive_data(frame)
        while client.next_event() is not None:
            pass
    assert client.painted
    return client.framebuffer[:, :, :3].astype(int)


def picture_of(rfb):
    """What a display shows, by its own RFB server, without loss."""
    client = RfbClient(quality=None)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(rfb))
        server.settimeout(20)
        while not client.painted:
            client.receive_data(server.recv(1 << 20))
            server.sendall(client.data_to_send())
    return client.framebuffer[:, :, :3].astype(int)


def test_a_recording_has_the_frames_that_were_asked_for(recording):
    assert (recording.width, recording.height) == (WIDTH, HEIGHT)
    assert len(recording.frames) >= FRAMES
    assert recording.size > FRAMES * 100_000
    assert len(np.unique(last_frame(recording).reshape(-1, 3), axis=0)) > 10_000


def test_vncviewer_draws_all_of_the_recording(recording, tmp_path):
    rfb = tmp_path / "rfb.sock"
    children = []
    replay = Replay()
    try:
        display = start_x(tmp_path, children, 2048, 1280, "-rfbunixpath", str(rfb))
        env = {**os.environ, "DISPLAY": display, "HOME": str(tmp_path)}
        children.append(subprocess.Popen(decode.vncviewer(replay.port), env=env))
        replay.play(recording, lambda: None)
        time.sleep(1.0)  # it draws after it has answered the last fence
        shown = picture_of(rfb)
    finally:
        stop(children)
        replay.close()
    wanted = last_frame(recording)
    # Its JPEG decoder is the slow, exact one, ours the fast one: the same picture within a little.
    best = min(
        np.abs(shown[y : y + HEIGHT : 31, x : x + WIDTH : 31] - wanted[::31, ::31]).mean()
        for y in range(shown.shape[0] - HEIGHT)
        for x in range(shown.shape[1] - WIDTH)
    )
    assert best < 1


def test_our_side_composes_each_frame(recording, tmp_path):
    screen = open_screen("headless", WIDTH, HEIGHT)
    painted = []
    view = SessionView("bench", screen, (Rect(0, 0, WIDTH, HEIGHT),), painted.append)
    view.receive(b"RFB 003.008\n\x01\x01" + bytes(4) + recording.head, 0)
    for number, frame in enumerate(recording.frames):
        view.receive(frame, number)
        view.paint(number)
        while view.unfinished:
            view.go_on()
            view.paint(number)
    screen.snapshot(tmp_path / "seen.png")
    screen.close()
    with Image.open(tmp_path / "seen.png") as image:
        seen = np.asarray(image.convert("RGB"))[:, :, ::-1].astype(int)
    wanted = last_frame(recording)
    assert (seen == wanted).all(axis=2).mean() > 0.99
    # Of a frame and the small updates before it, those that came in one turn are painted at once.
    assert sum(isinstance(each, Painted) for each in painted) >= len(recording.frames)


def test_a_comparison_counts_both(recording, tmp_path):
    children = []
    try:
        display = start_x(tmp_path, children, 2048, 1280)
        row = decode.compare(recording, 1, tmp_path, display)
    finally:
        stop(children)
    assert row["frames"] == len(recording.frames) - 1
    assert 1 < row["fps"] < 10_000
    assert 1 < row["vncviewer_fps"] < 10_000
    assert row["ratio_to_vncviewer"] == pytest.approx(row["fps"] / row["vncviewer_fps"], rel=0.05)
