"""What the card drivers use of PC/SC, as protocols and values; the library itself is not here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Fault(Enum):
    """Why PC/SC did not do what was asked, in the few kinds that need different answers."""

    NO_SERVICE = "no_service"
    NO_READER = "no_reader"
    MUTE = "mute"
    PULLED = "pulled"
    BUSY = "busy"
    RESET = "reset"
    FOREIGN = "foreign"
    SILENT = "silent"
    OTHER = "other"


class PcscError(Exception):
    """PC/SC refused; `code` is its own number for the log."""

    def __init__(self, fault: Fault, code: int = 0) -> None:
        super().__init__(f"{fault.value} (PC/SC 0x{code & 0xFFFFFFFF:08X})")
        self.fault = fault


@dataclass(frozen=True)
class ReaderState:
    """What PC/SC says of one reader; `counter` grows with every card that goes in or out."""

    present: bool = False
    mute: bool = False
    gone: bool = False
    counter: int = 0
    raw: int = 0  # handed back at the next wait
    atr: bytes = b""


class Card(Protocol):
    """An open connection to the card in a reader."""

    def transmit(self, apdu: bytes | bytearray) -> bytes: ...

    def begin(self) -> None:
        """Keep other programs off the card; may wait for one that does the same."""

    def end(self) -> None:
        """Let others to the card again."""

    def close(self, reset: bool = False) -> None:
        """Let go of the card; with `reset` it forgets what it was told, PINs for example."""


class Pcsc(Protocol):
    """The part of PC/SC that the watch uses; every method may raise PcscError."""

    def establish(self) -> None: ...

    def release(self) -> None: ...

    def readers(self) -> list[str]: ...

    def wait(self, known: Mapping[str, ReaderState], timeout_ms: int) -> dict[str, ReaderState]:
        """Block until a reader's state differs from `known`, a reader comes or goes, or time is
        up; gives the states of the readers in `known`."""

    def open_card(self, reader: str) -> Card: ...
