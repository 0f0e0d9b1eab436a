"""The evdev driver over pipes of struct input_event: plugging, reading, failing. No real device."""

import asyncio
import errno
import logging

import pytest

from dtu.core.input.actions import ToTerminal
from dtu.core.input.decoder import Abilities
from dtu.core.input.events import (
    Button,
    Key,
    Leds,
    Motion,
    Place,
    Plugged,
    Unplugged,
)
from dtu.drivers.input import evdev_input
from dtu.drivers.input.evdev_input import EvdevInput, merged
from roamtools.bench.piped_hub import PipedHub

KEYBOARD = Abilities(keys=frozenset(range(1, 120)), lamps=frozenset({0, 1, 2}))
MOUSE = Abilities(keys=frozenset({0x110}), relative=frozenset({0, 1}))
K, M = "/dev/input/event0", "/dev/input/event1"


class Bench:
    def __init__(self):
        self.hub = PipedHub()
        self.driver = EvdevInput(self.hub.watch, self.hub.open)
        self.events = []

    async def turn(self):
        """Let the loop look at its descriptors."""
        for _ in range(3):
            await asyncio.sleep(0)

    def take(self):
        events = list(self.events)
        self.events.clear()
        return events

    async def written(self, node, *numbers):
        self.hub.write(node, *numbers)
        await self.turn()
        return self.take()


def on_a_bench(play, *, plugged=((K, KEYBOARD),)):
    async def run():
        bench = Bench()
        for node, abilities in plugged:
            bench.hub.plug(node, abilities)
        bench.driver.start(bench.events.append)
        try:
            await play(bench)
        finally:
            bench.driver.stop()
            bench.hub.close()

    asyncio.run(run())


def test_devices_that_are_there_and_that_come():
    async def play(bench):
        assert bench.take() == [Plugged(K, f"device {K}")]
        bench.hub.plug(M, MOUSE)
        bench.hub.tell("add", M)  # told by the list and by the monitor
        bench.hub.tell("add", "")
        bench.hub.tell("add", "/dev/input/mouse0")
        assert bench.take() == [Plugged(M, f"device {M}")]
        assert await bench.written(K, (1, 30, 1)) == [Key(0, True, 30, K)]
        assert await bench.written(M, (2, 0, 4)) == [Motion(4, 0, 1.0, M)]

    on_a_bench(play)


def test_what_is_no_keyboard_and_no_mouse_is_let_be():
    async def play(bench):
        assert bench.take() == []

    on_a_bench(play, plugged=((K, Abilities()),))


def test_a_device_that_is_pulled():
    async def play(bench):
        bench.take()
        bench.hub.unplug(K)
        await bench.turn()
        assert bench.take() == [Unplugged(K)]
        bench.hub.tell("remove", K)
        assert bench.take() == []
        bench.hub.plug(K, KEYBOARD)
        assert bench.take() == [Plugged(K, f"device {K}")]
        bench.hub.tell("remove", K)
        assert bench.take() == [Unplugged(K)]

    on_a_bench(play)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "another program has grabbed it"),
        (errno.EACCES, "group input"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_device_that_cannot_be_opened_costs_only_itself(number, words, caplog):
    async def play(bench):
        bench.take()
        bench.hub.refuses[M] = OSError(number, "Input/output error")
        bench.hub.plug(M, MOUSE)
        assert words in caplog.text
        assert await bench.written(K, (1, 30, 1)) == [Key(0, True, 30, K)]

    on_a_bench(play)


class Timers:
    """The loop's timers, to be let run out by hand."""

    def __init__(self, monkeypatch):
        self.running = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self._call_later)

    def _call_later(self, delay, call, *arguments):
        assert delay == evdev_input.RETRY_S == 1.0
        self.running.append(timer := Timer(self.running, call, arguments))
        return timer

    def run_out(self):
        for timer in list(self.running):
            timer.cancel()
            timer.call(*timer.arguments)


class Timer:
    def __init__(self, running, call, arguments):
        self.running, self.call, self.arguments = running, call, arguments

    def cancel(self):
        if self in self.running:
            self.running.remove(self)


def warnings_in(caplog):
    return [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES])
def test_a_device_that_cannot_be_opened_is_tried_again(number, caplog, monkeypatch):
    async def play(bench):
        timers = Timers(monkeypatch)
        bench.hub.refuses[K] = OSError(number, "no")
        bench.hub.plug(K, KEYBOARD)
        timers.run_out()
        bench.hub.tell("change", K)  # udev has set its group: that is no second timer
        assert bench.take() == []
        assert len(timers.running) == 1
        del bench.hub.refuses[K]
        timers.run_out()
        assert bench.take() == [Plugged(K, f"device {K}")]
        assert await bench.written(K, (1, 30, 1)) == [Key(0, True, 30, K)]
        assert timers.running == []
        assert len(warnings_in(caplog)) == 2  # no keyboard yet; cannot be read

    on_a_bench(play, plugged=())


def test_a_device_that_stays_shut_is_given_up(caplog, monkeypatch):
    async def play(bench):
        timers = Timers(monkeypatch)
        bench.hub.refuses[K] = OSError(errno.EBUSY, "no")
        bench.hub.plug(K, KEYBOARD)
        rounds = 0
        while timers.running:
            timers.run_out()
            rounds += 1
            assert rounds <= evdev_input.RETRIES
        assert rounds == evdev_input.RETRIES
        assert len(warnings_in(caplog)) == 2
        del bench.hub.refuses[K]
        bench.hub.tell("change", K)
        assert bench.take() == [Plugged(K, f"device {K}")]

    on_a_bench(play, plugged=())


