"""Reads the number of a card through APDUs; finding the card and talking to PC/SC is not here."""

from collections.abc import Callable

from roamwire.tokens import Token

# Sends one command APDU and gives back the response with its two status bytes.
Transmit = Callable[[bytes], bytes]

GET_UID = bytes.fromhex("FFCA000000")  # PC/SC part 3, 3.2.2.1.3: answered by the reader
SELECT_MASTER_FILE = bytes.fromhex("00A4000C023F00")
SELECT_GDO = bytes.fromhex("00A4020C022F02")  # ISO 7816-4 EF.GDO: "global data objects"
READ_BINARY = bytes.fromhex("00B0000000")
TAG_ICCSN = 0x5A  # the card's serial number, ISO 7816-6

OK = b"\x90\x00"
END_OF_FILE = b"\x62\x82"  # fewer bytes than asked for: still the whole file

MIN_NUMBER = 4  # shorter ones are no serial numbers, and would be easy to meet twice
MAX_NUMBER = 32
# ISO 14443-3: a four-byte UID that begins with 08 is drawn anew each time the card is powered.
RANDOM_UID_FIRST_BYTE = 0x08


def read_number(transmit: Transmit) -> Token | None:
    """The card's number as a `uid` token, or None if the card has none that we can read.

    Never the ATR: that names a make of card, not a card.
    """
    number = _uid(transmit) or _iccsn(transmit)
    return Token("uid", number.hex()) if number else None


def _data(response: bytes, *status: bytes) -> bytes:
    return response[:-2] if response[-2:] in status else b""


def _is_number(number: bytes) -> bool:
    return MIN_NUMBER <= len(number) <= MAX_NUMBER and any(number)


def _uid(transmit: Transmit) -> bytes:
    uid = _data(transmit(GET_UID), OK)
    if len(uid) == 4 and uid[0] == RANDOM_UID_FIRST_BYTE:
        return b""
    return uid if _is_number(uid) else b""


def _iccsn(transmit: Transmit) -> bytes:
    transmit(SELECT_MASTER_FILE)  # some cards have nothing selected after a reset, some refuse it
    if transmit(SELECT_GDO)[-2:] != OK:
        return b""
    number = find_tag(_read_file(transmit), TAG_ICCSN)
    return number if _is_number(number) else b""


def _read_file(transmit: Transmit) -> bytes:
    response = transmit(READ_BINARY)
    if len(response) == 2 and response[0] == 0x6C:  # "wrong length, this one is right"
        response = transmit(READ_BINARY[:-1] + response[1:])
    return _data(response, OK, END_OF_FILE)


def find_tag(data: bytes, wanted: int) -> bytes:
    """Value of a one-byte BER-TLV tag on the first level; empty if absent or cut off."""
    at = 0
    while at + 2 <= len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length == 0x81 and at < len(data):
            length = data[at]
            at += 1
        elif length >= 0x80:
            return b""
        if at + length > len(data):
            return b""
        if tag == wanted:
            return data[at : at + length]
        at += length
    return b""
