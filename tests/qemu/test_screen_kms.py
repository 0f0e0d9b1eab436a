"""The console on the kernel's mode setting, seen from outside the guest: QEMU's own screendump."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests.contracts.screen import GREEN, RED, WORDS, ScreenContract, dimmed, frame, is_colour

from dtu.core.rfb import Rect
from dtu.drivers.display import kms_head
from dtu.drivers.display.base import ScreenError
from dtu.drivers.display.drm import Card
from dtu.drivers.display.kms import KmsOutput
from dtu.drivers.display.pygame_screen import PygameScreen, open_screen

HOME = (1280, 800)


class KmsRig:
    """`way` is in the pictures' names."""

    def __init__(self, host, until, way):
        self.screen = PygameScreen(KmsOutput(HOME, ""))
        self._host, self._until, self._way = host, until, way

    def look(self, name, head=0):
        return self._host.screendump(f"kms-{self._way}-{name}-{head}", head)

    def until(self, condition):
        self._until(lambda: (self.screen.pump(), condition())[1], "this on the screen")


@pytest.fixture(params=["as the driver wants", "flips"])
def rig(request, host, until, monkeypatch):
    if request.param == "flips":
        monkeypatch.setattr(kms_head.Head, "_driver_copies", lambda _: False)
    made = KmsRig(host, until, request.param.split()[0])
    yield made
    made.screen.close()


class TestKmsScreen(ScreenContract):
    @pytest.fixture
    def rig(self, rig):
        return rig


@pytest.fixture
def hotplug(host):
    """A graphics card whose monitors come and go; it has one at the end as at the start.

    Of QEMU's cards only virtio-gpu; bochs shows its memory also while the monitor sleeps.
    """
    if not list(Path("/sys/class/drm").glob("card*-Virtual-2")):
        pytest.skip("the monitor of this card stays")
    yield host.monitor
    host.monitor(1, 0, 0)
    host.monitor(0, *HOME)


@pytest.fixture
def told(rig):
    """How often the screen has told of another layout; its loop stands still, `until` pumps."""
    calls = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_start(rig.screen, lambda: calls.append(rig.screen.layout)))
    yield calls
    loop.close()


async def _start(screen, on_layout):
    screen.start(on_layout)


def test_asleep_there_is_no_signal(rig, hotplug):
    rig.screen.show_session(frame(rig.screen.size, RED), (), None)
    rig.until(lambda: is_colour(rig.look("lit"), RED))
    rig.screen.power(False)
    # QEMU writes in the middle of it that the output is not active.
    rig.until(lambda: not (rig.look("asleep") == RED).all(axis=2).any())
    assert not rig.look("asleep")[:100].any()
    rig.screen.power(True)
    rig.until(lambda: is_colour(rig.look("lit"), RED))


def test_a_monitor_of_another_size_gets_the_picture(rig, told, hotplug):
    session = frame(HOME, RED)
    rig.screen.show_session(session, (), None)
    hotplug(0, 1024, 768)
    rig.until(lambda: told)
    assert rig.screen.size == (1024, 768)
    assert told[-1] == (Rect(0, 0, 1024, 768),)
    # The session has not yet taken the new size: it is cut.
    rig.until(lambda: is_colour(rig.look("smaller"), RED))
    assert rig.look("smaller").shape == (768, 1024, 3)
    rig.screen.show_session(frame((1024, 768), GREEN), (), None)
    rig.until(lambda: is_colour(rig.look("smaller"), GREEN))


