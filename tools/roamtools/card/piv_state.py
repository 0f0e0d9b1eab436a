"""What an emulated PIV card keeps without power, and the file that keeps it for us. No APDUs."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from roamtools.card.piv_keys import ManagementKey, PrivateKey, from_pem, to_pem

DEFAULT_PIN, DEFAULT_PUK = "123456", "12345678"
MAX_TRIES = 3
# The default of cards that are sold without a key of one's own, as for example YubiKeys. OpenSC
# asks key 9B for random numbers, and knows only cards on which it is 3DES.
DEFAULT_MANAGEMENT = ManagementKey(0x03, 3 * bytes.fromhex("0102030405060708"))


@dataclass
class Secret:
    """PIN or PUK with its tries."""

    value: str
    left: int = MAX_TRIES
    most: int = MAX_TRIES

    def padded(self) -> bytes:
        """Eight bytes, as the card compares them."""
        return self.value.encode().ljust(8, b"\xff")


@dataclass
class PivState:
    """One card; `path` is where a change is written at once, nowhere if it is None."""

    pin: Secret = field(default_factory=lambda: Secret(DEFAULT_PIN))
    puk: Secret = field(default_factory=lambda: Secret(DEFAULT_PUK))
    management: ManagementKey = DEFAULT_MANAGEMENT
    keys: dict[int, PrivateKey] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # by tag; content of the 53 around it
    path: Path | None = None

    def save(self) -> None:
        """Replace the file: a card that is killed in the middle has its last whole state."""
        if self.path is None:
            return
        kept = {
            "pin": vars(self.pin),
            "puk": vars(self.puk),
            "management": [self.management.algorithm, self.management.key.hex()],
            "keys": {f"{slot:02x}": to_pem(key) for slot, key in self.keys.items()},
            "objects": {tag: value.hex() for tag, value in self.objects.items()},
        }
        new = self.path.with_name(f".{self.path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(kept, file, indent=1)
        new.replace(self.path)

    @classmethod
    def load(cls, path: Path) -> "PivState":
        """Raises OSError or ValueError with the file's name."""
        try:
            kept = json.loads(path.read_text(encoding="ascii"))
            algorithm, key = kept["management"]
            return cls(
                Secret(**kept["pin"]),
                Secret(**kept["puk"]),
                ManagementKey(algorithm, bytes.fromhex(key)),
                {int(slot, 16): from_pem(pem) for slot, pem in kept["keys"].items()},
                {tag: bytes.fromhex(value) for tag, value in kept["objects"].items()},
                path,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no card made by 'roamtools.card make': {error}") from error
