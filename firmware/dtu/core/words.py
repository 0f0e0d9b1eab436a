"""What a screen says: a number, a title and a sentence. Nothing is drawn or chosen here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """One message for the person at the desk; `code` can be read out on the phone."""

    code: int
    title: str
    text: str
