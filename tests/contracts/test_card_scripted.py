"""The contract of card drivers on the driver that needs no reader."""

import pytest
from tests.contracts.card import CardContract
from tests.contracts.card_piv import PivContract

from dtu.drivers.card.scripted import ScriptedCardDriver
from dtu.drivers.card.service import Fault, PcscError
from roamtools.card.holder import piv_card
from roamtools.card.piv import PivApplet
from roamwire.tokens import Token


class PulledCard:
    """A PIV card that a hand takes out instead of letting it answer a certain command."""

    def __init__(self, driver, state, number, pull_after):
        self._driver = driver
        self._card = piv_card(PivApplet(state), bytes.fromhex(number))
        self._left = pull_after
        self.reset = self._card.reset

    def answer(self, raw):
        if self._left == 0:
            self._driver.remove()
            raise PcscError(Fault.PULLED)
        if self._left is not None:
            self._left -= 1
        return self._card.answer(raw)


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

    def insert_piv(self, state, number="", pull_after=None):
        self.driver.insert_card(PulledCard(self.driver, state, number, pull_after))

    def stop_service(self) -> None:
        # As with a virtual reader, the card falls out with the service.
        self.driver.lose_reader("no_service")
        self.driver.remove()


class TestScriptedCardDriver(CardContract, PivContract):
    @pytest.fixture
    def rig(self):
        rig = ScriptedRig()
        yield rig
        rig.driver.stop()
