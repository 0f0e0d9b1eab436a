"""Everything that a terminal can say, by number; the sentences are in `dtu/languages/*.toml`.

Which one is shown is decided in `terminal`. Numbers never change their meaning: they are read out
on the phone. 1x network and terminal, 2x card, 3x from the server, 4x session, 5x PIN and password,
6x choice and sign-in, 7x proof of a card, 8x the terminal itself.
"""

from dtu.core.events import CardEvent, CardUnreadable, ReaderMissing
from dtu.core.refusals import Refusal, Refused
from dtu.core.update import Update
from dtu.core.words import Icon, Message
from roamwire import enrolment
from roamwire.control import Ask, Disconnect, Question
from roamwire.notices import DisconnectReason, NoticeCode
from roamwire.tokens import Token

TERMINAL_REVOKED = Message(10, Icon.LOCK)
POWERED_UP = Message(11, Icon.ADDRESS)
NO_ADDRESS = Message(12, Icon.ADDRESS)
SEEKING = Message(13, Icon.SEARCH)
CONNECTING = Message(14, Icon.PLUG)
CABLE_OUT = Message(15, Icon.CABLE)
CLOCK_WRONG = Message(16, Icon.CLOCK)
NOT_ENROLLED = Message(17, Icon.LOCK)
UPDATING = Message(18, Icon.UPDATE)
CERTIFICATE_REFUSED = Message(19, Icon.LOCK)

INSERT_CARD = Message(21, Icon.CARD, notes=("menu",))
CARD_MUTE = Message(22, Icon.CARD)
CARD_FOREIGN = Message(23, Icon.CARD)
CARD_PULLED = Message(24, Icon.CARD)
NO_READER = Message(25, Icon.READER)
NO_SERVICE = Message(26, Icon.READER)
OPENING = Message(27, Icon.SCREEN)
CARD_BUSY = Message(28, Icon.CARD)

SERVER_LOST = Message(41, Icon.BROKEN)
RESTARTING = Message(42, Icon.UPDATE)
TAKEN_OVER = Message(43, Icon.SCREEN)
ENDED = Message(44, Icon.PERSON)
DISPLAY_LOST = Message(45, Icon.BROKEN)
LOCKED = Message(46, Icon.LOCK)
DRAINED = Message(47, Icon.UPDATE)
SESSION_STOPPED = Message(48, Icon.BROKEN)

ENTER_PIN = Message(51, Icon.LOCK)
WRONG_PIN = Message(52, Icon.LOCK)
PIN_BLOCKED = Message(53, Icon.LOCK)
PIN_ACCEPTED = Message(54, Icon.OK)

CHOOSE_SESSION = Message(61, Icon.LIST)
ENTER_PASSWORD = Message(62, Icon.LOCK)
SIGN_IN = Message(63, Icon.PERSON)
REGISTER_CARD = Message(64, Icon.PERSON)

NOT_SET_UP = Message(81, Icon.WARNING, notes=("detail",))

TAKEN_OVER_AT = Message(43, Icon.SCREEN, form="at")
SERVER_EXPIRED = Message(19, Icon.CLOCK, form="expired")
SERVER_FOREIGN = Message(19, Icon.LOCK, form="foreign")

ENROLMENT_DENIED = Message(19, Icon.LOCK, form="denied")
ENROLMENT_CODE = Message(19, Icon.LOCK, form="code")

UPDATED_SO_FAR = Message(18, Icon.UPDATE, form="percent")

NO_SETTINGS = Message(81, Icon.WARNING, form="settings", notes=("detail",))
NO_GROUP = Message(81, Icon.LOCK, form="group", notes=("detail",))

VARIANTS = (
    *(SERVER_EXPIRED, SERVER_FOREIGN, ENROLMENT_DENIED, ENROLMENT_CODE, TAKEN_OVER_AT),
    *(NO_SETTINGS, NO_GROUP, UPDATED_SO_FAR),
)
"""Another sentence under a number that has one already."""

OTHER = "other"
"""Key of the title over a message of the server that we have no words for."""

NOTICES = {
    NoticeCode.NOT_REGISTERED: Message(31, Icon.PERSON),
    NoticeCode.TOKEN_DISABLED: Message(32, Icon.PERSON),
    NoticeCode.SESSION_FAILED: Message(33, Icon.WARNING),
    NoticeCode.NO_SERVER_FREE: Message(34, Icon.WARNING),
    NoticeCode.REGISTRY_DOWN: Message(35, Icon.WARNING),
    NoticeCode.STARTING: Message(36, Icon.SCREEN),
    NoticeCode.KIND_REFUSED: Message(37, Icon.PERSON),
    NoticeCode.OUTSIDE_HOURS: Message(38, Icon.CLOCK),
    NoticeCode.TOKEN_LOST: Message(39, Icon.PERSON),
    NoticeCode.PIN_BLOCKED: PIN_BLOCKED,
    NoticeCode.WRONG_PASSWORD: Message(55, Icon.LOCK),
    NoticeCode.PIN_NOT_GIVEN: Message(56, Icon.LOCK),
    NoticeCode.PASSWORD_NOT_GIVEN: Message(57, Icon.LOCK),
    NoticeCode.PASSWORD_EXPIRED: Message(58, Icon.LOCK),
    NoticeCode.ACCOUNT_REFUSED: Message(59, Icon.PERSON),
    NoticeCode.NOT_PROVEN: Message(71, Icon.CARD),
    NoticeCode.NO_PROOF_IN_TIME: Message(72, Icon.CARD),
    NoticeCode.CERTIFICATE_REFUSED: Message(73, Icon.CARD),
    NoticeCode.TOO_MANY_TRIES: Message(74, Icon.CLOCK),
    NoticeCode.PASSWORDS_DOWN: Message(75, Icon.WARNING),
    NoticeCode.TOKEN_SEEN: Message(76, Icon.READER),
    NoticeCode.TOKEN_ENROLLED: Message(77, Icon.OK),
}

