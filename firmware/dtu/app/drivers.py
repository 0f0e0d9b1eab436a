"""Which driver of each kind the terminal has, by its settings; the screen's and sound's not here.

Scripted ones take orders from a bench.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dtu.app.config import DtuConfig
from dtu.core.input.events import InputEvent
from dtu.core.ip6 import Ip6
from dtu.core.lease import Lease, NoLease, parse_lease
from dtu.drivers.card.base import CardDriver
from dtu.drivers.card.pcsc import PcscCardDriver
from dtu.drivers.card.scripted import ScriptedCardDriver
from dtu.drivers.input.base import InputDriver
from dtu.drivers.input.evdev_input import EvdevInput
from dtu.drivers.input.scripted import ScriptedInput
from dtu.drivers.input.xkb import open_layout
from dtu.drivers.net.base import NetworkDrivers
from dtu.drivers.net.carrier import CarrierWatch
from dtu.drivers.net.ip6_watch import Ip6Watch
from dtu.drivers.net.lease_file import LeaseFile
from dtu.drivers.net.lookups import NetworkLookups
from dtu.drivers.net.scripted import ScriptedLookups, ScriptedWatch
from roamwire.errors import RemoteProtocolError
from roamwire.tokens import Token

Order = Callable[[Mapping[str, Any]], None]
"""What a bench tells a driver, as fields of a request; ValueError or KeyError if they are wrong."""


class Drivers:
    """The terminal's drivers; `orders` are the requests that the scripted ones among them take.

    `input` is None if the screen's own window is the keyboard.
    """

    def __init__(self, config: DtuConfig) -> None:
        self.orders: dict[str, Order] = {}
        self.card = self._card(config)
        self.input = self._input(config)
        self.network = self._network(config)

    def feed(self, or_else: Callable[[InputEvent], None]) -> Callable[[InputEvent], None]:
        """Where a bench's keys go: to the scripted driver, or beside the real one."""
        return self.input.feed if isinstance(self.input, ScriptedInput) else or_else

    def _card(self, config: DtuConfig) -> CardDriver:
        if config.card == "pcsc":
            return PcscCardDriver(config.blank_piv_number)
        driver = ScriptedCardDriver()
        self.orders["insert"] = lambda asked: driver.insert(_token(asked["token"]))
        self.orders["remove"] = lambda _asked: driver.remove()
        return driver

    def _input(self, config: DtuConfig) -> InputDriver | None:
        match config.input:
            case "evdev":
                return EvdevInput(layout=open_layout(config.keyboard_layout))
            case "scripted":
                return ScriptedInput()
        return None

    def _network(self, config: DtuConfig) -> NetworkDrivers:
        if config.network == "system":
            return NetworkDrivers(
                LeaseFile(config.lease_file),
                CarrierWatch(config.interface),
                Ip6Watch(config.interface, config.router_file),
                NetworkLookups(),
            )
        lease = ScriptedWatch[Lease | NoLease]()
        carrier = ScriptedWatch[bool](known=True)
        self.orders["lease"] = lambda asked: lease.set(_lease(asked["text"]))
        self.orders["cable"] = lambda asked: carrier.set(bool(asked["plugged"]))
        return NetworkDrivers(lease, carrier, ScriptedWatch[Ip6](), ScriptedLookups())


def _token(text: Any) -> Token:
    try:
        return Token.parse(str(text))
    except RemoteProtocolError as error:
        raise ValueError(f"token must be kind:value: {error}") from error


def _lease(text: Any) -> Lease | NoLease:
    try:
        return parse_lease(str(text))
    except RemoteProtocolError as error:
        raise ValueError(f"text must be as the DHCP client's hook writes it: {error}") from error
