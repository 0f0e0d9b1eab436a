"""What happens at a terminal as sentences for its log; what the screen says is in `catalogue`.

No sentence has a whole token in it: a card's number is enough to copy the card.
"""

from dtu.core.events import (
    CardEvent,
    CardPresented,
    CardRemoved,
    CardUnreadable,
    ReaderMissing,
    ReaderReady,
)
from roamwire.control import Server
from roamwire.tokens import Token

SHOWN_CHARS = 4
"""The last ones tell the cards of an office apart; at most half of a number is ever shown."""

_UNREADABLE = {
    "mute": "does not answer (upside down, or broken?)",
    "foreign": "answers, but has no key or number that it is taken by",
    "pulled": "was pulled while it was read",
    "busy": "is held by another program",
}
_MISSING = {
    "no_reader": "no card reader is plugged in",
    "no_service": "the smart card service (pcscd) does not answer",
}


def token(token: Token) -> str:
    """A token for the log: its kind and the end of its number, like `uid …000a`."""
    shown = min(SHOWN_CHARS, len(token.value) // 2)
    return f"{token.kind} …{token.value[len(token.value) - shown :]}"


def card(event: CardEvent) -> str:
    """What has happened at a reader."""
    match event:
        case CardPresented():
            return f"card in: {token(event.token)}, at {event.reader or 'no reader'}"
        case CardRemoved():
            return f"card out of {event.reader}{'' if event.seen else ', which is gone'}"
        case CardUnreadable():
            what = _UNREADABLE.get(event.reason, event.reason)
            return f"the card in {event.reader} {what}"
        case ReaderMissing():
            return _MISSING.get(event.reason, f"no card reader: {event.reason}")
        case ReaderReady():
            return f"card reader {event.reader} is ready"
        case _:  # never its fields: what a card says may be secret
            return f"the reader tells of {type(event).__name__}"


def server(where: Server | None) -> str:
    """A server by name and address, as far as they are known."""
    return f"{where.host or 'unnamed'} ({where.address}:{where.port})" if where else "?"
