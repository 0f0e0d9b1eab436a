"""The console's monitors on a fake card: self-check, hotplug, sleep, what the kernel refuses."""

import asyncio
import logging

import numpy as np
import pytest

from dtu.core.rfb import Rect
from dtu.drivers.display import kms, kms_head
from dtu.drivers.display.base import ScreenError
from dtu.drivers.display.sdl import pygame
from dtu.drivers.udev import DeviceEvent
from fakes.drm import FakeBuffer, FakeCard, mode

LARGE, SMALL = mode(720, 480), mode(640, 400)
RED, GREEN = 0xFA0A14, 0x0AF01E


class FakeWatch:
    """udev by hand: `happen` tells of the graphics card at the next read."""

    def __init__(self, subsystem, on_event):
        self._on_event = on_event
        self.happened = 0

    def start(self):
        self._on_event(DeviceEvent("add", "/dev/dri/card7", "/sys/card7"))

    def read(self):
        for _ in range(self.happened):
            self._on_event(DeviceEvent("change", "/dev/dri/card7", "/sys/card7"))
        self.happened = 0

    def fileno(self):
        return 98


class FakeLoop:
    """Readers and timers of an event loop, called by hand."""

    def __init__(self, monkeypatch):
        self.readers, self.timers = {}, []
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def add_reader(self, descriptor, call):
        self.readers[descriptor] = call

    def remove_reader(self, descriptor):
        return self.readers.pop(descriptor, None) is not None

    def call_later(self, delay, call):
        self.timers.append(call)
        return self

    def cancel(self):
        self.timers.clear()


@pytest.fixture
def console(monkeypatch):
    """Makes a console on a fake card; closed at the end, with all its buffers."""
    made = []

    def make(*modes, size=(800, 600), **card):
        card = FakeCard(*modes, **card)
        monkeypatch.setattr(kms, "_open_card", lambda _: card)
        monkeypatch.setattr(kms, "UdevWatch", FakeWatch)
        monkeypatch.setattr(kms_head, "Buffer", FakeBuffer)
        output = kms.KmsOutput(size, "")
        made.append((output, card))
        return output, card

    yield make
    for output, card in made:
        output.close()
        assert card.closed
        assert not card.buffers


def fill(output, colour):
    output.surface.fill(colour)
    output.present([Rect(0, 0, *output.surface.get_size())])


def shows(card, crtc, colour):
    card.blanking()
    return bool((card.see(crtc) == colour).all())


def settle(output, card):
    for _ in range(3):
        card.blanking()
        output.pump()


def plug(output, card, number, *modes):
    card.plugged[number] = modes
    output._watch.happened = 3
    output.pump()


@pytest.mark.parametrize("copies", [True, False])
def test_a_kernel_that_shows_something_else_is_an_error_in_words(monkeypatch, copies):
    card = FakeCard((LARGE,), copies=copies)
    card.refuse.add("show")
    monkeypatch.setattr(kms, "_open_card", lambda _: card)
    monkeypatch.setattr(kms, "UdevWatch", FakeWatch)
    monkeypatch.setattr(kms_head, "Buffer", FakeBuffer)
    with pytest.raises(ScreenError, match=r"card7 stays black.*framebuffer 0"):
        kms.KmsOutput((800, 600), "")
    assert card.closed
    assert not card.buffers


def test_two_monitors_each_show_their_part(console):
    output, card = console((LARGE,), (SMALL,))
    assert output.layout == (Rect(0, 0, 720, 480), Rect(720, 0, 640, 400))
    assert output.surface.get_size() == (1360, 480)
    fill(output, RED)
    settle(output, card)
    output.surface.fill(GREEN, (710, 0, 20, 5))
    output.present([Rect(710, 0, 20, 5)])
    settle(output, card)
    assert (card.see(10)[:5, 710:] == GREEN).all()
    assert (card.see(11)[:5, :10] == GREEN).all()
    assert int((card.see(10) != RED).sum() + (card.see(11) != RED).sum()) == 20 * 5


