"""The contract of card drivers on the driver that needs no reader."""

import pytest
from tests.contracts.card import CardContract

from dtu.drivers.card.scripted import ScriptedCardDriver
from roamwire.tokens import Token


class ScriptedRig:
    """The driver is its own reader."""

    patience_s = 0.04

    def __init__(self) -> None:
        self.driver = ScriptedCardDriver()
        self.insert_unreadable = self.driver.insert_unreadable
        self.pull = self.driver.remove
        self.start_service = self.plug_reader = self.driver.return_reader
        self.unplug_reader = self.driver.lose_reader

    def insert(self, number: str, hurried: bool = False) -> None:
        self.driver.insert(Token("uid", number))

    def stop_service(self) -> None:
        # As with a virtual reader, the card falls out with the service.
        self.driver.lose_reader("no_service")
        self.driver.remove()


class TestScriptedCardDriver(CardContract):
    @pytest.fixture
    def rig(self):
        rig = ScriptedRig()
        yield rig
        rig.driver.stop()
