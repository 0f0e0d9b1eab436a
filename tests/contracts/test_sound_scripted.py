"""The contract of sound servers on the driver that needs none."""

import pytest
from tests.contracts.sound import SoundContract

from dtu.drivers.sound.scripted import ScriptedServer


class ScriptedRig:
    def __init__(self):
        self.driver = ScriptedServer()

    def stop(self):
        self.driver.there = False


class TestScriptedServer(SoundContract):
    @pytest.fixture
    def rig(self):
        return ScriptedRig()