def test_two_monitors_are_one_surface(rig, told, hotplug):
    hotplug(1, 1024, 768)
    rig.until(lambda: told)
    assert rig.screen.layout == (Rect(0, 0, *HOME), Rect(1280, 0, 1024, 768))
    assert rig.screen.size == (2304, 800)
    session = frame((2304, 800), RED)
    session[:, 1280:, :3] = GREEN[::-1]
    rig.screen.show_session(session, (), None)
    rig.until(
        lambda: is_colour(rig.look("left", 0), RED) and is_colour(rig.look("right", 1), GREEN)
    )
    session[10:20, 1270:1290, :3] = 0
    rig.screen.show_session(session, (Rect(1270, 10, 20, 10),), None)
    rig.until(lambda: not rig.look("left", 0)[10:20, 1270:].any())
    rig.until(lambda: not rig.look("right", 1)[10:20, :10].any())
    rig.screen.show_words(WORDS, dim=True)
    rig.until(lambda: tuple(rig.look("words", 0)[2, 2]) == dimmed(RED))
    for head in (0, 1):
        colours = np.unique(rig.look("words", head).reshape(-1, 3), axis=0)
        assert len(colours) > 10, f"no words on monitor {head}"
    hotplug(1, 0, 0)
    rig.until(lambda: rig.screen.layout == (Rect(0, 0, *HOME),))


def test_the_last_monitor_is_pulled_and_another_comes(rig, told, hotplug):
    rig.screen.show_session(frame(HOME, RED), (), None)
    hotplug(0, 0, 0)
    rig.until(lambda: not rig.screen._output._heads)
    assert rig.screen.size == HOME
    rig.screen.show_session(frame(HOME, GREEN), (), None)
    hotplug(0, *HOME)
    rig.until(lambda: is_colour(rig.look("again"), GREEN))


def test_a_terminal_without_a_monitor_waits_for_one(host, until, hotplug):
    hotplug(0, 0, 0)

    def opened():
        screen = open_screen("console", 800, 600)
        if screen.size == (800, 600):
            return screen
        screen.close()  # the kernel has not noticed yet
        return None

    screen = until(opened, "a screen without a monitor")
    told = []
    asyncio.run(_start(screen, lambda: told.append(screen.size)))
    screen.show_words(WORDS, dim=False)
    hotplug(0, 1024, 768)
    until(lambda: (screen.pump(), told)[1], "the monitor")
    assert told == [(1024, 768)]
    until(lambda: host.screendump("late").shape == (768, 1024, 3), "the late monitor's picture")
    assert len(np.unique(host.screendump("late").reshape(-1, 3), axis=0)) > 10
    screen.close()


def test_the_wished_mode(host, until):
    screen = open_screen("console", 1, 1, "640x480")
    assert screen.size == (640, 480)
    screen.show_session(frame((640, 480), RED), (), None)
    until(lambda: (screen.pump(), is_colour(host.screendump("wished"), RED))[1], "the session")
    assert host.screendump("wished").shape == (480, 640, 3)
    screen.close()


def test_a_screen_that_another_program_has(rig):
    with pytest.raises(ScreenError, match="another program has the screen"):
        open_screen("console", *HOME)


def test_flips_go_on_by_themselves_on_the_loop(rig):
    async def show():
        rig.screen.start(lambda: None)
        session = frame(rig.screen.size, RED)
        rig.screen.show_session(session, (), None)
        for shade in range(30):
            session[:, :, 1] = shade
            rig.screen.show_session(session, (Rect(0, 0, *rig.screen.size),), None)
            await asyncio.sleep(0.01)
        for _ in range(200):
            if is_colour(rig.look("loop"), (RED[0], 29, RED[2])):
                return True
            await asyncio.sleep(0.05)
        return False

    assert asyncio.run(show())


def test_the_monitor_tells_its_name(rig):
    card = Card("/dev/dri/card0")
    found = [card.connector(number) for number in card.connector_numbers]
    card.close()
    assert found[0].monitor == "QEMU Monitor"
    assert found[0].modes[0].preferred


def test_afterwards_the_kernel_has_its_console_again(host, until):
    with open("/dev/tty1", "w", encoding="ascii") as console:
        console.write("\033[44m\033[2J\033[?25l")
    screen = open_screen("console", *HOME)
    screen.show_session(frame(screen.size, RED), (), None)
    screen.close()
    until(lambda: tuple(host.screendump("console-again")[700, 700]) == (0, 0, 0xAA), "a console")
