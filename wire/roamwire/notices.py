"""Numbers of what a server tells the person at a DTU; the DTU has the words, in its language."""

import enum


class NoticeCode(enum.IntEnum):
    """Stable numbers: they are shown on screen and read out on the phone."""

    NOT_REGISTERED = 31
    TOKEN_DISABLED = 32
    SESSION_FAILED = 33
    NO_SERVER_FREE = 34
    REGISTRY_DOWN = 35
    STARTING = 36
    KIND_REFUSED = 37
    OUTSIDE_HOURS = 38
    TOKEN_LOST = 39
    PIN_BLOCKED = 53
    WRONG_PASSWORD = 55
    PIN_NOT_GIVEN = 56
    PASSWORD_NOT_GIVEN = 57
    PASSWORD_EXPIRED = 58
    ACCOUNT_REFUSED = 59
    NOT_PROVEN = 71
    NO_PROOF_IN_TIME = 72
    CERTIFICATE_REFUSED = 73
    TOO_MANY_TRIES = 74
    PASSWORDS_DOWN = 75
    TOKEN_SEEN = 76
    TOKEN_ENROLLED = 77


class DisconnectReason(enum.Enum):
    """Why a session is no longer shown at a DTU."""

    TAKEN_OVER = "taken-over"
    ENDED = "ended"
    RESTARTING = "restarting"
    DRAINED = "drained"
    FAILED = "failed"
    BLOCKED = "blocked"
