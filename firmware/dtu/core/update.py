"""What an update of the terminal's system says of itself. Who updates, who watches: not here."""

from dataclasses import dataclass

MAX_UPDATE_TEXT = 64


@dataclass(frozen=True)
class Update:
    """Whether an update is under way, and how much of it is done; None if it does not say."""

    under_way: bool
    percent: int | None = None


NO_UPDATE = Update(False)


def parse_update(text: str) -> Update:
    """Read the file of an update: a whole number of percent, or whatever does not say how far."""
    word = text.strip().removesuffix("%").rstrip()
    digits = word.isascii() and word.isdigit() and len(word) <= 3
    return Update(True, int(word) if digits and int(word) <= 100 else None)
