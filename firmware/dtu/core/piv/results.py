"""What a terminal knows of a PIV card, asks of it and gets: values. Nothing is sent here."""

from dataclasses import dataclass, field
from enum import Enum

from dtu.core.piv.keys import KeyType

MIN_PIN_CHARS, MAX_PIN_CHARS = 4, 8  # SP 800-73-4 wants 6 to 8; some cards were given shorter ones


class Slot(Enum):
    """A key of the card; the value is its reference in SP 800-73-4 part 1, table 4b."""

    AUTHENTICATION = 0x9A  # signs after VERIFY: the person knows the PIN
    CARD_AUTHENTICATION = 0x9E  # signs for everyone: the card is there

    def __str__(self) -> str:
        return f"{self.value:02X}"


@dataclass(frozen=True)
class Certificate:
    """A certificate as it is on the card; nobody has checked it."""

    slot: Slot
    key: KeyType
    der: bytes = field(repr=False)


@dataclass(frozen=True)
class PivCard:
    """A PIV card with a key that can prove it.

    `name` is the GUID of the CHUID in hexadecimal, or `key-` and the first half of the hash of the
    public key if the card has no GUID. Both are claims until the card has signed. `certificate` is
    the one of 9E; of 9A only if the card has none for 9E.
    """

    name: str
    certificate: Certificate


def wipe(secret: bytearray | None) -> None:
    """Overwrite a PIN; copies that other code made of it are not reached."""
    if secret is not None:
        secret[:] = bytes(len(secret))


@dataclass(frozen=True)
class Sign:
    """Sign `message` with a key; `pin` for 9A only. A request owns its PINs: whoever carries it
    out or gives it up wipes them.

    `number` is the caller's and comes back with the answer; `insertion` is that of CardPresented.
    """

    number: int
    insertion: int
    slot: Slot
    message: bytes = field(repr=False)
    pin: bytearray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.pin is not None) is not (self.slot is Slot.AUTHENTICATION):
            raise ValueError(f"key {self.slot} and a PIN: 9A wants one, 9E none")

    @property
    def has_pin(self) -> bool:
        """Whether the card gets a PIN."""
        return self.pin is not None

    def wipe(self) -> None:
        """The PIN is not needed any more."""
        wipe(self.pin)


@dataclass(frozen=True)
class CountTries:
    """How many wrong PINs the card still takes; costs none of them."""

    number: int
    insertion: int
    has_pin = False

    def wipe(self) -> None:
        """There is no PIN in it."""


@dataclass(frozen=True)
class ChangePin:
    """Give the card a new PIN."""

    number: int
    insertion: int
    old: bytearray = field(repr=False)
    new: bytearray = field(repr=False)
    has_pin = True

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
class CardError:
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


Refused = PinWrong | PinBlocked | PinUnusable | NoPiv | NoCertificate | CardError | NotDone
CardResult = Signed | Tries | PinChanged | Refused
