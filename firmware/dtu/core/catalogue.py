"""The sentences of a terminal, by number. Which one is shown is decided in `terminal`."""

from dtu.core.events import CardEvent, CardUnreadable, ReaderMissing
from dtu.core.words import Words
from roamwire.notices import DisconnectReason, NoticeCode

POWERED_UP = Words(11, "Starting", "Waiting for a network address.")
NO_ADDRESS = Words(12, "No network address", "No DHCP server answers. Is the network cable in?")
SEEKING = Words(13, "Looking for a server", "No server has answered yet. Trying again by itself.")
CONNECTING = Words(14, "Connecting", "Talking to server {server}.")
INSERT_CARD = Words(21, "Insert your card", "Put your card into the reader.")
CARD_MUTE = Words(22, "Card not readable", "Take the card out, turn it and put it in again.")
CARD_FOREIGN = Words(23, "Card not known", "This kind of card has no number that can be read.")
CARD_PULLED = Words(24, "Card not readable", "The card was pulled too early. Put it in again.")
NO_READER = Words(25, "No card reader", "Plug the card reader in.")
NO_SERVICE = Words(26, "No card service", "The card service is not running. Waiting for it.")
CARD_BUSY = Words(28, "Card in use", "Another program holds the card. Put the card in again.")
OPENING = Words(27, "Opening your session", "One moment.")
SERVER_LOST = Words(41, "Server lost", "Your server does not answer. Moving to another one.")
RESTARTING = Words(42, "One moment", "Your server restarts. Your session is kept.")
TAKEN_OVER = Words(
    43, "Session is elsewhere", "It is shown at another desk. Put your card in again to get it."
)
ENDED = Words(44, "Signed off", "Take your card out. Put it in again for a new session.")
DISPLAY_LOST = Words(45, "Picture lost", "Asking for your session again.")

NOTICES = {
    NoticeCode.NOT_REGISTERED: Words(
        31, "Card not registered", "Ask your administrator to register this card."
    ),
    NoticeCode.TOKEN_DISABLED: Words(32, "Card disabled", "Ask your administrator."),
    NoticeCode.SESSION_FAILED: Words(
        33, "Session did not start", "The server could not start your session. Ask for help."
    ),
    NoticeCode.NO_SERVER_FREE: Words(34, "No room", "All servers are full. Try again later."),
    NoticeCode.REGISTRY_DOWN: Words(
        35, "Cards cannot be checked", "The server cannot read its list of cards. Ask for help."
    ),
    NoticeCode.STARTING: Words(36, "Starting your session", "A new desktop is being started."),
}

DISCONNECTS = {
    DisconnectReason.TAKEN_OVER.value: TAKEN_OVER,
    DisconnectReason.ENDED.value: ENDED,
}
CARD_PROBLEMS = {
    "mute": CARD_MUTE,
    "foreign": CARD_FOREIGN,
    "pulled": CARD_PULLED,
    "busy": CARD_BUSY,
}
READER_PROBLEMS = {"no_reader": NO_READER, "no_service": NO_SERVICE}


def problem(event: CardEvent) -> Words | None:
    """What is wrong at the reader after this event; None if nothing is."""
    if isinstance(event, CardUnreadable):
        return CARD_PROBLEMS.get(event.reason, CARD_MUTE)
    if isinstance(event, ReaderMissing):
        return READER_PROBLEMS.get(event.reason, NO_READER)
    return None


def notice(code: int, text: str) -> Words:
    """Words for a server's notice; an unknown number is shown with the server's own text."""
    known = NOTICES.get(NoticeCode(code)) if code in [*NoticeCode] else None
    return known or Words(code, "Message from the server", text)