def test_a_flip_takes_the_changes_of_two_frames(console):
    output, card = console((SMALL,))
    card.blanking()
    output.pump()
    flips = card.flips
    fill(output, RED)
    for x in range(0, 100, 10):  # while the flip is under way
        output.surface.fill(GREEN, (x, 0, 10, 10))
        output.present([Rect(x, 0, 10, 10)])
    assert card.flips == flips + 1
    card.blanking()
    output.pump()
    assert card.flips == flips + 2
    card.blanking()
    seen = card.see(10)
    assert (seen[:10, :100] == GREEN).all()
    assert int((seen == RED).sum()) == 640 * 400 - 1000
    output.pump()
    assert card.flips == flips + 2, "nothing new, and yet a flip"


def test_a_monitor_that_comes_late(console, monkeypatch):
    FakeLoop(monkeypatch)
    output, card = console(size=(320, 200))
    told = []
    output.start(lambda: told.append(output.layout))
    assert output.surface.get_size() == (320, 200)
    fill(output, RED)
    plug(output, card, 50, SMALL)
    assert told == [(Rect(0, 0, 640, 400),)]
    fill(output, GREEN)
    card.blanking()
    output.pump()
    assert shows(card, 10, GREEN)


def test_the_last_monitor_that_goes_leaves_the_surface(console, monkeypatch):
    FakeLoop(monkeypatch)
    output, card = console((LARGE,))
    told = []
    output.start(lambda: told.append(output.layout))
    surface = output.surface
    plug(output, card, 50)
    assert output.surface is surface
    assert not card.buffers
    fill(output, RED)
    output.wipe()
    output.power(False)
    assert told == []
    plug(output, card, 50, LARGE)
    assert told == [(Rect(0, 0, 720, 480),)]
    assert card.on[10], "a new monitor must not be asleep"


def test_news_of_nothing_changes_nothing(console):
    output, card = console((LARGE,))
    buffers = list(card.buffers)
    output._watch.happened = 5
    output.pump()
    assert card.buffers == buffers


def test_asleep_there_is_no_signal_and_no_flip(console):
    output, card = console((LARGE,))
    card.blanking()
    output.pump()
    output.power(False)
    assert card.see(10) is None
    fill(output, RED)
    output.power(True)
    assert shows(card, 10, RED)


def test_a_driver_without_dpms_is_switched_off(console):
    output, card = console((LARGE,), copies=True)
    card.refuse.add("set_dpms")
    output.power(False)
    assert card.see(10) is None
    fill(output, RED)
    output.power(True)
    assert shows(card, 10, RED)


@pytest.mark.parametrize(("call", "copies"), [("flip", False), ("tell_dirty", True)])
def test_a_refusal_in_the_middle_of_work_is_tried_anew(console, monkeypatch, caplog, call, copies):
    loop = FakeLoop(monkeypatch)
    output, card = console((LARGE,), copies=copies)
    told = []
    output.start(lambda: (told.append(1), fill(output, GREEN)))
    card.blanking()
    output.pump()
    card.refuse.add(call)
    caplog.set_level(logging.WARNING)
    fill(output, RED)
    assert f"the screen failed: [Errno 5] {call} refused" in caplog.text
    fill(output, RED)
    assert len(loop.timers) == 1
    card.refuse.clear()
    loop.timers.pop()()
    card.blanking()
    output.pump()
    assert told == [1]
    assert shows(card, 10, GREEN)


def test_a_flip_that_the_kernel_forgot_is_not_waited_for(console, monkeypatch):
    now = 100.0
    monkeypatch.setattr(kms_head.time, "monotonic", lambda: now)
    output, card = console((LARGE,))
    card.flipping.clear()
    fill(output, RED)
    assert not card.flipping
    now += 1.1
    fill(output, RED)
    assert shows(card, 10, RED)


