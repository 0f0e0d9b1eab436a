"""What a terminal does with a PIV card: read who it is, let it sign, verify and change its PIN."""

import zlib

from dtu.core.piv import tlv
from dtu.core.piv.commands import OK, Answer, Exchange, UnexpectedAnswer, command, status_of
from dtu.core.piv.key_info import canonical_key_info
from dtu.core.piv.keys import KeyType, key_type
from dtu.core.piv.results import (
    MAX_PIN_CHARS,
    MIN_PIN_CHARS,
    CardFault,
    CardRequest,
    CardResult,
    Certificate,
    ChangePin,
    CountTries,
    NoCertificate,
    NoPiv,
    PinBlocked,
    PinChanged,
    PinNeeded,
    PinUnusable,
    PinWrong,
    PivCard,
    Refused,
    Sign,
    Signed,
    Tries,
    wipe,
)
from roamwire.proof import Slot, card_token

AID = bytes.fromhex("A000000308000010000100")
SHORT_AID = AID[:9]  # without the version: cards of SP 800-73-2 say another one

SELECT, VERIFY, CHANGE_REFERENCE, GENERAL_AUTHENTICATE, GET_DATA = 0xA4, 0x20, 0x24, 0x87, 0xCB
PIN = 0x80  # the PIV application's own PIN, SP 800-73-4 part 1, table 4a

CHUID = bytes.fromhex("5FC102")
CERTIFICATES = {
    Slot.PERSON: bytes.fromhex("5FC105"),
    Slot.CARD: bytes.fromhex("5FC101"),
}
TAG_GUID, TAG_CERTIFICATE, TAG_CERTINFO = 0x34, 0x70, 0x71
TAG_OBJECT, TAG_TEMPLATE, TAG_CHALLENGE, TAG_RESPONSE = 0x53, 0x7C, 0x81, 0x82
GUID_BYTES = 16
COMPRESSED = 0x01  # CertInfo: the certificate is in gzip's format

MAX_CERTIFICATE = 8_192  # bytes of DER; SP 800-73-4 keeps 1,856 for one, YubiKeys 3,052
GZIP = 31  # zlib's window bits for gzip's format

NOT_FOUND = (0x6A82, 0x6A80, 0x6A88, 0x6A81)
NOT_SATISFIED, BLOCKED = 0x6982, 0x6983
NO_TRIES, NO_COUNT = 0x63C0, 0x6300
PIN_FORMAT = (0x6A80, 0x6700)


def read_card() -> Exchange[PivCard | NoPiv | NoCertificate | CardFault]:
    """Select the application, read the certificate of 9E and the CHUID."""
    try:
        if not (yield from _select()):
            return NoPiv()
        certificate = yield from _certificate(Slot.CARD)
        if not isinstance(certificate, Certificate):
            return certificate
        token = card_token(canonical_key_info(certificate.der))
        guid = yield from _guid()
    except tlv.TlvError:
        return NoCertificate(Slot.CARD, "unreadable")
    except UnexpectedAnswer as end:
        return end.error
    return PivCard(token, guid.hex(), certificate)


def perform(request: CardRequest, card: PivCard) -> Exchange[CardResult]:
    """Carry a request out on the card that was read as `card`; its PINs are wiped at the end."""
    try:
        if not (yield from _is_selected()) and not (yield from _select()):
            return NoPiv()
        if isinstance(request, Sign):
            return (yield from _sign(request, card))
        if isinstance(request, CountTries):
            return (yield from _count_tries())
        return (yield from _change_pin(request))
    except UnexpectedAnswer as end:
        return end.error
    finally:
        request.wipe()


def _select() -> Exchange[bool]:
    answer = yield from command(SELECT, 0x04, 0x00, SHORT_AID, "select")
    return answer.status == OK


def _is_selected() -> Exchange[bool]:
    """Whether the application is selected still, told by its discovery object.

    Some cards forget at SELECT that the PIN was verified.
    """
    answer = yield from command(GET_DATA, 0x3F, 0xFF, tlv.encode(0x5C, b"\x7e"), "discovery")
    try:
        told = tlv.find(answer.data, 0x7E) or b""
        return answer.status == OK and (tlv.find(told, 0x4F) or b"").startswith(SHORT_AID)
    except tlv.TlvError:
        return False


def _object(tag: bytes, where: str) -> Exchange[bytes | None]:
    """Content of a data object; None if the card has none, or nothing that is one."""
    asked = tlv.encode(0x5C, tag)
    answer = yield from command(GET_DATA, 0x3F, 0xFF, asked, where)
    if answer.status in NOT_FOUND:
        return None
    if answer.status != OK:
        raise UnexpectedAnswer(answer.status, where)
    try:
        return tlv.find(answer.data, TAG_OBJECT)
    except tlv.TlvError:
        raise UnexpectedAnswer(OK, where) from None


def _guid() -> Exchange[bytes]:
    """The CHUID's GUID; empty if there is none, or only zeros as on cards that have a FASC-N."""
    try:
        content = yield from _object(CHUID, "CHUID")
        guid = tlv.find(content or b"", TAG_GUID) or b""
    except (tlv.TlvError, UnexpectedAnswer):
        return b""
    return guid if len(guid) == GUID_BYTES and any(guid) else b""


