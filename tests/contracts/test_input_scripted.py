"""The input contract on the scripted driver, and on the evdev driver over pipes. No hardware."""

import contextlib

import pytest
from tests.contracts.input import InputContract, InputRig
from tests.contracts.input_numbers import KINDS, numbers

from dtu.drivers.input.evdev_input import EvdevInput
from dtu.drivers.input.scripted import ScriptedInput
from roamtools.bench.piped_hub import PipedHub


class ScriptedRig(InputRig):
    def __init__(self):
        super().__init__(ScriptedInput())
        self.count = 0

    def plug(self, kind):
        self.count += 1
        self.driver.plug(f"{kind} {self.count}")
        return f"{kind} {self.count}"

    def unplug(self, source):
        self.driver.unplug(source)

    def write(self, _source, event):
        self.driver.feed(event)

    def lamps(self, _source):
        return self.driver.leds


class PipedRig(InputRig):
    def __init__(self):
        self.hub = PipedHub()
        super().__init__(EvdevInput(self.hub.watch, self.hub.open))
        self.count = 0

    def plug(self, kind):
        self.count += 1
        node = f"/dev/input/event{self.count}"
        self.hub.plug(node, KINDS[kind])
        return node

    def unplug(self, source):
        self.hub.unplug(source)

    def write(self, source, event):
        with contextlib.suppress(BrokenPipeError):  # nobody reads it any more
            self.hub.write(source, *numbers(event))

    def lamps(self, source):
        return self.hub.devices[source].leds

    def close(self):
        super().close()
        self.hub.close()


class TestScriptedInput(InputContract):
    @pytest.fixture
    def rig(self):
        rig = ScriptedRig()
        yield rig
        rig.close()


class TestPipedEvdev(InputContract):
    @pytest.fixture
    def rig(self):
        rig = PipedRig()
        yield rig
        rig.close()