@pytest.mark.parametrize("end", ["pulled", "stopped"])
def test_what_is_gone_is_not_tried_again(end, monkeypatch):
    async def play(bench):
        timers = Timers(monkeypatch)
        bench.hub.refuses[K] = OSError(errno.EBUSY, "no")
        bench.hub.plug(K, KEYBOARD)
        assert len(timers.running) == 1
        if end == "pulled":
            bench.hub.tell("remove", K)
        else:
            bench.driver.stop()
        assert timers.running == []

    on_a_bench(play, plugged=())


def test_a_thousand_devices_that_cannot_be_opened(monkeypatch):
    async def play(bench):
        timers = Timers(monkeypatch)
        for number in range(1000):
            node = f"/dev/input/event{number}"
            bench.hub.refuses[node] = OSError(errno.EBUSY, "no")
            bench.hub.plug(node, KEYBOARD)
        assert len(timers.running) == evdev_input.MAX_DEVICES

    on_a_bench(play, plugged=())


def test_a_device_that_came_back_while_udev_was_not_heard():
    async def play(bench):
        await bench.written(K, (1, 30, 1))
        bench.hub.unplug(K)
        bench.hub.plug(K, KEYBOARD)  # told before the old one is read to its end
        assert bench.take() == [Unplugged(K), Plugged(K, f"device {K}")]
        assert await bench.written(K, (1, 31, 1)) == [Key(0, True, 31, K)]

    on_a_bench(play)


def test_a_device_that_fails_costs_only_itself(caplog):
    async def play(bench):
        bench.take()
        device = bench.hub.devices[K]

        def broken():
            raise OSError(errno.EIO, "Input/output error")

        device.read = broken
        bench.hub.write(K, (1, 30, 1))
        await bench.turn()
        assert bench.take() == [Unplugged(K)]
        assert "Input/output error" in caplog.text
        assert await bench.written(M, (1, 0x110, 1)) == [Button(0, True, M)]

    on_a_bench(play, plugged=((K, KEYBOARD), (M, MOUSE)))


def test_lamps_of_all_keyboards_also_of_later_ones():
    async def play(bench):
        bench.driver.show_leds(Leds(caps=True))
        assert bench.hub.devices[K].leds == Leds(caps=True)
        bench.hub.plug(M, KEYBOARD)
        assert bench.hub.devices[M].leds == Leds(caps=True)

        def gone(leds):
            raise OSError(errno.ENODEV, "No such device")

        bench.take()
        bench.hub.devices[K].show_leds = gone
        bench.driver.show_leds(Leds())
        assert bench.take() == [Unplugged(K)]
        assert bench.hub.devices[M].leds == Leds()

    on_a_bench(play)


def test_dropped_events_are_asked_for(caplog):
    async def play(bench):
        await bench.written(K, (1, 30, 1))
        bench.hub.devices[K].held = {31}
        assert await bench.written(K, (0, 3, 0)) == [Key(0, False, 30, K), Key(0, True, 31, K)]
        assert "dropped events" in caplog.text

    on_a_bench(play)


def test_an_event_that_fails_costs_only_itself(caplog):
    async def play(bench):
        bench.take()
        take = bench.driver._post

        def broken(event):
            if event == Key(0, True, 30, K):
                raise ValueError("broken")
            take(event)

        bench.driver._post = broken
        assert await bench.written(K, (1, 30, 1), (1, 30, 0)) == [Key(0, False, 30, K)]
        assert "an input event failed" in caplog.text
        caplog.clear()

    on_a_bench(play)


def test_the_log_of_a_failure_does_not_say_which_key_it_was(caplog):
    code, keysym = 7001, 8002  # numbers that stand nowhere else in a log

    async def play(bench):
        def broken(event):
            # As a careless table would: KeyError's words are the key.
            raise KeyError(event.code, event)

        bench.driver._post = broken
        bench.driver._tell(Key(keysym, True, code, K))
        (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        text = logging.Formatter().format(record)
        assert f"(Key of {K}): KeyError" in text
        assert "in broken" in text, "where it failed is what mends it"
        assert str(code) not in text
        assert str(keysym) not in text
        caplog.clear()

    on_a_bench(play)


def test_a_key_in_words_is_not_told():
    key = Key(8002, True, 7001, K)
    assert repr(key) == str(key) == f"Key(down=True, source={K!r})"
    assert repr(ToTerminal(key)) == f"ToTerminal(event={key!r})"


def test_nothing_comes_after_stop():
    async def play(bench):
        bench.hub.write(K, (1, 30, 1))
        bench.driver.stop()
        bench.take()
        await bench.turn()
        assert bench.take() == []

    on_a_bench(play)


def test_a_hub_of_a_thousand_devices(caplog):
    async def play(bench):
        for number in range(1000):
            bench.hub.plug(f"/dev/input/event{number}", KEYBOARD)
        assert len(bench.take()) == evdev_input.MAX_DEVICES
        assert "enough" in caplog.text

    on_a_bench(play)


def test_motions_read_together_are_one():
    a, b, press = Motion(1, 2, 0.5, "m"), Motion(3, 4, 0.25, "m"), Button(0, True, "m")
    assert list(merged([a, b, press, a])) == [Motion(4, 6, 0.75, "m"), press, a]
    here, there = Place(0.1, 0.1, "t"), Place(0.2, 0.2, "t")
    assert list(merged([here, there, a, press])) == [there, a, press]
    assert list(merged([a, here])) == [a, here]
    assert list(merged([])) == []