def _certificate(slot: Slot) -> Exchange[Certificate | NoCertificate]:
    content = yield from _object(CERTIFICATES[slot], f"certificate {slot.value}")
    if not content:
        return NoCertificate(slot, "absent")
    try:
        der = _unpacked(content)
        kind = key_type(der)
    except (tlv.TlvError, zlib.error):
        return NoCertificate(slot, "unreadable")
    return Certificate(slot, kind, der) if kind else NoCertificate(slot, "key type")


def _unpacked(content: bytes) -> bytes:
    """DER of a certificate object; raises TlvError or zlib.error."""
    der = tlv.find(content, TAG_CERTIFICATE) or b""
    info = tlv.find(content, TAG_CERTINFO) or b"\x00"
    if info[0] & COMPRESSED:
        unpacker = zlib.decompressobj(GZIP)
        der = unpacker.decompress(der, MAX_CERTIFICATE + 1)
    if not 0 < len(der) <= MAX_CERTIFICATE:
        raise tlv.TlvError("a certificate of no or too many bytes")
    return der


def _sign(request: Sign, card: PivCard) -> Exchange[CardResult]:
    """No PIN is tried before it is clear that the key can be used."""
    certificate: Certificate | NoCertificate = card.certificate
    if request.slot is Slot.PERSON:
        certificate = yield from _certificate(request.slot)
    if not isinstance(certificate, Certificate):
        return certificate
    if request.pin is not None:
        refused = yield from _verify(request.pin)
        if refused is not None:
            return refused
    try:
        signature = yield from _signature(request.slot, certificate.key, request.message)
    except UnexpectedAnswer as end:
        if end.error.status != NOT_SATISFIED or request.slot is not Slot.PERSON:
            raise
        tries = yield from _count_tries()
        return PinNeeded(tries.left) if isinstance(tries, Tries) else tries
    return Signed(certificate, signature)


def _signature(slot: Slot, key: KeyType, message: bytes) -> Exchange[bytes]:
    where = f"sign {slot.value}"
    wanted = tlv.encode(TAG_RESPONSE, b"") + tlv.encode(TAG_CHALLENGE, key.to_be_signed(message))
    template = tlv.encode(TAG_TEMPLATE, wanted)
    answer: Answer = yield from command(
        GENERAL_AUTHENTICATE, key.algorithm, int(slot.value, 16), template, where
    )
    try:
        told = tlv.find(answer.data, TAG_TEMPLATE) or b""
        signature = tlv.find(told, TAG_RESPONSE) or b""
    except tlv.TlvError:
        signature = b""
    if answer.status != OK or not key.fits(signature):
        raise UnexpectedAnswer(answer.status, where)
    return signature


def _verify(pin: bytearray) -> Exchange[Refused | None]:
    """None if the card takes the PIN."""
    return (yield from _with_pins(VERIFY, (pin,), "verify"))


def _change_pin(request: ChangePin) -> Exchange[CardResult]:
    refused = yield from _with_pins(CHANGE_REFERENCE, (request.old, request.new), "change PIN")
    return refused or PinChanged()


def _with_pins(
    instruction: int, pins: tuple[bytearray, ...], where: str
) -> Exchange[Refused | None]:
    """A command whose data are PINs, each padded to eight bytes by FF."""
    if not all(_is_pin(pin) for pin in pins):
        return PinUnusable()
    # One array of the right size from the start: no copy of a PIN is left where it cannot be wiped.
    apdu = bytearray(5 + MAX_PIN_CHARS * len(pins))
    apdu[:5] = 0x00, instruction, 0x00, PIN, MAX_PIN_CHARS * len(pins)
    for place in range(5, len(apdu)):
        apdu[place] = 0xFF
    try:
        for number, pin in enumerate(pins):
            at = 5 + MAX_PIN_CHARS * number
            apdu[at : at + len(pin)] = pin
        status = status_of((yield apdu))
    finally:
        wipe(apdu)
    if status == OK:
        return None
    return _pin_refusal(status, where)


def _is_pin(pin: bytearray) -> bool:
    """SP 800-73-4 says digits; YubiKeys take any characters."""
    return MIN_PIN_CHARS <= len(pin) <= MAX_PIN_CHARS and all(0x20 < c < 0x7F for c in pin)


def _pin_refusal(status: int, where: str) -> Refused:
    if status in (BLOCKED, NO_TRIES):
        return PinBlocked()
    if status & 0xFFF0 == NO_TRIES:
        return PinWrong(status & 0x0F)
    if status == NO_COUNT:
        return PinWrong(None)
    if status in PIN_FORMAT:
        return PinUnusable()
    return CardFault(status, where)


def _count_tries() -> Exchange[CardResult]:
    """VERIFY without data asks; a card where the PIN still counts answers 9000."""
    status = status_of((yield bytes([0x00, VERIFY, 0x00, PIN])))
    if status == OK:
        return Tries(None)
    refusal = _pin_refusal(status, "count tries")
    return Tries(refusal.left) if isinstance(refusal, PinWrong) else refusal
