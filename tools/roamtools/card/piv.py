"""The PIV application of an emulated card (NIST SP 800-73-4 part 2): commands and their answers.

Not here: secure messaging and the virtual contact interface, biometrics, the global PIN.
"""

import hmac
import os
import time

from roamtools.card.cards import Apdu, Status
from roamtools.card.piv_keys import (
    ALGORITHMS,
    KEY_TYPES,
    agree,
    public_template,
    sign,
    type_of,
)
from roamtools.card.piv_state import PivState, Secret
from roamtools.card.tlv import WRONG_DATA, split, wrap

AID = bytes.fromhex("A000000308000010000100")
APPLICATION = wrap(
    "61",
    wrap("4F", AID[5:]),
    wrap("79", wrap("4F", AID[:5])),
    wrap("50", b"Roamdesk emulated PIV"),
    wrap("5F50", b"http://csrc.nist.gov/npivp"),
)
# Category 80, card service data, capabilities with command chaining (ISO 7816-4, 8.1.1).
HISTORICAL = bytes.fromhex("8031C073C00180")
PIV_ATR = bytes.fromhex("3B8701") + HISTORICAL + b"\xc5"  # T=1, so with a check byte

DISCOVERY = "7e"
PIN_PROTECTED = ("5fc103", "5fc108", "5fc109", "5fc121")
MAX_OBJECT = 4096  # bytes, command chains too
PIN, PUK, MANAGEMENT = 0x80, 0x81, 0x9B
SIGNATURE_SLOT, FREE_SLOT = 0x9C, 0x9E
SLOTS = (0x9A, SIGNATURE_SLOT, 0x9D, FREE_SLOT)

OK = 0x9000
NOT_SATISFIED, BLOCKED, CONDITIONS, WRONG_P1P2 = 0x6982, 0x6983, 0x6985, 0x6A86
NOT_FOUND, NO_REFERENCE, NO_INSTRUCTION, WRONG_LENGTH = 0x6A82, 0x6A88, 0x6D00, 0x6700
NO_CLASS, CHAIN_EXPECTED = 0x6E00, 0x6883


