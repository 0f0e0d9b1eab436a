"""Emulated cards: APDUs in, APDUs out. How they reach a reader (vpcd, USB) is not here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

OK = b"\x90\x00"
FILE_NOT_FOUND = b"\x6a\x82"
NO_SUCH_INSTRUCTION = b"\x6d\x00"
NO_SUCH_CLASS = b"\x6e\x00"
WRONG_LENGTH = b"\x67\x00"

CONTACTLESS_ATR = bytes.fromhex("3B80800101")  # PC/SC part 3: a contactless card without history
CONTACT_ATR = bytes.fromhex("3B021450")
BROKEN_ATR = b"\xff\xff"  # begins with neither 3B nor 3F: pcscd calls the card unresponsive

MASTER_FILE = b"\x3f\x00"
GDO_FILE = b"\x2f\x02"


class Status(Exception):  # noqa: N818 (an answer of a card, not a fault of the program)
    """A command ends with this status word and no data."""

    def __init__(self, word: int) -> None:
        super().__init__(f"{word:04X}")
        self.word = word


@dataclass(frozen=True)
class Apdu:
    """A short command APDU, taken apart; `le` is None if no data is asked for, 0 for all."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    le: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> "Apdu | None":
        """None if these are not the bytes of a short APDU."""
        if len(raw) < 4:
            return None
        length = raw[4] if len(raw) > 5 else 0
        if len(raw) not in (4, 5, 5 + length, 6 + length):
            return None
        le = raw[-1] if len(raw) in (5, 6 + length) else None
        return cls(raw[0], raw[1], raw[2], raw[3], raw[5 : 5 + length], le)


class Applet(Protocol):
    """An application on a card, chosen by SELECT with the start of its `aid`."""

    aid: bytes

    def reset(self) -> None:
        """Power was off, or another application was chosen."""

    def select(self) -> bytes:
        """What SELECT answers, with status."""

    def answer(self, apdu: Apdu) -> bytes:
        """What a command answers, with status."""


class Files:
    """A card's plain files, read with SELECT by file number and READ BINARY."""

    def __init__(self, files: dict[bytes, bytes]) -> None:
        self._files = {MASTER_FILE: b"", **files}
        self._selected = MASTER_FILE

    def select(self, number: bytes) -> bytes:
        if number not in self._files:
            return FILE_NOT_FOUND
        self._selected = number
        return OK

    def read(self, offset: int) -> bytes:
        return self._files[self._selected][offset : offset + 256] + OK


class Card:
    """A card with a UID (contactless), a serial number in EF.GDO (contact), and applets."""

    def __init__(
        self,
        uid: bytes = b"",
        iccsn: bytes = b"",
        applets: Iterable[Applet] = (),
        atr: bytes | None = None,
    ) -> None:
        self.atr = atr if atr is not None else (CONTACTLESS_ATR if uid else CONTACT_ATR)
        self._uid = uid
        gdo = b"\x5a" + bytes([len(iccsn)]) + iccsn
        self._files = Files({GDO_FILE: gdo} if iccsn else {})
        self._applets = tuple(applets)
        self._applet: Applet | None = None

    def reset(self) -> None:
        """Power was off: nothing is selected any more."""
        if self._applet is not None:
            self._applet.reset()
        self._applet = None
        self._files.select(MASTER_FILE)

    def answer(self, raw: bytes) -> bytes:
        apdu = Apdu.parse(raw)
        if apdu is None:
            return WRONG_LENGTH
        if apdu.cla == 0xFF:  # a pseudo-APDU, which a real reader answers itself
            return self._reader_answers(apdu)
        if apdu.ins == 0xA4 and apdu.p1 == 0x04:
            return self._select_applet(apdu.data)
        if self._applet is not None:
            return self._applet.answer(apdu)
        return self._file_command(apdu)

    def _reader_answers(self, apdu: Apdu) -> bytes:
        if (apdu.ins, apdu.p1, apdu.p2) == (0xCA, 0, 0) and self._uid:
            return self._uid + OK
        return b"\x6a\x81"  # function not supported

    def _select_applet(self, name: bytes) -> bytes:
        for applet in self._applets:
            if name and applet.aid.startswith(name):
                if self._applet is not None and self._applet is not applet:
                    self._applet.reset()
                self._applet = applet
                return applet.select()
        return FILE_NOT_FOUND

    def _file_command(self, apdu: Apdu) -> bytes:
        if apdu.cla != 0x00:
            return NO_SUCH_CLASS
        if apdu.ins == 0xA4:
            return self._files.select(apdu.data)
        if apdu.ins == 0xB0:
            return self._files.read(apdu.p1 << 8 | apdu.p2)
        return NO_SUCH_INSTRUCTION


def normal_card(number: bytes) -> Card:
    """A contactless card with this UID."""
    return Card(uid=number)


def contact_card(number: bytes) -> Card:
    """A card with contacts and this serial number in EF.GDO."""
    return Card(iccsn=number)


def foreign_card(_number: bytes = b"") -> Card:
    """A card that answers, and has no number that anybody knows how to read."""
    return Card(atr=CONTACT_ATR)


def mute_card(_number: bytes = b"") -> Card:
    """A card that gives no answer to reset that a reader could use."""
    return Card(atr=BROKEN_ATR)


CARD_MAKERS: dict[str, Callable[[bytes], Card]] = {
    "normal": normal_card,
    "contact": contact_card,
    "foreign": foreign_card,
    "mute": mute_card,
    "pulled": normal_card,  # the link takes it out in the middle of the first command
}
