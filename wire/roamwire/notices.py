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


class DisconnectReason(enum.Enum):
    """Why a session is no longer shown at a DTU."""

    TAKEN_OVER = "taken-over"
    ENDED = "ended"
    RESTARTING = "restarting"
    DRAINED = "drained"
    FAILED = "failed"
