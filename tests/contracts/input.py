"""What every input driver must do, as one body of tests. The drivers' rigs are in other files.

A rig has a driver that posts into `events`, and the hands of a person: `plug`, `unplug`, `write`.
"""

import asyncio

import pytest

from dtu.core.input.events import (
    Button,
    Key,
    Leds,
    Motion,
    Place,
    Plugged,
    Unplugged,
    Wheel,
)


class InputRig:
    """An event loop with a driver on it; what a person does is the subclass's."""

    patience_turns = 50

    def __init__(self, driver):
        self.driver = driver
        self.events = []
        self.loop = asyncio.new_event_loop()

    def start(self):
        async def start():
            self.driver.start(self.events.append)

        self.loop.run_until_complete(start())

    def stop(self):
        async def stop():
            self.driver.stop()

        self.loop.run_until_complete(stop())

    def show_leds(self, leds):
        async def show():
            self.driver.show_leds(leds)

        self.loop.run_until_complete(show())

    def close(self):
        self.stop()
        self.loop.close()

    def turn(self):
        """Let the loop look at its descriptors once."""
        self.loop.run_until_complete(asyncio.sleep(0))

    def of(self, source):
        """What the driver has told of a device since the last call."""
        mine = [event for event in self.events if event.source == source]
        self.events[:] = [event for event in self.events if event.source != source]
        return mine

    def until(self, condition):
        for _ in range(self.patience_turns):
            if condition():
                return
            self.turn()
        pytest.fail(f"this did not happen: {self.events}")

    def told(self, source, count):
        """The next `count` events of a device."""
        got = []

        def enough():
            got.extend(self.of(source))
            return len(got) >= count

        self.until(enough)
        return got


class InputContract:
    """Subclasses have a fixture `rig`: not started, without devices."""

    def plugged(self, rig, kind):
        """A device that the driver has told of."""
        source = rig.plug(kind)
        (told,) = rig.told(source, 1)
        assert isinstance(told, Plugged)
        return source

    def test_what_is_there_is_told_before_start_returns(self, rig):
        source = rig.plug("keyboard")
        rig.start()
        (told,) = rig.of(source)
        assert isinstance(told, Plugged)
        assert told.name

    def test_keys_come_in_order_from_their_keyboards(self, rig):
        rig.start()
        one, two = self.plugged(rig, "keyboard"), self.plugged(rig, "keyboard")
        rig.write(one, Key(0, True, 42, one))
        rig.write(one, Key(0, True, 30, one))
        rig.write(two, Key(0, True, 30, two))
        rig.write(one, Key(0, False, 30, one))
        assert rig.told(one, 3) == [
            Key(0, True, 42, one),
            Key(0, True, 30, one),
            Key(0, False, 30, one),
        ]
        assert rig.told(two, 1) == [Key(0, True, 30, two)]

    def test_a_mouse(self, rig):
        rig.start()
        mouse = self.plugged(rig, "mouse")
        rig.write(mouse, Motion(5, -3, 0.0, mouse))
        (moved,) = rig.told(mouse, 1)
        assert (moved.dx, moved.dy) == (5, -3)
        for event in (Button(2, True, mouse), Button(2, False, mouse), Wheel(0, -120, mouse)):
            rig.write(mouse, event)
            assert rig.told(mouse, 1) == [event]

    def test_a_tablet(self, rig):
        rig.start()
        tablet = self.plugged(rig, "tablet")
        rig.write(tablet, Place(0.25, 0.75, tablet))
        rig.write(tablet, Button(0, True, tablet))
        place, press = rig.told(tablet, 2)
        assert (place.x, place.y) == pytest.approx((0.25, 0.75), abs=0.001)
        assert press == Button(0, True, tablet)

    def test_a_device_that_is_pulled_is_told_once_and_the_rest_lives(self, rig):
        rig.start()
        keyboard, mouse = self.plugged(rig, "keyboard"), self.plugged(rig, "mouse")
        rig.write(keyboard, Key(0, True, 30, keyboard))
        rig.told(keyboard, 1)
        rig.unplug(keyboard)
        told = rig.told(keyboard, 1)
        rig.write(mouse, Button(0, True, mouse))
        assert rig.told(mouse, 1) == [Button(0, True, mouse)]
        told += rig.of(keyboard)
        # The kernel may let the keys of a pulled keyboard go by itself.
        assert [event for event in told if not isinstance(event, Key)] == [Unplugged(keyboard)]
        assert told[-1] == Unplugged(keyboard)

    def test_a_keyboard_comes_back(self, rig):
        rig.start()
        keyboard = self.plugged(rig, "keyboard")
        rig.unplug(keyboard)
        rig.told(keyboard, 1)
        again = self.plugged(rig, "keyboard")
        rig.write(again, Key(0, True, 30, again))
        assert rig.told(again, 1) == [Key(0, True, 30, again)]

    def test_lamps_of_every_keyboard_also_of_later_ones(self, rig):
        rig.start()
        one = self.plugged(rig, "keyboard")
        rig.show_leds(Leds(caps=True))
        rig.until(lambda: rig.lamps(one) == Leds(caps=True))
        two = self.plugged(rig, "keyboard")
        rig.until(lambda: rig.lamps(two) == Leds(caps=True))
        rig.show_leds(Leds(num=True, scroll=True))
        rig.until(lambda: rig.lamps(one) == rig.lamps(two) == Leds(num=True, scroll=True))

    def test_nothing_comes_after_stop(self, rig):
        rig.start()
        keyboard = self.plugged(rig, "keyboard")
        rig.stop()
        rig.write(keyboard, Key(0, True, 30, keyboard))
        for _ in range(5):
            rig.turn()
        assert rig.of(keyboard) == []