CARD_PROBLEMS = {
    "mute": CARD_MUTE,
    "foreign": CARD_FOREIGN,
    "pulled": CARD_PULLED,
    "busy": CARD_BUSY,
}
READER_PROBLEMS = {"no_reader": NO_READER, "no_service": NO_SERVICE}

LOW_TRUST = ("uid", "pseudo")
"""Kinds of tokens that prove nothing (DESIGN section 5); the keys of their notes."""

ENROLMENT_REFUSED = {
    enrolment.Refusal.DENIED: ENROLMENT_DENIED,
    enrolment.Refusal.BLOCKED: ENROLMENT_DENIED,
    enrolment.Refusal.CODE: ENROLMENT_CODE,
    enrolment.Refusal.NOT_PREREGISTERED: ENROLMENT_CODE,
}

REFUSALS = {
    Refusal.OURS: CERTIFICATE_REFUSED,
    Refusal.CLOCK: CLOCK_WRONG,
    Refusal.EXPIRED: SERVER_EXPIRED,
    Refusal.FOREIGN: SERVER_FOREIGN,
}

QUESTIONS = {
    Question.PASSWORD: ENTER_PASSWORD,
    Question.LOGIN: SIGN_IN,
    Question.REGISTER: REGISTER_CARD,
}

_ASK_AGAIN = {
    DisconnectReason.DRAINED.value: DRAINED,
    DisconnectReason.FAILED.value: SESSION_STOPPED,
}


def everything() -> tuple[Message, ...]:
    """All messages that have words of their own, by number."""
    named = [value for value in globals().values() if isinstance(value, Message)]
    named = [message for message in named if message not in VARIANTS]
    return tuple(sorted({*named, *NOTICES.values()}, key=lambda message: message.code))


def problem(event: CardEvent) -> Message | None:
    """What is wrong at the reader after this event; None if nothing is."""
    if isinstance(event, CardUnreadable):
        return CARD_PROBLEMS.get(event.reason, CARD_MUTE)
    if isinstance(event, ReaderMissing):
        return READER_PROBLEMS.get(event.reason, NO_READER)
    return None


def notice(code: int, text: str) -> Message:
    """The message of a server's notice; an unknown number is shown with the server's own text."""
    known = NOTICES.get(NoticeCode(code)) if code in [*NoticeCode] else None
    return known or Message(code, Icon.WARNING, form=OTHER).about(text=text)


def updating(update: Update) -> Message | None:
    """What is said while the terminal's system is updated; None if it is not."""
    if not update.under_way:
        return None
    percent = update.percent
    return UPDATING if percent is None else UPDATED_SO_FAR.about(percent=str(percent))


def ended(line: Disconnect) -> Message | None:
    """Why a card that is in has no session any more; None if it is to be asked for again."""
    if line.reason == DisconnectReason.ENDED.value:
        return ENDED
    if line.reason == DisconnectReason.BLOCKED.value:
        return NOTICES[NoticeCode.TOKEN_LOST]
    if line.reason != DisconnectReason.TAKEN_OVER.value:
        return None
    return TAKEN_OVER_AT.about(desk=line.desk) if line.desk else TAKEN_OVER


def refused(verdict: Refused | None) -> Message | None:
    """Why no server has us although one answers; None if that is not known."""
    return REFUSALS[verdict.why].about(time=verdict.clock) if verdict else None


def asked_again(reason: str) -> Message:
    """What is said while a session that a server took away is asked for again."""
    return _ASK_AGAIN.get(reason, DISPLAY_LOST)


def enter_pin(left: int | None) -> Message:
    """The PIN for the first time; with a word of warning if it is the last try."""
    return Message(ENTER_PIN.code, ENTER_PIN.icon, form="last") if left == 1 else ENTER_PIN


def wrong_pin(left: int | None) -> Message:
    """The PIN again; the card takes so many more, None if it does not say."""
    if left is None:
        return Message(WRONG_PIN.code, WRONG_PIN.icon, form="unknown")
    if left == 1:
        return Message(WRONG_PIN.code, WRONG_PIN.icon, form="last")
    return WRONG_PIN.about(tries=str(left))


def too_short(words: Message, least: int, most: int) -> Message:
    """The same question for a PIN, whose answer was no PIN; what it warns of stays."""
    return words.noting("short").about(least=str(least), most=str(most))


def question(ask: Ask) -> Message:
    """What a server asks a person, or asks again and why."""
    message = QUESTIONS[ask.what]
    if ask.code == NoticeCode.WRONG_PASSWORD:
        wrong = NOTICES[NoticeCode.WRONG_PASSWORD]
        again = Message(wrong.code, wrong.icon, form="again").about(tries=str(ask.tries))
        message = again if ask.tries else wrong
    elif ask.code:
        message = notice(ask.code, "")
    if ask.text:
        message = message.about(said=ask.text).noting("server")
    return message.noting("keys")


def trusted(message: Message, token: Token | None) -> Message:
    """The message, with a note if the token that is in proves nothing."""
    return message.noting(token.kind) if token and token.kind in LOW_TRUST else message
