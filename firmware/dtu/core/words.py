"""What a screen says: a number, a title and a sentence. Drawing is the display driver's, choosing is the terminal's."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """One message for the person at the desk; `code` is the number they can read out on the phone."""

    code: int
    title: str
    text: str
