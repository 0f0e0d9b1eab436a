"""The contract of device watches on the one that benches and tests of drivers use."""

import pytest
from tests.contracts.udev import UdevContract, UdevRig

from dtu.core.input.decoder import Abilities
from roamtools.bench.piped_hub import PipedHub


class HubRig(UdevRig):
    def __init__(self):
        super().__init__()
        self.hub = PipedHub()
        self.watch = self.hub.watch(self.events.append)
        self._free = [f"/dev/input/event{number}" for number in range(9, -1, -1)]

    def plug(self):
        node = self._free.pop()
        self.hub.plug(node, Abilities())
        return node

    def unplug(self, node):
        self.hub.unplug(node)
        self.hub.tell("remove", node)
        self._free.append(node)


class TestPipedHub(UdevContract):
    @pytest.fixture
    def rig(self):
        rig = HubRig()
        yield rig
        rig.hub.close()
