"""What a terminal knows of a PIV card, asks of it and gets: values. Nothing is sent here."""

from dataclasses import dataclass, field

from dtu.core.piv.keys import KeyType
from roamwire.proof import Slot
from roamwire.tokens import Token

MIN_PIN_CHARS, MAX_PIN_CHARS = 4, 8  # SP 800-73-4 wants 6 to 8; some cards were given shorter ones


@dataclass(frozen=True)
class Certificate:
    """A certificate as it is on the card; nobody has checked it."""

    slot: Slot
    key: KeyType
    der: bytes = field(repr=False)


@dataclass(frozen=True)
class PivCard:
    """A PIV card with a key 9E, which can prove it.

    `token` is the hash of that key. `guid` is the CHUID's in hexadecimal, "" if it has none: a
    number for people to compare, which every other card can say too.
    """

    token: Token
    guid: str
    certificate: Certificate


def wipe(secret: bytearray | None) -> None:
    """Overwrite a PIN; copies that other code made of it are not reached."""
    if secret is not None:
        secret[:] = bytes(len(secret))


@dataclass(frozen=True)
class Sign:
    """Sign `message` with a key; `pin` for 9A only.

    Without a PIN 9A signs if the card was given one since it went in, else PinNeeded is the answer.
    A request owns its PINs: whoever carries it out or gives it up wipes them. `number` is the
    caller's and comes back with the answer; `insertion` is that of CardPresented.
    """

    number: int
    insertion: int
    slot: Slot
    message: bytes = field(repr=False)
    pin: bytearray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.pin is not None and self.slot is not Slot.PERSON:
            raise ValueError(f"key {self.slot.value} takes no PIN")

    def wipe(self) -> None:
        """The PIN is not needed any more."""
        wipe(self.pin)


@dataclass(frozen=True)
class CountTries:
    """How many wrong PINs the card still takes; costs none of them."""

    number: int
    insertion: int

    def wipe(self) -> None:
        """There is no PIN in it."""


@dataclass(frozen=True)
class ChangePin:
    """Give the card a new PIN."""

    number: int
    insertion: int
    old: bytearray = field(repr=False)
    new: bytearray = field(repr=False)

    def wipe(self) -> None:
        """The PINs are not needed any more."""
        wipe(self.old)
        wipe(self.new)


CardRequest = Sign | CountTries | ChangePin


@dataclass(frozen=True)
class Signed:
    """A signature: RSA as PKCS#1 v1.5 with SHA-256, ECDSA in DER with SHA-256 (P-256) or SHA-384
    (P-384)."""

    certificate: Certificate
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class Tries:
    """So many wrong PINs are left; None if the card does not count them for us."""

    left: int | None


@dataclass(frozen=True)
class PinNeeded:
    """The key signs after a PIN only; so many wrong ones are left, None if that is not known."""

    left: int | None


@dataclass(frozen=True)
class PinChanged:
    """The new PIN counts."""


@dataclass(frozen=True)
class PinWrong:
    """The card has refused the PIN and takes so many more; None if it does not say."""

    left: int | None


@dataclass(frozen=True)
class PinBlocked:
    """The card takes no PIN any more, until somebody who knows the PUK unblocks it."""


@dataclass(frozen=True)
class PinUnusable:
    """A PIN that no card has, by its length or characters; it cost no try."""


@dataclass(frozen=True)
class NoPiv:
    """There is no PIV application on the card."""


@dataclass(frozen=True)
class NoCertificate:
    """The key cannot be used; `reason` is `absent`, `unreadable` or `key type`."""

    slot: Slot
    reason: str


@dataclass(frozen=True)
class CardFault:
    """The card answered otherwise than it should: status word (0: no whole answer), and at what."""

    status: int
    where: str

    def __str__(self) -> str:
        return f"the card answers {self.status:04X} at {self.where}"


@dataclass(frozen=True)
class NotDone:
    """No answer of the card: it is `gone`, another program or too many requests keep it `busy`,
    it is `mute`, or it is `silent` for longer than a card may be."""

    reason: str


Refused = (
    PinNeeded | PinWrong | PinBlocked | PinUnusable | NoPiv | NoCertificate | CardFault | NotDone
)
CardResult = Signed | Tries | PinChanged | Refused
