"""The watch of the network cable; a real link is in tests/contracts/test_net_system.py."""

import pytest

from dtu.drivers.net import carrier
from dtu.drivers.net.carrier import CarrierWatch, is_plugged


def test_an_interface_that_is_not_there_tells_nothing():
    assert is_plugged("no-such-if") is None


@pytest.mark.parametrize(("flags", "plugged"), [(True, True), (False, False), (None, True)])
def test_what_cannot_be_asked_is_no_pulled_cable(monkeypatch, flags, plugged):
    monkeypatch.setattr(carrier, "is_plugged", lambda interface: {"eth7": flags}[interface])
    assert CarrierWatch("eth7").look() is plugged