def test_a_flip_that_takes_longer_is_waited_for(console, monkeypatch):
    now = 100.0
    monkeypatch.setattr(kms_head.time, "monotonic", lambda: now)
    output, card = console((LARGE,))
    now += 1.1
    fill(output, RED)  # the kernel says EBUSY
    card.blanking()
    output.pump()
    assert shows(card, 10, RED)


def test_a_still_screen_shows_its_last_change_though_a_flip_was_never_told_done(
    console, monkeypatch
):
    now = 100.0
    monkeypatch.setattr(kms_head.time, "monotonic", lambda: now)
    loop = FakeLoop(monkeypatch)
    output, card = console((LARGE,))
    output.start(lambda: None)
    settle(output, card)
    fill(output, RED)
    assert loop.timers == [], "nothing waits for this flip"
    fill(output, GREEN)
    card.blanking()
    card.flipping.clear()  # and the event is lost
    output.pump()
    assert (card.see(10) == RED).all()
    (look,) = loop.timers
    loop.timers.clear()
    now += kms._LOOK_S
    look()
    assert shows(card, 10, GREEN)
    settle(output, card)
    assert loop.timers == []


def test_a_slow_flip_is_asked_for_again_and_again(console, monkeypatch):
    now = 100.0
    monkeypatch.setattr(kms_head.time, "monotonic", lambda: now)
    loop = FakeLoop(monkeypatch)
    output, card = console((LARGE,))
    fill(output, RED)  # behind the flip of the self-check
    output.start(lambda: None)
    for _ in range(3):
        (look,) = loop.timers
        loop.timers.clear()
        now += kms._LOOK_S
        look()  # the kernel says EBUSY
    card.blanking()
    card.flipping.clear()
    (look,) = loop.timers
    loop.timers.clear()
    now += kms._LOOK_S
    look()
    assert shows(card, 10, RED)
    fill(output, GREEN)
    assert len(loop.timers) == 1
    output.close()
    assert loop.timers == [], "closed, and yet a timer"


def test_every_buffer_is_wiped(console):
    output, card = console((LARGE,), (SMALL,))
    for colour in (RED, GREEN):
        card.blanking()
        output.pump()
        fill(output, colour)
    output.surface.fill(0)
    output.wipe()
    assert not any(np.any(buffer.pixels) for buffer in card.buffers)


# -- cards


def cards(monkeypatch, tmp_path, **made):
    """A folder with these cards: a FakeCard, or the OSError of opening it."""
    for name in made:
        (tmp_path / name).touch()

    def opened(path):
        found = made[path.rpartition("/")[2]]
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(kms, "Card", opened)
    return tmp_path


class MasterCard(FakeCard):
    master = True

    def become_master(self):
        if not self.master:
            raise OSError(16, "Device or resource busy")


def test_the_card_with_a_monitor_is_taken(monkeypatch, tmp_path):
    empty, used = MasterCard(), MasterCard((LARGE,))
    folder = cards(monkeypatch, tmp_path, card0=OSError(95, "no"), card1=empty, card2=used)
    assert kms._open_card(folder) is used
    assert empty.closed
    assert not used.closed


def test_a_card_that_another_program_has(monkeypatch, tmp_path):
    taken = MasterCard((LARGE,))
    taken.master = False
    with pytest.raises(ScreenError, match="another program has the screen"):
        kms._open_card(cards(monkeypatch, tmp_path, card0=taken))
    assert taken.closed


def test_no_card_at_all(tmp_path):
    with pytest.raises(ScreenError, match="vc4-kms-v3d"):
        kms._open_card(tmp_path)


def test_no_right_to_the_card(monkeypatch, tmp_path):
    folder = cards(monkeypatch, tmp_path, card0=PermissionError(13, "Permission denied"))
    with pytest.raises(ScreenError, match="group video"):
        kms._open_card(folder)


def test_the_surface_has_the_pixels_that_are_scanned_out(console):
    output, _ = console((SMALL,))
    output.surface.set_at((3, 2), (1, 2, 3))
    assert pygame.surfarray.pixels2d(output.surface).T[2, 3] == 0x010203