class PivApplet:
    """The PIV application of one card, from power-on to power-off.

    `crypto_s` and `operations` count the private key operations since it was made.
    """

    aid = AID

    def __init__(self, state: PivState) -> None:
        self.state = state
        self.crypto_s = 0.0
        self.operations = 0
        self.reset()

    def reset(self) -> None:
        """Power was off, or another application was selected: nothing is proven any more."""
        self._verified = False
        self._fresh = False  # the PIN was verified by the last command: good for 9C
        self._administrator = False
        self._challenge = self._witness = b""
        self._chain = b""
        self._chained: tuple[int, int, int] | None = None
        self._rest = b""

    def select(self) -> bytes:
        return APPLICATION + b"\x90\x00"

    def answer(self, apdu: Apdu) -> bytes:
        """What a command answers, with status; long answers in parts."""
        if apdu.ins == 0xC0:
            return self._part(self._rest, OK, apdu.le)
        self._rest = b""
        try:
            whole = self._unchained(apdu)
            if whole is None:
                return b"\x90\x00"
            data = self._command(whole)
        except Status as status:
            self._fresh = False
            return status.word.to_bytes(2, "big")
        self._fresh = apdu.ins == 0x20 and self._verified
        return self._part(data, OK, apdu.le)

    def _part(self, data: bytes, status: int, le: int | None) -> bytes:
        """As much as was asked for, and how much there is still."""
        size = 0 if le is None else le or 256
        now, self._rest = data[:size], data[size:]
        if self._rest:
            status = 0x6100 | (len(self._rest) if len(self._rest) < 256 else 0)
        return now + status.to_bytes(2, "big")

    def _unchained(self, apdu: Apdu) -> Apdu | None:
        """The whole command, None while parts of it are still to come."""
        if apdu.cla not in (0x00, 0x10):
            raise Status(NO_CLASS)
        kind = (apdu.ins, apdu.p1, apdu.p2)
        if self._chained not in (None, kind):
            self._chained, self._chain = None, b""
            raise Status(CHAIN_EXPECTED)
        self._chain += apdu.data
        if len(self._chain) > MAX_OBJECT:
            self._chained, self._chain = None, b""
            raise Status(WRONG_LENGTH)
        if apdu.cla & 0x10:
            self._chained = kind
            return None
        data, self._chain, self._chained = self._chain, b"", None
        return Apdu(0x00, *kind, data, apdu.le)

    def _command(self, apdu: Apdu) -> bytes:
        commands = {
            0x20: self._verify,
            0x24: self._change_reference,
            0x2C: self._reset_retries,
            0x47: self._generate,
            0x87: self._general_authenticate,
            0xCB: self._get_data,
            0xDB: self._put_data,
        }
        if apdu.ins not in commands:
            raise Status(NO_INSTRUCTION)
        return commands[apdu.ins](apdu)

    # PIN and PUK

    def _verify(self, apdu: Apdu) -> bytes:
        if apdu.p2 != PIN:
            raise Status(NO_REFERENCE)
        if apdu.p1 == 0xFF and not apdu.data:
            self._verified = False
            return b""
        if apdu.p1 != 0:
            raise Status(WRONG_P1P2)
        if not apdu.data:
            if self._verified:
                return b""
            raise Status(self._refusal(self.state.pin))
        self._verified = False
        self._compare(self.state.pin, apdu.data)
        self._verified = True
        return b""

    def _compare(self, secret: Secret, told: bytes) -> None:
        """Raises Status for a wrong one; the try is gone before anything is compared."""
        if secret.left == 0:
            raise Status(BLOCKED)
        if not _is_pin(told):
            raise Status(WRONG_DATA)
        secret.left -= 1
        self.state.save()
        if not hmac.compare_digest(told, secret.padded()):
            raise Status(self._refusal(secret))
        secret.left = secret.most
        self.state.save()

    def _refusal(self, secret: Secret) -> int:
        return BLOCKED if secret.left == 0 else 0x63C0 | secret.left

    def _change_reference(self, apdu: Apdu) -> bytes:
        if apdu.p1 != 0:
            raise Status(WRONG_P1P2)
        if apdu.p2 not in (PIN, PUK):
            raise Status(NO_REFERENCE)
        secret = self.state.pin if apdu.p2 == PIN else self.state.puk
        old, new = apdu.data[:8], apdu.data[8:]
        if secret.left and not (_is_pin(old) and _is_pin(new)):
            raise Status(WRONG_DATA)
        self._compare(secret, old)
        self._replace(secret, new)
        self._verified = self._verified or apdu.p2 == PIN
        return b""

    def _reset_retries(self, apdu: Apdu) -> bytes:
        """The PUK and a new PIN."""
        if (apdu.p1, apdu.p2) != (0, PIN):
            raise Status(NO_REFERENCE)
        puk, new = apdu.data[:8], apdu.data[8:]
        if self.state.puk.left and not (_is_pin(puk) and _is_pin(new)):
            raise Status(WRONG_DATA)
        self._compare(self.state.puk, puk)
        self._replace(self.state.pin, new)
        return b""

    def _replace(self, secret: Secret, new: bytes) -> None:
        secret.value = new.rstrip(b"\xff").decode()
        secret.left = secret.most
        self.state.save()

    # Data objects

    def _get_data(self, apdu: Apdu) -> bytes:
        self._check_p1p2(apdu)
        tag = split(apdu.data).get("5c", b"").hex()
        if tag in PIN_PROTECTED and not self._verified:
            raise Status(NOT_SATISFIED)
        if tag not in self.state.objects:
            raise Status(NOT_FOUND)
        content = self.state.objects[tag]
        return content if tag == DISCOVERY else wrap("53", content)

    def _put_data(self, apdu: Apdu) -> bytes:
        self._check_p1p2(apdu)
        self._check_administrator()
        told = split(apdu.data)
        tag = told.get("5c", b"").hex()
        if len(tag) != 6 or "53" not in told:
            raise Status(WRONG_DATA)
        if told["53"]:
            self.state.objects[tag] = told["53"]
        else:
            self.state.objects.pop(tag, None)
        self.state.save()
        return b""

    def _check_p1p2(self, apdu: Apdu) -> None:
        if (apdu.p1, apdu.p2) != (0x3F, 0xFF):
            raise Status(WRONG_P1P2)

    def _check_administrator(self) -> None:
        if not self._administrator:
            raise Status(NOT_SATISFIED)

    # Keys

    def _generate(self, apdu: Apdu) -> bytes:
        self._check_administrator()
        if apdu.p1 != 0 or apdu.p2 not in SLOTS:
            raise Status(WRONG_P1P2)
        algorithm = split(split(apdu.data).get("ac", b"")).get("80", b"")
        name = ALGORITHMS.get(int.from_bytes(algorithm, "big"))
        if name is None:
            raise Status(WRONG_DATA)
        key = self.state.keys[apdu.p2] = KEY_TYPES[name]()
        self.state.save()
        return public_template(key)

    def _general_authenticate(self, apdu: Apdu) -> bytes:
        template = split(split(apdu.data).get("7c", b""))
        if apdu.p2 == MANAGEMENT:
            return self._authenticate_administrator(apdu.p1, template)
        key = self.state.keys.get(apdu.p2)
        if key is None or ALGORITHMS.get(apdu.p1) != type_of(key):
            raise Status(WRONG_P1P2)
        if apdu.p2 != FREE_SLOT and not self._verified:
            raise Status(NOT_SATISFIED)
        if apdu.p2 == SIGNATURE_SLOT and not self._fresh:
            raise Status(NOT_SATISFIED)
        began = time.perf_counter()
        if "85" in template:
            result = agree(key, template["85"])
        elif "81" in template:
            result = sign(key, template["81"])
        else:
            raise Status(WRONG_DATA)
        self.crypto_s += time.perf_counter() - began
        self.operations += 1
        return wrap("7C", wrap("82", result))

    def _authenticate_administrator(self, algorithm: int, template: dict[str, bytes]) -> bytes:
        """Challenge (81, 82) or mutual authentication (80, 81), SP 800-73-4 part 2, appendix A."""
        key = self.state.management
        if (algorithm or 0x03) != (key.algorithm or 0x03):  # both 00 and 03 are 3DES
            raise Status(WRONG_P1P2)
        challenge, self._challenge = self._challenge, b""
        witness, self._witness = self._witness, b""
        if template.get("81") == b"" and "80" not in template:
            self._challenge = os.urandom(key.block_bytes)
            return wrap("7C", wrap("81", self._challenge))
        if template.get("80") == b"":
            self._witness = os.urandom(key.block_bytes)
            return wrap("7C", wrap("80", key.encrypt(self._witness)))
        if challenge and "82" in template:
            self._become_administrator(template["82"], key.encrypt(challenge))
            return b""
        if witness and "80" in template and "81" in template:
            self._become_administrator(template["80"], witness)
            return wrap("7C", wrap("82", key.encrypt(template["81"])))
        raise Status(CONDITIONS)

    def _become_administrator(self, told: bytes, wanted: bytes) -> None:
        self._administrator = hmac.compare_digest(told, wanted)
        self._check_administrator()


def _is_pin(told: bytes) -> bool:
    """Six to eight characters, padded by FF to eight bytes (a PUK may be any eight bytes)."""
    value = told.rstrip(b"\xff")
    return len(told) == 8 and len(value) >= 6 and value.isascii()
